"""`plan` and `apply`: a file comes in."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from console import applying, reports
from console.file_options import (
    CredentialOption,
    DefaultsOption,
    DelimiterOption,
    EncodingOption,
    FileArgument,
    FormatOption,
    MapOption,
    NewBotsOption,
    SeparatorOption,
    SkipInvalidOption,
    read_options,
    readable_twice,
)
from console.progress import Progress
from console.shell import JsonFlag, cli, out, progress_of, talk
from console.words import amount, duration
from console.workplace import Workplace, check_reachable, local_worker, workplace
from producers.plan import Plan, make_plan
from producers.reading import Reading, ReadOptions
from provisioning.credentials import load_credentials
from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.job import Verdict
from provisioning.ledger import BatchStatus, Ledger
from provisioning.pace import Rate

INCOMPLETE = 3
"""Exit code: some jobs are dead, in doubt or not attempted."""


@cli.command()
def plan(
    file: FileArgument,
    maps: MapOption = None,
    defaults: DefaultsOption = None,
    credential: CredentialOption = "default",
    new_bots: NewBotsOption = False,
    separator: SeparatorOption = ";",
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    format_: FormatOption = None,
    errors_to: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.csv", help="Write every problem into this file.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """
    Check a file without sending anything.

    Example: provision plan tenants.csv
    """
    options = read_options(maps, defaults, credential, new_bots, separator, delimiter, encoding, format_)
    with readable_twice(file) as source, workplace() as place, _problem_file(errors_to) as write:

        async def work() -> Plan:
            async with Ledger.at(place.redis_url) as ledger:
                await ledger.check()
                with Reading(source, options) as reading, progress_of(json=False, quiet=json) as progress:
                    made = await make_plan(
                        ledger,
                        reading,
                        known_credentials=_credential_names(place),
                        on_problem=write,
                        on_chunk=progress.checking,
                    )
                    for note in reading.notes:
                        progress.note(f"note: {note}")
                    return made

        made = asyncio.run(work())
    pace = place.settings.rate
    seconds = _estimate(made, pace)
    if json:
        for problem in made.problems:
            reports.emit(reports.problem_json(problem))
        reports.emit(reports.plan_json(made, str(pace), seconds))
    else:
        out.print(f"{amount(made.rows, 'row')} in {file}", highlight=False)
        reports.show_plan(out, made, str(pace), seconds)
        if made.problem_count:
            reports.show_problems(out, made)
        if errors_to and made.problem_count:
            talk.print(f"{amount(made.problem_count, 'problem')} written to {errors_to}", highlight=False)
    if made.bad_rows:
        raise typer.Exit(2)


def _credential_names(place: Workplace) -> frozenset[str] | None:
    """Planning needs no credentials; if some are set up here, rows must name one of them."""
    return frozenset(load_credentials(place.settings)) or None if place.embedded else None


def _estimate(made: Plan, pace: Rate) -> float | None:
    if pace.per_second is None or not made.credentials:
        return None
    share = max(made.credentials.values()) / made.credentials.total()
    return made.to_send * share / pace.per_second


@contextlib.contextmanager
def _problem_file(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield None
        return
    try:
        stream = path.open("w", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InvalidInputError(f"--out: cannot write {path} ({error.strerror})") from error
    with stream:
        writer = csv.writer(stream)
        writer.writerow(["row", "column", "value", "problem", "hint"])
        yield lambda problem: writer.writerow(reports.problem_cells(problem))


@cli.command()
def apply(
    file: FileArgument,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the batch [the file's]; one that exists goes on."),
    ] = None,
    maps: MapOption = None,
    defaults: DefaultsOption = None,
    credential: CredentialOption = "default",
    new_bots: NewBotsOption = False,
    separator: SeparatorOption = ";",
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    format_: FormatOption = None,
    skip_invalid: SkipInvalidOption = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once all rows are in the ledger; workers do the rest.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before sending.")] = False,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Folder for the outcome files [NAME.outcomes].")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the end.")] = False,
    json: JsonFlag = False,
) -> None:
    """
    Create a widget for every row of a file, and wait until all has settled.

    Example: provision apply tenants.csv
    """
    options = read_options(maps, defaults, credential, new_bots, separator, delimiter, encoding, format_)
    batch_name = name or applying.batch_name(file)
    began = time.monotonic()
    with (
        readable_twice(file) as source,
        workplace() as place,
        progress_of(json=json, quiet=quiet) as progress,
    ):
        if place.embedded and detach:
            raise InvalidInputError(
                "--detach needs workers that stay: PROVISION_REDIS_URL is not set",
                hint="set it and start one with: provision worker; or leave --detach away",
            )
        planned = asyncio.run(_check(source, options, place, progress))
        _decide_to_send(planned, skip_invalid=skip_invalid, ask=not (yes or json), place=place)
        applied = asyncio.run(
            _apply(source, options, place, progress, batch_name, planned, to, detach=detach)
        )
    _show_applied(applied, json=json, detach=detach, seconds=time.monotonic() - began)


async def _check(source: Any, options: ReadOptions, place: Workplace, progress: Progress) -> Plan:
    if place.embedded:
        applying.known_credentials(place)
        check_reachable(place.settings.api_url, place.settings.connect_timeout)
    async with Ledger.at(place.redis_url) as ledger:
        await ledger.check()
        return await applying.check(ledger, place, source, options, progress)


def _decide_to_send(planned: Plan, *, skip_invalid: bool, ask: bool, place: Workplace) -> None:
    """
    Raises: InvalidInputError if rows are bad and shall not be skipped; typer.Exit if a person says no.
    """
    if planned.bad_rows and not skip_invalid:
        reports.show_problems(talk, planned)
        raise InvalidInputError(
            f"{planned.bad_rows:,} of {amount(planned.rows, 'row')} cannot be sent; nothing was",
            hint="mend them, or apply the good rows with --skip-invalid",
        )
    if ask and sys.stdin.isatty() and talk.is_terminal:
        pace = place.settings.rate
        talk.print(f"{amount(planned.rows, 'row')}, to {place.settings.api_url}", highlight=False)
        reports.show_plan(talk, planned, str(pace), _estimate(planned, pace))
        if planned.to_send and not typer.confirm(f"Send {planned.to_send:,}?", err=True):
            raise typer.Exit(0)


async def _apply(
    source: Any,
    options: ReadOptions,
    place: Workplace,
    progress: Progress,
    name: str,
    planned: Plan,
    to: Path | None,
    *,
    detach: bool,
) -> applying.Applied:
    began = time.monotonic()
    with _sigterm_as_interrupt(), contextlib.ExitStack() as stack:
        async with Ledger.at(place.redis_url) as ledger:
            has_work = planned.to_send or planned.verdicts[Verdict.QUEUED] or await _is_open(ledger, name)
            worker = stack.enter_context(local_worker(place)) if place.embedded and has_work else None
            submission = await applying.hand_over(ledger, place, source, options, name, progress)
            if detach:
                status = await _status_if_any(ledger, submission.batch)
                others: list[BatchStatus] = []
                files = None
            else:
                status, others = await applying.follow(ledger, submission, progress, worker)
                batches = [each for each in (status, *others) if each]
                folder = to or Path(f"{name}.outcomes")
                files = await applying.write_files(ledger, batches, folder)
    return applying.Applied(planned, submission, status, others, files, time.monotonic() - began)


async def _is_open(ledger: Ledger, name: str) -> bool:
    """Whether a batch of this name has work left from an earlier time."""
    with contextlib.suppress(NotFoundError):
        return not (await ledger.view.status(await ledger.view.batch_id(name))).settled
    return False


async def _status_if_any(ledger: Ledger, batch: str) -> BatchStatus | None:
    with contextlib.suppress(NotFoundError):
        return await ledger.view.status(batch)
    return None


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """A supervisor's SIGTERM ends the command as Ctrl-C does: POSTs in flight are answered and recorded."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    loop.add_signal_handler(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        if task and task.cancelling():
            talk.print("stopping: POSTs in flight are answered and recorded; the same command goes on later")


