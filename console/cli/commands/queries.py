"""`status`, `jobs`, `job`, `dead-letters`, `in-doubt`, `audit`, `export`: commands that only read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text as StyledText

from console.cli import names, watching
from console.cli.display.batch_report import (
    held,
    show_batch,
    show_batches,
    show_causes,
    show_limits,
    show_workers,
)
from console.cli.display.history_report import minutes_a_line, show_audit, show_history
from console.cli.display.job_report import JobLines, show_job
from console.cli.display.standard_output import emit
from console.cli.language import number, tr
from console.cli.selecting import CredentialOption, Filters, filtered
from console.cli.shell import (
    AnyBatchArgument,
    AnyOwnerOption,
    BatchArgument,
    JsonFlag,
    cli,
    open_ledger,
    out,
    progress_of,
    talk,
)
from outcomes.causes import cause_json, causes_of
from outcomes.outcome_files import export as export_files
from outcomes.story import job_called, past_retention, story_json, story_of
from outcomes.words import state_of
from provisioning.errors import InvalidInputError
from provisioning.ledger import JobRecord, Ledger, Selection, Tombstone, WorkerSign
from provisioning.lifecycle import State
from provisioning.text import Text


@cli.command()
def status(
    batch: Annotated[
        str | None, typer.Argument(metavar="BATCH", help="Id or name of a batch; default: all batches.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Watch the batch until it settles.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show results over time instead.")] = False,
    owner: AnyOwnerOption = None,
    json: JsonFlag = False,
) -> None:
    """
    Show the status of a batch, or of every batch.

    Example: provision status tenants --watch
    """
    if history and (watch or batch is None):
        raise InvalidInputError("--history takes one BATCH and no --watch")

    async def work() -> None:
        async with open_ledger() as ledger:
            if batch is None:
                statuses = [
                    each async for each in ledger.queries.batches() if owner is None or each.owner == owner
                ]
                if json:
                    for each in statuses:
                        emit(each.public())
                else:
                    show_batches(out, statuses)
                    workers = await _workers(ledger)
                    show_workers(out, workers)
                    show_limits(out, await ledger.queries.limits(workers))
                    for hold in await ledger.queries.holds():
                        name = Text("batch {batch}", batch=hold.scope.removeprefix("batch:"))
                        out.print(StyledText(tr(held(hold, name)), style="yellow"), soft_wrap=True)
                return
            found = await ledger.queries.batch_id(batch, owner)
            if history:
                await _history(ledger, found, json=json)
                return
            if watch:
                with progress_of(json=json, quiet=False) as progress:
                    await watching.watch(ledger, found, progress, lambda: None, watching.advice())
            one = await ledger.queries.status(found)
            workers = await _workers(ledger)
            limits = await ledger.queries.limits(workers)
            if json:
                emit(
                    {
                        **one.public(),
                        "workers": [msgspec.to_builtins(sign) for sign in workers],
                        "limits": [msgspec.to_builtins(limit) for limit in limits],
                    }
                )
            else:
                show_batch(out, one)
                if not one.settled:
                    show_workers(out, workers)
                    show_limits(out, limits)
                    if not workers:
                        talk.print(tr(watching.advice()), soft_wrap=True)

    asyncio.run(work())


async def _history(ledger: Ledger, batch: str, *, json: bool) -> None:
    spans = await ledger.queries.history(batch)
    if not json:
        minutes = minutes_a_line(spans)
        show_history(out, await ledger.queries.history(batch, minutes=minutes))
        return
    for span in spans:
        emit(msgspec.to_builtins(span))


async def _workers(ledger: Ledger) -> list[WorkerSign]:
    return await ledger.queries.workers()


@cli.command()
@filtered
def jobs(
    filters: Filters,
    batch: Annotated[
        str | None,
        typer.Argument(metavar="BATCH", help="Id or name of a batch; optional with --key."),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only jobs in this state: queued, claimed, sending, succeeded, dead, in_doubt or cancelled.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Maximum number of jobs; 0 for all.")
    ] = 0,
    owner: AnyOwnerOption = None,
    json: JsonFlag = False,
) -> None:
    """
    List the jobs of a batch, or of a tenant in all batches.

    Sorted by submission; with --state dead or in_doubt, by the time when they reached it.

    Example: provision jobs tenants --state dead --since 2h
    """
    wanted = filters.of(state_of(state) if state else None)
    if batch is None and not wanted.key:
        raise InvalidInputError(
            "give a BATCH, or --key KEY to search all batches", hint="provision status lists all batches"
        )

    async def work() -> None:
        async with open_ledger() as ledger:
            if batch is None:
                found = _everywhere(ledger, wanted, owner)
            else:
                found = ledger.queries.jobs(await ledger.queries.batch_id(batch, owner), wanted)
            count = 0
            lines = JobLines(out)
            async for job in found:
                count += 1
                if json:
                    emit(job.public())
                else:
                    lines.add(job)
                if count == limit:
                    break
            lines.end()
            if not count and not json:
                talk.print(tr("no such jobs"))

    asyncio.run(work())


async def _everywhere(ledger: Ledger, wanted: Selection, owner: str | None) -> AsyncIterator[JobRecord]:
    async for found in ledger.queries.find(wanted.key, wanted.credential, owner):
        if isinstance(found, Tombstone):
            talk.print(tr(past_retention(found)), soft_wrap=True)
        elif wanted.fits(found):
            yield found


@cli.command()
def job(
    wanted: Annotated[
        str,
        typer.Argument(metavar="JOB", help="Id of a job, as provision jobs lists them, or a tenant's key."),
    ],
    credential: CredentialOption = "",
    owner: AnyOwnerOption = None,
    json: JsonFlag = False,
) -> None:
    """
    Show the full history of one job.

    Example: provision job b7k2m9qx.17
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            record = await job_called(ledger, wanted, credential, owner)
            story = await story_of(ledger, record)
            if json:
                emit(story_json(story))
            else:
                show_job(out, story)

    asyncio.run(work())


