"""
Company credentials: each has a name, and its secret is stored on the worker's host only.

A job contains the name of a credential, never its secret. Nothing here is written to the ledger or a log.
"""

from __future__ import annotations

import base64
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError
from provisioning.text import Text

DEFAULT = "default"
"""Name of the credential from `PROVISION_CLIENT_ID` and `PROVISION_CLIENT_SECRET`."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One company's client id and secret; the secret is masked in `repr`."""

    name: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """Value of the Authorization header: Basic over UTF-8 (RFC 7617)."""
        pair = f"{self.client_id}:{self.client_secret}".encode()
        return "Basic " + base64.b64encode(pair).decode()


def load_credentials(settings: Settings) -> dict[str, Credential]:
    """
    Every credential in the settings, by name. There may be none.

    Raises: ConfigurationError if the file is missing, unreadable or incomplete; it never quotes a secret.
    """
    found = {}
    if settings.client_id:
        secret = settings.client_secret.get_secret_value()
        found[DEFAULT] = Credential(DEFAULT, settings.client_id, secret)
    if settings.credentials_file:
        found |= _from_file(settings.credentials_file)
    for credential in found.values():
        if ":" in credential.client_id:
            raise ConfigurationError(
                Text(
                    ("the client id of credential {name!r} holds a colon: Basic auth cannot carry it"),
                    name=credential.name,
                )
            )
    return found


def _from_file(path: Path) -> dict[str, Credential]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            Text(
                "PROVISION_CREDENTIALS_FILE: cannot read {path} ({strerror})",
                path=path,
                strerror=error.strerror,
            ),
            hint="it is a TOML file: [acme] client_id = '…' client_secret = '…'",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            Text("PROVISION_CREDENTIALS_FILE: {path} is not TOML ({error})", path=path, error=error)
        ) from error
    return {name: _from_table(path, name, table) for name, table in tables.items()}


def _from_table(path: Path, name: str, table: Any) -> Credential:
    if not isinstance(table, dict):
        raise ConfigurationError(
            Text("PROVISION_CREDENTIALS_FILE: {path} has a bare entry {name!r}", path=path, name=name),
            hint=Text("write a table: [{name}] with client_id and client_secret", name=name),
        )
    for member in ("client_id", "client_secret"):
        if not isinstance(table.get(member), str) or not table[member]:
            raise ConfigurationError(
                Text(
                    "PROVISION_CREDENTIALS_FILE: [{name}] in {path} lacks {member}",
                    name=name,
                    path=path,
                    member=member,
                )
            )
    return Credential(name, table["client_id"], table["client_secret"])
