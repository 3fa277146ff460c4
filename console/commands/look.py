"""`status`, `jobs`, `job`, `dead-letters`, `in-doubt`, `export`: looking, and nothing else."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from console import applying
from console.batch_report import CauseCount, held_word, show_batch, show_batches, show_causes, show_workers
from console.job_report import show_job, show_jobs
from console.outcome_files import export as export_files
from console.shell import AnyBatchArgument, BatchArgument, JsonFlag, cli, open_ledger, out, progress_of, talk
from console.standard_output import emit
from console.words import shown, state_of
from provisioning.ledger import BatchStatus, JobRecord, Ledger, WorkerSign
from provisioning.lifecycle import State
from provisioning.settings import Settings


@cli.command()
def status(
    batch: Annotated[
        str | None, typer.Argument(metavar="BATCH", help="Id or name; all batches without.")
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
                        emit(each.public())
                else:
                    show_batches(out, statuses)
                    show_workers(out, await _workers(ledger))
                    for hold in await ledger.view.holds():
                        said = f"{held_word(hold)} on {hold.scope}: {shown(hold.why)}"
                        out.print(Text(said, style="yellow"), soft_wrap=True)
                return
            found = await ledger.view.batch_id(batch)
            if watch:
                with progress_of(json=json, quiet=False) as progress:
                    shared = Settings.from_env(os.environ).redis is not None
                    advice = applying.START_A_WORKER if shared else applying.APPLY_AGAIN
                    await applying.watch(ledger, found, progress, lambda: None, advice)
            one = await ledger.view.status(found)
            workers = await _workers(ledger)
            if json:
                emit({**one.public(), "workers": [msgspec.to_builtins(sign) for sign in workers]})
            else:
                show_batch(out, one)
                if not one.settled:
                    show_workers(out, workers)

    asyncio.run(work())


async def _workers(ledger: Ledger) -> list[WorkerSign]:
    return await ledger.view.workers(applying.WORKER_SIGN, time.time())


@cli.command()
def jobs(
    batch: BatchArgument,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only queued, claimed, sending, succeeded, dead, in_doubt or cancelled jobs.",
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="REASON", help="Only with this reason.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="At most so many; 0 for all.")
    ] = 0,
    json: JsonFlag = False,
) -> None:
    """
    List the jobs of a batch.

    Example: provision jobs tenants --state dead
    """

    wanted = state_of(state) if state else None

    async def work() -> None:
        async with open_ledger() as ledger:
            found = await ledger.view.batch_id(batch)
            count = 0
            page = []
            async for job in ledger.view.jobs(found, state=wanted, reason=reason):
                count += 1
                if json:
                    emit(job.public())
                else:
                    page.append(job)
                    if len(page) == 200:
                        show_jobs(out, page)
                        page = []
                if limit and count >= limit:
                    break
            if page:
                show_jobs(out, page)
            if not count and not json:
                talk.print("no such jobs")

    asyncio.run(work())


@cli.command()
def job(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="Id of a job, as provision jobs lists them.")],
    json: JsonFlag = False,
) -> None:
    """
    Tell the whole story of one job.

    Example: provision job b7k2m9qx.17
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            record = await ledger.view.job(job_id)
            if json:
                emit(record.public())
                return
            show_job(out, record, await ledger.view.body(job_id))

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
    Show what waits for a person: it may have been created.

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
            causes = [each for one in statuses for each in await _by_cause(ledger, one, state)]
            if not json:
                show_causes(out, causes, state)
                return
            for each in causes:
                emit(
                    {
                        "batch": each.status.batch,
                        "name": each.status.name,
                        "state": state,
                        "cause": each.cause,
                        "count": each.count,
                        "example": each.example.job_id if each.example else None,
                    }
                )

    asyncio.run(work())


async def _by_cause(ledger: Ledger, status: BatchStatus, state: State) -> list[CauseCount]:
    """The causes of a state, the most frequent first."""
    causes = sorted(status.causes.get(str(state), {}).items(), key=lambda each: -each[1])
    return [
        CauseCount(status, cause, count, await _first(ledger, status.batch, state, cause))
        for cause, count in causes
    ]


async def _first(ledger: Ledger, batch: str, state: State, cause: str) -> JobRecord | None:
    async for job in ledger.view.jobs(batch, state=state, reason=cause):
        return job
    return None


@cli.command()
def export(
    batch: BatchArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write into.")],
    json: JsonFlag = False,
) -> None:
    """
    Write the outcome files of a batch into a folder.

    Example: provision export tenants --to outcomes
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            written = await export_files(ledger, await ledger.view.batch_id(batch), to)
            if json:
                emit({"folder": str(written.folder), "rows": written.rows})
            else:
                for name, rows in written.rows.items():
                    out.print(f"{rows:>9,}  {written.folder / name}", soft_wrap=True)

    asyncio.run(work())
