"""One row of a file as it will be sent, and what the ledger knows of it."""

from __future__ import annotations

import asyncio
from threading import Event

import typer

from console.cli.display.row_report import row_json, show_row
from console.cli.display.standard_output import emit
from console.cli.file_options import local
from console.cli.language import tr
from console.cli.shell import out
from outcomes.words import shown
from producers.files.read_options import ReadOptions
from producers.one_row import row_of
from provisioning.config.credentials import load_credentials
from provisioning.embedded.workplace import Workplace, workplace
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob, Verdict
from provisioning.ledger import Ledger


def preview(file: str, number: int, options: ReadOptions, owner: str, *, json: bool) -> None:
    """
    Shows the row; sends nothing.

    Raises: typer.Exit with code 2 if something is wrong with it; InvalidInputError if there is no such row.
    """
    with local(file) as source, workplace() as place:

        async def work() -> tuple[NewJob | list[InvalidJobError], Verdict | None]:
            async with Ledger.of(place.settings) as ledger:
                await ledger.check()
                stop = Event()
                try:
                    found = await asyncio.to_thread(
                        row_of, source, number, options, known_credentials=credential_names(place), stop=stop
                    )
                except asyncio.CancelledError:
                    stop.set()
                    raise
                if not isinstance(found, NewJob):
                    return found, None
                [verdict] = await ledger.queries.verdicts([found], owner=owner)
                return found, verdict

        found, verdict = asyncio.run(work())
    if json:
        emit(row_json(number, found, verdict))
    else:
        out.print(tr("row {row:,} of {file}", row=number, file=shown(file)), soft_wrap=True)
        show_row(out, found, verdict)
    if verdict is None:
        raise typer.Exit(2)


def credential_names(place: Workplace) -> frozenset[str] | None:
    """Planning needs no credentials; if some are set up here, rows must name one of them."""
    return frozenset(load_credentials(place.settings)) or None if place.embedded else None
