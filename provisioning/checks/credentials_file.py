"""Checks that the credentials exist, and that only their owner can read them. `judge_credentials` is pure."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioning.checks.finding import Finding, fatal, ok, warning
from provisioning.checks.secret_file import look_at
from provisioning.config.credentials import load_credentials
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError
from provisioning.text import AnyText, Text, plural


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """
    Facts about the credentials.

    Attributes:
        names: of the loaded credentials.
        problem: why they could not be loaded; empty if they were.
        file: the file with them; None if there is none.
        mode: its permission bits; None if they cannot be read.
        foreign: it belongs neither to this user nor to root.
        mounted: it is in a folder where containers have their secrets.
        in_environment: the secret of the credential `default` is in the environment.
    """

    names: tuple[str, ...] = ()
    problem: AnyText = ""
    advice: AnyText = ""
    file: Path | None = None
    mode: int | None = None
    foreign: bool = False
    mounted: bool = False
    in_environment: bool = False


def gather_credentials(settings: Settings) -> CredentialFacts:
    """Loads them and reads the file's permissions."""
    file, mode, foreign, mounted = settings.credentials_file, None, False, False
    if file is not None and (seen := look_at(file)):  # if it cannot be read, loading it reports why
        mode, foreign, mounted = seen.own, seen.foreign, seen.mounted
    in_environment = bool(settings.client_id)
    try:
        names = tuple(load_credentials(settings))
    except ConfigurationError as error:
        return CredentialFacts((), error.message, error.hint, file, mode, foreign, mounted, in_environment)
    return CredentialFacts(names, "", "", file, mode, foreign, mounted, in_environment)


def judge_credentials(facts: CredentialFacts) -> Iterator[Finding]:
    """All findings on them."""
    if facts.problem:
        yield fatal(
            "credentials.loaded",
            facts.problem,
            facts.advice or Text("correct the file, and restart the workers"),
        )
    elif not facts.names:
        yield warning(
            "credentials.loaded",
            "no credential is set here: a worker could not send any job",
            "on the hosts of workers, set PROVISION_CLIENT_ID and PROVISION_CLIENT_SECRET, or"
            " PROVISION_CREDENTIALS_FILE",
        )
    else:
        loaded = plural("{count} credential", "{count} credentials", len(facts.names))
        open_one = Text(
            "{credentials} (one in the environment, readable by anybody who can inspect the process)",
            credentials=loaded,
        )
        yield ok(
            "credentials.loaded",
            open_one if facts.in_environment else loaded,
        )
    if facts.file is not None and facts.mode is not None:
        yield _permissions(facts.file, facts.mode, foreign=facts.foreign, mounted=facts.mounted)


def _permissions(file: Path, mode: int, *, foreign: bool, mounted: bool) -> Finding:
    mend = f"chmod 600 {file}"
    if mounted and not mode & stat.S_IWOTH:
        return ok(
            "credentials.file", Text("{file} is a mounted secret (mode {mode:04o})", file=file, mode=mode)
        )
    if foreign:
        return fatal(
            "credentials.file",
            Text("{file} belongs to another user, who could send jobs for any company", file=file),
            Text("change its owner (chown) to the user of the workers, then {command}", command=mend),
        )
    if mode & stat.S_IWOTH:
        return fatal(
            "credentials.file",
            Text("{file} is writable by everybody (mode {mode:04o})", file=file, mode=mode),
            mend,
        )
    if mode & 0o077:
        others = Text("everybody") if mode & stat.S_IROTH else Text("its group")
        return warning(
            "credentials.file",
            Text("{file} is open to {others} (mode {mode:04o})", file=file, others=others, mode=mode),
            mend,
        )
    return ok(
        "credentials.file", Text("{file} is private to its owner (mode {mode:04o})", file=file, mode=mode)
    )
