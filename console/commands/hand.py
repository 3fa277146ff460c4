"""The operator's hand: `pause`, `resume`, `cancel`, `redrive`, `resolve`, `pace`."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer

from console import applying
from console.shell import BatchArgument, cli, open_ledger, out
from console.words import amount
from provisioning import keys
from provisioning.attempt import Result
from provisioning.errors import InvalidInputError
from provisioning.job import split_job_id
from provisioning.ledger import Ledger
from provisioning.lifecycle import State
from provisioning.pace import Rate
from provisioning.settings import Settings

CredentialScope = Annotated[
    str | None, typer.Option("--credential", metavar="NAME", help="Everything of one credential.")
]
AllScope = Annotated[bool, typer.Option("--all", help="Everything.")]
BatchScope = Annotated[str | None, typer.Argument(metavar="BATCH", help="Id or name of a batch.")]


async def _scope(ledger: Ledger, batch: str | None, credential: str | None, all_: bool) -> str:
    if [batch is not None, credential is not None, all_].count(True) != 1:
        raise InvalidInputError(
            "say what: BATCH, --credential NAME or --all", hint="for example: provision pause tenants"
        )
    if batch is not None:
        return keys.hold_batch(await ledger.view.batch_id(batch))
    return keys.HOLD_ALL if credential is None else keys.hold_credential(credential)


@cli.command()
def pause(batch: BatchScope = None, credential: CredentialScope = None, all_: AllScope = False) -> None:
    """
    Keep jobs back: no further POST of them starts.

    Example: provision pause tenants
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            scope = await _scope(ledger, batch, credential, all_)
            by = applying.who()
            if await ledger.hand.hold(scope, by=by, why=f"paused by {by}"):
                out.print(f"paused {scope}")
            else:
                out.print(f"{scope} was held already")

    asyncio.run(work())


@cli.command()
def resume(
    batch: BatchScope = None,
    credential: CredentialScope = None,
    all_: AllScope = False,
    target: Annotated[bool, typer.Option("--target", help="The API at PROVISION_API_URL.")] = False,
) -> None:
    """
    Let jobs go on that were paused, or that a brake keeps back.

    Example: provision resume --credential default
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            if target:
                scope = keys.hold_target(Settings.from_env(os.environ).api_url)
            else:
                scope = await _scope(ledger, batch, credential, all_)
            words = {
                "not_held": f"{scope} was not held",
                "released": f"{scope} goes on",
                "canary": f"{scope}: one job is sent to try; the brake comes off if it is answered well",
            }
            out.print(words[await ledger.hand.release(scope)])

    asyncio.run(work())


@cli.command()
def cancel(
    batch: BatchScope = None,
    credential: CredentialScope = None,
    all_: AllScope = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """
    Call off every job of a batch that has not begun to be sent.

    Example: provision cancel tenants
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            await _scope(ledger, batch, credential, all_)
            if batch is not None:
                batches = [await ledger.view.batch_id(batch)]
            else:
                batches = await ledger.view.active()
            if not yes and sys.stdin.isatty():
                typer.confirm(
                    f"Cancel what has not been sent of {amount(len(batches), 'batch')}?", abort=True
                )
            for each in batches:
                count = await ledger.hand.cancel(each, applying.who(), credential=credential)
                out.print(f"{amount(count, 'job')} of {each} cancelled")

    asyncio.run(work())


@cli.command()
def redrive(
    batch: BatchArgument,
    state: Annotated[State, typer.Option("--state", help="dead or cancelled.")] = State.DEAD,
    reason: Annotated[str | None, typer.Option("--reason", help="Only those with this cause.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
) -> None:
    """
    Queue dead or cancelled jobs again.

    They get fresh attempts and keep their history.

    Example: provision redrive tenants --reason bot_not_found
    """
    if state not in (State.DEAD, State.CANCELLED):
        raise InvalidInputError(f"jobs that are {state} cannot be redriven", hint="--state dead or cancelled")

    async def work() -> None:
        async with open_ledger() as ledger:
            found = await ledger.view.batch_id(batch)
            matching = ledger.view.jobs(found, state=state, reason=reason)
            if dry_run:
                bounds = [each.bounds.most async for each in matching]
                risky = sum(most > 0 for most in bounds)
                out.print(f"{len(bounds) - risky:,} are safe, {risky:,} may make a second widget")
                return
            count = await ledger.hand.redrive(found, (each.number async for each in matching), applying.who())
            out.print(f"{amount(count, 'job')} queued again")

    asyncio.run(work())


@cli.command()
def resolve(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="Id of a job in doubt.")],
    created: Annotated[bool, typer.Option("--created", help="Its widget was found.")] = False,
    absent: Annotated[bool, typer.Option("--absent", help="It has no widget: send it again.")] = False,
    widget_id: Annotated[str, typer.Option("--widget-id", help="The widget that was found.")] = "",
) -> None:
    """
    Settle a doubt by hand.

    Example: provision resolve b7k2m9qx.17 --created --widget-id 4711
    """
    if created == absent:
        raise InvalidInputError(
            "say what was found: --created or --absent", hint="provision job JOB shows what is known"
        )

    async def work() -> None:
        async with open_ledger() as ledger:
            record = await ledger.view.job(job_id)
            result = Result(widget_id=widget_id) if widget_id else None
            settled = await ledger.hand.resolve(
                *split_job_id(record.job_id), created=created, by=applying.who(), result=result
            )
            if not settled:
                raise InvalidInputError(f"{job_id} is not in doubt: it is {record.state}")
            out.print(f"{job_id} is {'created' if created else 'queued again'}")

    asyncio.run(work())


@cli.command()
def pace(
    credential: Annotated[str, typer.Argument(metavar="NAME", help="Name of a credential.")],
    rate: Annotated[str, typer.Argument(metavar="RATE", help="5/s, 300/m, 1000/h or unlimited.")],
) -> None:
    """
    Set the pace of a credential on all workers, while they run.

    Example: provision pace default 20/s
    """
    parsed = Rate.parse(rate)

    async def work() -> None:
        async with open_ledger() as ledger:
            await ledger.hand.set_pace(credential, parsed)
            out.print(f"{credential}: {parsed}")

    asyncio.run(work())
