"""`status`, `jobs`, `job`, `dead-letters`, `in-doubt`, `export`: looking, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from console import applying, reports
from console.outcome_files import export as export_files
from console.shell import AnyBatchArgument, BatchArgument, JsonFlag, cli, open_ledger, out, progress_of, talk
from provisioning.lifecycle import State


@cli.command()
def status(
    batch: Annotated[
        str | None, typer.Argument(metavar="[BATCH]", help="Id or name; all batches without.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it settles.")] = False,
    json: JsonFlag = False,
) -> None:
    """
    Show how a batch, or every batch, stands.

    Example: provision status tenants --watch
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            if batch is None:
                statuses = [each async for each in ledger.view.batches()]
                if json:
                    for each in statuses:
                        reports.emit(each.public())
                else:
                    reports.show_batches(out, statuses)
                    for hold in await ledger.view.holds():
                        out.print(Text(f"{hold.scope}: {hold.why}", style="yellow"), soft_wrap=True)
                return
            found = await ledger.view.batch_id(batch)
            if watch:
                with progress_of(json=json, quiet=False) as progress:
                    await applying.watch(ledger, found, progress, lambda: None)
            one = await ledger.view.status(found)
            if json:
                reports.emit(one.public())
            else:
                reports.show_batch(out, one)

    asyncio.run(work())


@cli.command()
def jobs(
    batch: BatchArgument,
    state: Annotated[State | None, typer.Option("--state", help="Only jobs in this state.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Only with this reason.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many; 0 for all.")] = 0,
    json: JsonFlag = False,
) -> None:
    """
    List the jobs of a batch.

    Example: provision jobs tenants --state dead
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            found = await ledger.view.batch_id(batch)
            shown = 0
            page = []
            async for job in ledger.view.jobs(found, state=state, reason=reason):
                shown += 1
                if json:
                    reports.emit(job.public())
                else:
                    page.append(job)
                    if len(page) == 200:
                        reports.show_jobs(out, page)
                        page = []
                if limit and shown >= limit:
                    break
            if page:
                reports.show_jobs(out, page)
            if not shown and not json:
                talk.print("no such jobs")

    asyncio.run(work())


@cli.command()
def job(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="Id of a job.")], json: JsonFlag = False
) -> None:
    """
    Tell the whole story of one job.

    Example: provision job b7k2m9qx.17
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            record = await ledger.view.job(job_id)
            if json:
                reports.emit(record.public())
                return
            reports.show_job(out, record, await ledger.view.body(job_id))

    asyncio.run(work())


@cli.command("dead-letters")
def dead_letters(
    batch: AnyBatchArgument = None,
    json: JsonFlag = False,
) -> None:
    """
    Show what was given up, grouped by cause.

    Example: provision dead-letters tenants
    """
    _causes(batch, State.DEAD, json=json)


@cli.command("in-doubt")
def in_doubt(
    batch: AnyBatchArgument = None,
    json: JsonFlag = False,
) -> None:
    """
    Show what may have been created and waits for a person, grouped by cause.

    Example: provision in-doubt tenants
    """
    _causes(batch, State.IN_DOUBT, json=json)


def _causes(batch: str | None, state: State, *, json: bool) -> None:
    async def work() -> None:
        async with open_ledger() as ledger:
            if batch is None:
                statuses = [each async for each in ledger.view.batches()]
            else:
                statuses = [await ledger.view.status(await ledger.view.batch_id(batch))]
            if not json:
                reports.show_causes(out, statuses, state)
                return
            for each in statuses:
                for cause, count in each.causes.get(str(state), {}).items():
                    found = {"batch": each.batch, "name": each.name, "state": state}
                    reports.emit({**found, "cause": cause, "count": count})

    asyncio.run(work())


@cli.command()
def export(
    batch: BatchArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write into.")],
    json: JsonFlag = False,
) -> None:
    """
    Write the outcome files of a batch: created, failed, in doubt, not attempted.

    Example: provision export tenants --to outcomes
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            written = await export_files(ledger, await ledger.view.batch_id(batch), to)
            if json:
                reports.emit({"folder": str(written.folder), "rows": written.rows})
            else:
                for name, rows in written.rows.items():
                    out.print(f"{rows:>9,}  {written.folder / name}", highlight=False, soft_wrap=True)

    asyncio.run(work())
