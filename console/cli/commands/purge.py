"""`purge` and `rotate-keys`: delete data past its retention, destroy a key, change keys."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Annotated

import typer

from console.cli import person
from console.cli.display.standard_output import emit
from console.cli.language import tr
from console.cli.shell import JsonFlag, cli, open_ledger, out
from outcomes.words import amount
from provisioning.config.settings import Settings
from provisioning.errors import InvalidInputError
from provisioning.ledger import Ledger
from provisioning.ledger.reaper import Reaper
from provisioning.lifecycle import State
from provisioning.retention import Kept
from provisioning.text import Text

WORDS = {
    Kept.PAYLOADS: Text("request bodies of jobs that succeeded"),
    Kept.RESULTS: Text("results and attempts of jobs that succeeded"),
    Kept.DEAD: Text("request bodies and attempts of dead and cancelled jobs"),
    Kept.BATCHES: Text("all jobs of settled batches; the keys of tenants with a widget are kept"),
}


@cli.command()
def purge(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=("Show what would be deleted, and delete nothing."))
    ] = False,
    shred: Annotated[
        str,
        typer.Option(
            "--shred", metavar="BATCH", help="Destroy the encryption key of this batch, and with it its data."
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Destroy without asking.")] = False,
    json: JsonFlag = False,
) -> None:
    """
    Delete data past its retention; workers also do this by themselves.

    Jobs that have not ended or are in doubt are never deleted. --shred makes the request bodies and widget
    keys of a batch unreadable; the states of its jobs are kept. It asks first; without a terminal it needs
    --yes.

    Example: provision purge --dry-run
    """
    retention = Settings.from_env(os.environ).retention_days

    async def work() -> None:
        async with open_ledger() as ledger:
            if shred:
                batch = await ledger.queries.batch_id(shred)
                await _shred(ledger, batch, dry_run=dry_run, yes=yes, json=json)
                return
            reaper = Reaper(ledger, retention)
            if dry_run:
                counts = dict.fromkeys(Kept, 0)
                for _, kept, jobs in await reaper.plan(time.time()):
                    counts[kept] += jobs
            else:
                gone = await reaper.purge(time.time())
                counts = {kept: gone[kept] for kept in Kept}
                if gone.total():
                    facts: dict[str, str | int] = {str(kept): count for kept, count in counts.items()}
                    await ledger.operations.note("purge", actor=person.current_user(), on="all", facts=facts)
            if json:
                emit({"dry_run": dry_run, **{str(kept): count for kept, count in counts.items()}})
                return
            if retention.for_ever:
                out.print(tr("nothing is ever deleted: PROVISION_RETENTION_DAYS is not set"))
                return
            for kept, count in counts.items():
                told = {"jobs": amount(count, "job"), "what": WORDS[kept]}
                text = (
                    tr("{jobs} would be deleted: {what}", **told)
                    if dry_run
                    else tr("{jobs} deleted: {what}", **told)
                )
                out.print(text)

    asyncio.run(work())


async def _shred(ledger: Ledger, batch: str, *, dry_run: bool, yes: bool, json: bool) -> None:
    status = await ledger.queries.status(batch)
    if not status.settled or status.states[State.IN_DOUBT]:
        raise InvalidInputError(
            Text("{batch} has jobs that have not ended or are in doubt: they would be lost", batch=batch),
            hint=Text(
                "provision status {batch} shows them; wait, or resolve or cancel them first", batch=batch
            ),
        )
    what = Text("the bodies and widget keys of {jobs}", jobs=amount(status.accepted, "job"))
    if not (dry_run or yes):
        _ask(batch, what)
    had = not dry_run and await ledger.operations.shred(batch, actor=person.current_user())
    if json:
        emit({"batch": batch, "dry_run": dry_run, "shredded": had})
    elif dry_run:
        out.print(tr("would destroy the key of {batch}, and with it {what}", batch=batch, what=what))
    else:
        out.print(
            tr("the key of {batch} is destroyed", batch=batch)
            if had
            else tr("{batch} had no key; its bodies are gone", batch=batch)
        )


def _ask(batch: str, what: Text) -> None:
    if not sys.stdin.isatty():
        raise InvalidInputError(
            Text("--shred destroys {what} permanently", what=what),
            hint=Text("provision export {batch} saves the widget keys; then confirm with --yes", batch=batch),
        )
    person.confirm(
        tr(
            "Destroy {what} permanently? provision export {batch} saves the widget keys first.",
            what=what,
            batch=batch,
        ),
        abort=True,
        err=True,
    )


@cli.command("rotate-keys")
def rotate_keys() -> None:
    """
    Wrap every data key with the newest key of PROVISION_ENCRYPTION_KEYS.

    Put the new key before the old ones on all hosts, run this command, then remove the old keys.

    Example: provision rotate-keys
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            count = await ledger.encryption.rotate()
            await ledger.operations.note(
                "rotate-keys", actor=person.current_user(), on="all", facts={"keys": count}
            )
            out.print(tr("{keys} wrapped with the newest key", keys=amount(count, "data key")))

    asyncio.run(work())
