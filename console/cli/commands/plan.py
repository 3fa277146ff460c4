"""`plan`: what applying a file would do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from console.cli import checking
from console.cli.display.plan_report import plan_json, problem_cells, problem_json, show_plan, show_problems
from console.cli.display.standard_output import emit
from console.cli.file_options import (
    AsIsOption,
    CredentialOption,
    DefaultsOption,
    DelimiterOption,
    EncodingOption,
    FileArgument,
    FormatOption,
    MapFileOption,
    MapOption,
    NewBotsOption,
    SeparatorOption,
    SheetOption,
    local,
    read_options,
)
from console.cli.language import tr
from console.cli.one_row import credential_names, preview
from console.cli.shell import JsonFlag, OwnerOption, cli, out, progress_of, talk
from outcomes.words import amount, shown
from producers.files.cells import csv_line, escape, inert
from producers.plan import Plan
from provisioning.embedded.workplace import workplace
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.ledger import Ledger
from provisioning.owner import DEFAULT
from provisioning.text import Text


@cli.command()
def plan(
    file: FileArgument,
    maps: MapOption = None,
    map_file: MapFileOption = None,
    defaults: DefaultsOption = None,
    credential: CredentialOption = "default",
    new_bots: NewBotsOption = False,
    separator: SeparatorOption = ";",
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    format_: FormatOption = None,
    sheet: SheetOption = None,
    as_is: AsIsOption = None,
    owner: OwnerOption = DEFAULT,
    row: Annotated[
        int | None,
        typer.Option(
            "--row", metavar="N", min=1, help="Show only row N, as it will be sent; the header is row 1."
        ),
    ] = None,
    errors_to: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.csv", help="Write every problem to this file.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """
    Check a file without sending anything.

    Example: provision plan tenants.csv
    """
    options = read_options(
        maps, defaults, credential, new_bots, separator, delimiter, encoding, format_, map_file, as_is, sheet
    )
    if row is not None:
        if errors_to is not None:
            raise InvalidInputError("--row is about one row, --out about all", hint="omit one of them")
        preview(file, row, options, owner, json=json)
        return
    with local(file) as source, workplace() as place, _problem_file(errors_to) as write:

        def report(problem: InvalidJobError) -> None:
            write(problem)
            if json:
                emit(problem_json(problem))

        async def work() -> Plan:
            async with Ledger.of(place.settings) as ledger:
                with progress_of(json=False, quiet=json) as progress:
                    checked = await checking.check(
                        ledger,
                        source,
                        options,
                        progress,
                        rate=place.settings.rate,
                        known=credential_names(place),
                        owner=owner,
                        on_problem=report,
                    )
                    return checked.plan

        made = asyncio.run(work())
    if json:
        emit(plan_json(made, place.settings.rate))
    else:
        out.print(tr("{rows} in {file}", rows=amount(made.rows, "row"), file=shown(file)), soft_wrap=True)
        show_plan(out, made)
        if made.problem_count:
            show_problems(out, made)
        if errors_to and made.problem_count:
            problems = amount(made.problem_count, "problem")
            talk.print(tr("{problems} written to {file}", problems=problems, file=errors_to), soft_wrap=True)
    if made.bad_rows:
        raise typer.Exit(2)


@contextlib.contextmanager
def _problem_file(path: Path | None) -> Iterator[Callable[[InvalidJobError], None]]:
    if path is None:
        yield lambda _: None
        return
    # Each step by itself: an OSError from other code is not about this file.
    with _writing(path):
        stream = path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="")
    try:
        with _writing(path):
            stream.write(csv_line(["row", "column", "value", "problem", "hint"]))

        def write(problem: InvalidJobError) -> None:
            with _writing(path):
                stream.write(csv_line(escape(inert(cell)) for cell in problem_cells(problem)))

        yield write
        with _writing(path):
            stream.flush()
    finally:
        with contextlib.suppress(OSError):
            stream.close()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInputError(
            Text("--out: cannot write {path} ({strerror})", path=path, strerror=error.strerror),
            hint="free some space, or choose another folder",
        ) from error
