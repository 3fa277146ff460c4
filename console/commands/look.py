"""`status`, `jobs`, `job`, `dead-letters`, `in-doubt`, `audit`, `export`: looking, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from console import applying
from console.batch_report import (
    CauseCount,
    cause_json,
    held_word,
    show_batch,
    show_batches,
    show_causes,
    show_workers,
)
from console.history_report import minutes_a_line, show_audit, show_history
from console.job_report import show_job, show_jobs
from console.outcome_files import export as export_files
from console.selecting import (
    CredentialOption,
    KeyOption,
    ReasonOption,
    SinceOption,
    UntilOption,
    selection,
)
from console.shell import AnyBatchArgument, BatchArgument, JsonFlag, cli, open_ledger, out, progress_of, talk
from console.standard_output import emit
from console.words import shown, state_of
from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.ledger import BatchStatus, Ledger, Selection, WorkerSign
from provisioning.lifecycle import State
from provisioning.settings import Settings


@cli.command()
def status(
    batch: Annotated[
        str | None, typer.Argument(metavar="BATCH", help="Id or name; all batches without.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it settles.")] = False,
    history: Annotated[bool, typer.Option("--history", help="What it came to over time, instead.")] = False,
    json: JsonFlag = False,
) -> None:
    """
    Show how a batch, or every batch, stands.

    Example: provision status tenants --watch
    """
    if history and (watch or batch is None):
        raise InvalidInputError("--history is of one batch, and without --watch")

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
                        said = f"{hold.scope}: {held_word(hold)}: {shown(hold.why)}"
                        out.print(Text(said, style="yellow"), soft_wrap=True)
                return
            found = await ledger.view.batch_id(batch)
            if history:
                await _history(ledger, found, json=json)
                return
            if watch:
                with progress_of(json=json, quiet=False) as progress:
                    await applying.watch(ledger, found, progress, lambda: None, _advice())
            one = await ledger.view.status(found)
            workers = await _workers(ledger)
            if json:
                emit({**one.public(), "workers": [msgspec.to_builtins(sign) for sign in workers]})
            else:
                show_batch(out, one)
                if not one.settled:
                    show_workers(out, workers)
                    if not workers:
                        talk.print(_advice(), soft_wrap=True)

    asyncio.run(work())


async def _history(ledger: Ledger, batch: str, *, json: bool) -> None:
    spans = await ledger.view.history(batch)
    if not json:
        minutes = minutes_a_line(spans)
        show_history(out, await ledger.view.history(batch, minutes=minutes))
        return
    for span in spans:
        emit(msgspec.to_builtins(span))


def _advice() -> str:
    """What to do where a batch has work and nobody does it."""
    shared = Settings.from_env(os.environ).redis is not None
    return applying.START_A_WORKER if shared else applying.APPLY_AGAIN


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
            batch = await ledger.view.status(record.batch)
            files = ", ".join(source.name for source in batch.sources) or batch.meta.get("source", "")
            by = batch.meta.get("by", "")
            body: bytes | None = None
            with contextlib.suppress(NotFoundError):
                body = await ledger.view.body(job_id)
            show_job(out, record, body, " by ".join(filter(None, (files, by))))

    asyncio.run(work())


@cli.command("dead-letters")
def dead_letters(
    batch: AnyBatchArgument = None,
    reason: ReasonOption = "",
    credential: CredentialOption = "",
    key: KeyOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    json: JsonFlag = False,
) -> None:
    """
    Show what was given up, grouped by cause, and what to do about each.

    Example: provision dead-letters tenants --since 2h
    """
    _causes(batch, selection(State.DEAD, reason, credential, key, since, until), json=json)


@cli.command("in-doubt")
def in_doubt(
    batch: AnyBatchArgument = None,
    reason: ReasonOption = "",
    credential: CredentialOption = "",
    key: KeyOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    json: JsonFlag = False,
) -> None:
    """
    Show what waits for a person: it may have been created.

    Example: provision in-doubt tenants
    """
    _causes(batch, selection(State.IN_DOUBT, reason, credential, key, since, until), json=json)


def _causes(batch: str | None, wanted: Selection, *, json: bool) -> None:
    async def work() -> None:
        async with open_ledger() as ledger:
            if batch is None:
                statuses = [each async for each in ledger.view.batches()]
            else:
                statuses = [await ledger.view.status(await ledger.view.batch_id(batch))]
            causes = [
                each
                for one in statuses
                if one.states[wanted.state]
                for each in await _by_cause(ledger, one, wanted)
            ]
            if not json:
                show_causes(out, causes, wanted.state)
                return
            for each in causes:
                emit(cause_json(each, wanted.state))

    asyncio.run(work())


async def _by_cause(ledger: Ledger, status: BatchStatus, wanted: Selection) -> list[CauseCount]:
    """The causes of a state, the most frequent first, each with one job as an example."""
    groups = await ledger.view.causes(status.batch, wanted)
    return [
        CauseCount(status, group, await ledger.view.job(f"{status.batch}.{group.example}"))
        for group in groups
    ]


@cli.command()
def audit(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="At most so many; 0 for all that are kept.")
    ] = 50,
    json: JsonFlag = False,
) -> None:
    """
    Show what people did, the latest first: pause, resume, cancel, redrive, resolve and the like.

    Example: provision audit --limit 20
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            acts = [act async for act in ledger.view.audit(limit)]
            if json:
                for act in acts:
                    emit({"why": "", "facts": {}, **msgspec.to_builtins(act)})
            else:
                show_audit(out, acts)

    asyncio.run(work())


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