def _show_applied(applied: applying.Applied, *, json: bool, detach: bool, seconds: float) -> None:
    submission = applied.submission
    statuses = [each for each in (applied.status, *applied.others) if each]
    if json:
        verdicts = {str(verdict): count for verdict, count in submission.verdicts.items()}
        nothing_new = {"batch": None, "name": submission.name, "settled": True}
        for shown in [each.public() for each in statuses] or [nothing_new]:
            reports.emit(
                {
                    **shown,
                    "verdicts": verdicts,
                    "bad_rows": applied.plan.bad_rows,
                    "seconds": round(seconds, 2),
                    "files": str(applied.files.folder) if applied.files else None,
                }
            )
    else:
        _show_verdicts(applied)
        for status in statuses:
            reports.show_batch(out, status)
        if submission.queued and not detach and applied.seconds:
            rate = submission.queued / applied.seconds
            out.print(f"  {duration(seconds)} in all, {rate:,.0f} jobs/s", highlight=False)
        if applied.files:
            out.print(f"  outcome files: {applied.files.folder}/", highlight=False, soft_wrap=True)
            for name, rows in applied.files.rows.items():
                if rows:
                    out.print(f"    {rows:>9,}  {name}", highlight=False)
        elif detach and applied.status:
            talk.print(f"follow it with: provision status {submission.name} --watch", highlight=False)
    if not detach and (not applied.complete or _refused(submission.verdicts)):
        raise typer.Exit(INCOMPLETE)


def _refused(verdicts: Any) -> int:
    """Jobs of the file that are neither done nor will be."""
    return int(verdicts[Verdict.CHANGED] + verdicts[Verdict.IN_DOUBT] + verdicts[Verdict.DEAD])


def _show_verdicts(applied: applying.Applied) -> None:
    if applied.plan.bad_rows:
        rows = amount(applied.plan.bad_rows, "row")
        out.print(f"{rows} of the file left out: provision plan says why", style="red", highlight=False)
    if not applied.submission.queued and not applied.status:
        out.print("nothing new to send", highlight=False)
    for verdict in (Verdict.SUCCEEDED, Verdict.CHANGED, Verdict.IN_DOUBT, Verdict.REDRIVEN, Verdict.DEAD):
        if count := applied.submission.verdicts[verdict]:
            out.print(f"{count:,} {reports.VERDICT_WORDS[verdict]}", highlight=False)
