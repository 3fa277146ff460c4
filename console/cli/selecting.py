"""Options that select jobs, and the two that accept a second widget; the same for every command."""

from __future__ import annotations

import functools
import inspect
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from provisioning.errors import InvalidInputError
from provisioning.ledger import Selection
from provisioning.lifecycle import State
from provisioning.text import Text

ReasonOption = Annotated[
    str, typer.Option("--reason", "--cause", metavar="CAUSE", help="Only jobs with this cause.")
]
CredentialOption = Annotated[
    str, typer.Option("--credential", metavar="NAME", help="Only jobs of this credential.")
]
KeyOption = Annotated[
    str,
    typer.Option(
        "--key", metavar="KEY", help=("Only the job with this key; abc* for every key that starts with abc.")
    ),
]
SinceOption = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Only jobs that reached this state since: 2h, 3d, 2026-11-23, 2026-11-23T14:30.",
    ),
]
UntilOption = Annotated[
    str, typer.Option("--until", metavar="TIME", help="Only jobs that reached this state before this time.")
]
AcceptDuplicatesFlag = Annotated[
    bool,
    typer.Option(
        "--accept-duplicates", help="Also resend jobs that may create a second widget; needs --because."
    ),
]
JustificationOption = Annotated[
    str,
    typer.Option(
        "--because",
        metavar="TEXT",
        help=("Reason for accepting it; recorded with the jobs and in the audit."),
    ),
]

_AGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Filters:
    """The five options that select jobs, for every command that lists or changes many."""

    reason: str = ""
    credential: str = ""
    key: str = ""
    since: str = ""
    until: str = ""

    def of(self, state: State | None, *, now: float | None = None) -> Selection:
        """
        The selected jobs in a state.

        Raises: InvalidInputError if a time cannot be read.
        """
        now = time.time() if now is None else now
        return Selection(
            state,
            self.reason,
            self.credential,
            self.key,
            moment(self.since, now) if self.since else None,
            moment(self.until, now) if self.until else None,
        )


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `filters` stands for the five options, at its place among the others."""

    def with_options(
        reason: ReasonOption = "",
        credential: CredentialOption = "",
        key: KeyOption = "",
        since: SinceOption = "",
        until: UntilOption = "",
    ) -> Filters:
        return Filters(reason, credential, key, since, until)

    options = inspect.signature(with_options, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        command(filters=with_options(**{name: given.pop(name) for name in options}), **given)

    parameters: list[inspect.Parameter] = []
    for name, parameter in own.parameters.items():
        parameters += options.values() if name == "filters" else [parameter]
    wrapper.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
    return wrapper


def age(text: str) -> float | None:
    """Seconds in a length of time as people write it (`90m`, `3d`); None if it is none."""
    found = _AGE.fullmatch(text.strip())
    return float(found[1]) * _UNITS[found[2]] if found else None


def moment(text: str, now: float) -> float:
    """
    A time as people write it, in Unix seconds: an age (`2h`), or a day or time of this machine's clock.

    >>> moment("90m", 10_000.0)
    4600.0

    Raises: InvalidInputError.
    """
    if (seconds := age(text)) is not None:
        return now - seconds
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        raise InvalidInputError(
            Text("{text!r} is not a time", text=text),
            hint=("write an age (30m, 2h, 3d), a date (2026-11-23) or a time (2026-11-23T14:30)"),
        ) from None


def reason_to_accept(accept_duplicates: bool, justification: str) -> str:
    """
    The reason for which second widgets are accepted; empty if they are not.

    Raises: InvalidInputError if one of the two options stands without the other.
    """
    if accept_duplicates != bool(justification.strip()):
        raise InvalidInputError(
            "--accept-duplicates and --because must be used together",
            hint='for example: --accept-duplicates --because "the console shows none of them"',
        )
    return justification.strip()
