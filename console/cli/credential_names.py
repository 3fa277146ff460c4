"""Checks that a given credential exists, so that a misspelt name does not seem to be paused."""

from __future__ import annotations

import contextlib
import difflib
import os

from console.cli.language import tr
from console.cli.shell import talk
from outcomes.words import shown
from provisioning.config.credentials import load_credentials
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError, InvalidInputError
from provisioning.ledger import Ledger
from provisioning.text import Text


async def make_sure_of(name: str, ledger: Ledger) -> None:
    """
    Accepts a credential that is set here, that a worker has, or that has jobs; warns if no name is known.

    The file with the credentials is on the workers' hosts, so a name missing here proves nothing by itself.

    Raises: InvalidInputError if other names are known, and this one is not.
    """
    names = await _known(name, ledger)
    if name in names:
        return
    if not names:
        talk.print(
            tr("no worker has reported its credentials yet: {name} is not checked", name=shown(name)),
            soft_wrap=True,
        )
        return
    near = difflib.get_close_matches(name, names, n=1)
    raise InvalidInputError(
        Text(
            ("there is no credential {name!r}: it is not set here, no worker has it, and no job uses it"),
            name=name,
        ),
        hint=Text("did you mean {name}?", name=near[0])
        if near
        else Text("known credentials: {names}", names=", ".join(sorted(names))),
    )


async def warn_of(name: str, ledger: Ledger) -> None:
    """Warns if a credential is unknown: its pace may be set in advance."""
    if name not in await _known(name, ledger):
        talk.print(
            tr("credential {name} is not known yet; the setting applies when it exists", name=shown(name)),
            soft_wrap=True,
        )


async def known_names(ledger: Ledger) -> set[str]:
    """The credentials that are set here, that a worker has, or that have a pace."""
    names = await ledger.queries.credential_names()
    with contextlib.suppress(ConfigurationError):
        names |= set(load_credentials(Settings.from_env(os.environ)))
    return names


async def _known(name: str, ledger: Ledger) -> set[str]:
    names = await known_names(ledger)
    return names | {name} if await ledger.queries.has_jobs_of(name) else names
