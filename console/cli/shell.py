"""What all commands share: the app, the two consoles, the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

import typer

from console.cli.display.progress import Bar, Events, Lines, Progress, Quiet
from console.cli.display.standard_output import PlainConsole
from provisioning.embedded.workplace import workplace
from provisioning.ledger import Ledger
from provisioning.owner import check_owner
from provisioning.version import version

cli = typer.Typer(
    help="Create widgets in bulk, and record the outcome of every one.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

out = PlainConsole()
talk = PlainConsole(stderr=True)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"provision {version()}")
        raise typer.Exit


@cli.callback()
def _program(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit."),
    ] = False,
) -> None: ...


def _check_owner(owner: str | None) -> str | None:
    return owner if owner is None else check_owner(owner)


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
BatchArgument = Annotated[str, typer.Argument(metavar="BATCH", help="Id or name of a batch.")]
AnyBatchArgument = Annotated[
    str | None, typer.Argument(metavar="BATCH", help="Id or name of a batch; default: all batches.")
]


AnyOwnerOption = Annotated[
    str | None,
    typer.Option(
        "--owner", metavar="OWNER", callback=_check_owner, help="Only of this owner; default: all owners."
    ),
]
OwnerOption = Annotated[
    str, typer.Option("--owner", metavar="OWNER", callback=_check_owner, help="Owner of the batch.")
]


@contextlib.asynccontextmanager
async def open_ledger() -> AsyncIterator[Ledger]:
    """The ledger of the settings, or the embedded one, for as long as the block runs."""
    with workplace() as place:
        async with Ledger.of(place.settings) as ledger:
            yield ledger


def progress_of(*, json: bool, quiet: bool) -> Progress:
    """The display of progress: events, nothing, a live line on a terminal, plain lines elsewhere."""
    if json:
        return Events()
    if quiet:
        return Quiet(talk)
    return Bar(talk) if talk.is_terminal else Lines(talk)