@cli.command("dead-letters")
@filtered
def dead_letters(
    filters: Filters,
    batch: AnyBatchArgument = None,
    owner: AnyOwnerOption = None,
    json: JsonFlag = False,
) -> None:
    """
    List dead jobs by cause, with what to do about each.

    Example: provision dead-letters tenants --since 2h
    """
    _causes(batch, filters.of(State.DEAD), State.DEAD, owner, json=json)


@cli.command("in-doubt")
@filtered
def in_doubt(
    filters: Filters,
    batch: AnyBatchArgument = None,
    owner: AnyOwnerOption = None,
    json: JsonFlag = False,
) -> None:
    """
    List jobs whose outcome is unknown.

    Example: provision in-doubt tenants
    """
    _causes(batch, filters.of(State.IN_DOUBT), State.IN_DOUBT, owner, json=json)


def _causes(batch: str | None, wanted: Selection, state: State, owner: str | None, *, json: bool) -> None:
    async def work() -> None:
        async with open_ledger() as ledger:
            if batch is None:
                statuses = [each async for each in ledger.queries.batches()]
            else:
                statuses = [await ledger.queries.status(await ledger.queries.batch_id(batch, owner))]
            causes = [
                each
                for one in statuses
                if one.states[state] and owner in (None, one.owner)
                for each in await causes_of(ledger, one, wanted)
            ]
            if not json:
                show_causes(out, causes, state)
                return
            for each in causes:
                emit(cause_json(each, state))

    asyncio.run(work())


@cli.command()
def audit(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Maximum number of entries; 0 for all.")
    ] = 50,
    json: JsonFlag = False,
) -> None:
    """
    List what people did (pause, cancel, redrive, ...), the latest first.

    Example: provision audit --limit 20
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            acts = [act async for act in ledger.queries.audit(limit)]
            if json:
                for act in acts:
                    emit(act.public())
            else:
                show_audit(out, acts)

    asyncio.run(work())


@cli.command()
def export(
    batch: BatchArgument,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Folder for the outcome files [NAME.outcomes].")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """
    Write the outcome files of a batch to a folder.

    Example: provision export tenants --to outcomes
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            status = await ledger.queries.status(await ledger.queries.batch_id(batch))
            folder = to or names.folder(status.owner, status.name)
            written = await export_files(ledger, status.batch, folder)
            if json:
                emit({"folder": str(written.folder), "rows": written.rows})
            else:
                for name, rows in written.rows.items():
                    out.print(f"{number(rows):>9}  {written.folder / name}", soft_wrap=True)

    asyncio.run(work())
