"""Operations: `pause`, `resume`, `cancel`, `redrive`, `pace`."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer

from console.cli import person, watching
from console.cli.credential_names import known_names, make_sure_of, warn_of
from console.cli.display.batch_report import word_of
from console.cli.display.standard_output import emit
from console.cli.language import tr, tr_plural
from console.cli.selecting import (
    AcceptDuplicatesFlag,
    Filters,
    JustificationOption,
    filtered,
    reason_to_accept,
)
from console.cli.shell import BatchArgument, JsonFlag, cli, open_ledger, out, talk
from outcomes.words import amount, shown
from provisioning import scopes
from provisioning.config.settings import Settings
from provisioning.errors import InvalidInputError
from provisioning.ledger import Ledger, Redriven, Released
from provisioning.lifecycle import State
from provisioning.pace import Rate
from provisioning.text import Text

CredentialScope = Annotated[
    str | None, typer.Option("--credential", metavar="NAME", help="All jobs of one credential.")
]
AllScope = Annotated[bool, typer.Option("--all", help="All jobs.")]
Why = Annotated[
    str,
    typer.Option("--because", metavar="TEXT", help="Reason; recorded in the audit."),
]
BatchScope = Annotated[str | None, typer.Argument(metavar="BATCH", help="Id or name of a batch.")]


async def _scope(ledger: Ledger, batch: str | None, credential: str | None, all_: bool) -> str:
    if [batch is not None, credential is not None, all_].count(True) != 1:
        raise InvalidInputError(
            "choose exactly one: BATCH, --credential NAME or --all",
            hint="for BATCH write the name of a batch, such as tenants; or use --all",
        )
    if batch is not None:
        return scopes.of_batch(await ledger.queries.batch_id(batch))
    if credential is None:
        return scopes.EVERYTHING
    await make_sure_of(credential, ledger)
    return scopes.of_credential(credential)


@cli.command()
def pause(
    batch: BatchScope = None,
    credential: CredentialScope = None,
    all_: AllScope = False,
    justification: Annotated[
        str,
        typer.Option(
            "--because", metavar="TEXT", help=("Reason; shown with the pause and recorded in the audit.")
        ),
    ] = "",
) -> None:
    """
    Pause sending for a batch, a credential or everything.

    Example: provision pause tenants
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            scope = await _scope(ledger, batch, credential, all_)
            actor = person.current_user()
            if await ledger.operations.hold(
                scope, actor=actor, justification=justification.strip() or f"paused by {actor}"
            ):
                out.print(tr("paused {scope}", scope=scope))
            else:
                out.print(tr("{scope} was already paused", scope=scope))

    asyncio.run(work())


@cli.command()
def resume(
    batch: BatchScope = None,
    credential: CredentialScope = None,
    all_: AllScope = False,
    target: Annotated[
        bool, typer.Option("--target", help=("All jobs for the API at PROVISION_API_URL."))
    ] = False,
    justification: Why = "",
) -> None:
    """
    Resume sending after a pause, a circuit breaker, a stop-loss or the first rows of a file.

    Example: provision resume --credential default
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            if target:
                scope = scopes.of_target(Settings.from_env(os.environ).api_url)
            else:
                scope = await _scope(ledger, batch, credential, all_)
            words = {
                "not_held": Text("{scope} was not paused", scope=scope),
                "released": Text("{scope} resumed", scope=scope),
                "probe": Text("{scope}: sending one probe; sending resumes if it succeeds", scope=scope),
            }
            came = await ledger.operations.release(
                scope, actor=person.current_user(), justification=justification.strip()
            )
            out.print(tr(words[came]))
            if came is Released.RELEASED and not await ledger.queries.workers():
                talk.print(tr(watching.advice()), soft_wrap=True)

    asyncio.run(work())


@cli.command()
def cancel(
    batch: BatchScope = None,
    credential: CredentialScope = None,
    all_: AllScope = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Cancel without asking.")] = False,
    justification: Why = "",
) -> None:
    """
    Cancel all unsent jobs of a batch, a credential or everything.

    Example: provision cancel tenants
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            await _scope(ledger, batch, credential, all_)
            if batch is not None:
                batches = [await ledger.queries.batch_id(batch)]
            else:
                batches = await ledger.queries.active()
            if not yes and sys.stdin.isatty():
                person.confirm(
                    tr("Cancel all unsent jobs of {batches}?", batches=amount(len(batches), "batch")),
                    abort=True,
                )
            for each in batches:
                count = await ledger.operations.cancel(
                    each,
                    person.current_user(),
                    credential=credential,
                    justification=justification.strip(),
                )
                out.print(
                    tr_plural(
                        "{count:,} job of {batch} cancelled",
                        "{count:,} jobs of {batch} cancelled",
                        count,
                        batch=each,
                    )
                )

    asyncio.run(work())


@cli.command()
@filtered
def redrive(
    batch: BatchArgument,
    filters: Filters,
    state: Annotated[
        State,
        typer.Option("--state", metavar="dead|cancelled", help="State of the jobs."),
    ] = State.DEAD,
    accept_duplicates: AcceptDuplicatesFlag = False,
    justification: JustificationOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the jobs, and change nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """
    Queue dead or cancelled jobs again.

    They get new attempts and keep their history. A job that may already have a widget is skipped, unless
    you accept a second one (--accept-duplicates) and give a reason (--because).

    Example: provision redrive tenants --reason bot_not_found
    """
    if state not in (State.DEAD, State.CANCELLED):
        raise InvalidInputError(
            Text("jobs that are {state} cannot be redriven", state=state), hint="--state dead or cancelled"
        )
    justification = reason_to_accept(accept_duplicates, justification)
    wanted = filters.of(state)

    async def work() -> None:
        async with open_ledger() as ledger:
            found = await ledger.queries.batch_id(batch)
            if dry_run:
                risks = [
                    match.risky async for page in ledger.queries.matching(found, wanted) for match in page
                ]
                safe, risky = len(risks) - sum(risks), sum(risks)
                if json:
                    emit({"batch": found, "safe": safe, "risky": risky})
                else:
                    out.print(
                        tr(
                            "{safe:,} cannot create a second widget, {risky:,} may create one",
                            safe=safe,
                            risky=risky,
                        )
                    )
                return
            came = await ledger.operations.redrive(
                found, wanted, person.current_user(), justification=justification
            )
            if json:
                emit({"batch": found, "queued": came.queued, "risky": came.risky, "left": came.left})
                return
            out.print(tr_plural("{count:,} job queued again", "{count:,} jobs queued again", came.queued))
            if came == Redriven() and state is State.DEAD:
                await _show_cancelled(ledger, found)
            if came.risky:
                out.print(
                    tr(
                        "{count:,} may create a second widget: accepted because {why}",
                        count=came.risky,
                        why=shown(justification),
                    )
                )
            if came.left:
                out.print(
                    tr(
                        "{count:,} not queued: they may have created a widget; to send them anyway:"
                        " --accept-duplicates --because TEXT",
                        count=came.left,
                    ),
                    soft_wrap=True,
                )

    asyncio.run(work())


async def _show_cancelled(ledger: Ledger, batch: str) -> None:
    """Prints how many jobs are cancelled, for a person who looks for them among the dead."""
    status = await ledger.queries.status(batch)
    if cancelled := status.states[State.CANCELLED]:
        verb = f"provision redrive {word_of(status)} --state cancelled"
        talk.print(
            tr_plural(
                "{count:,} job cancelled; to send it: {command}",
                "{count:,} jobs cancelled; to send them: {command}",
                cancelled,
                command=verb,
            ),
            soft_wrap=True,
        )


@cli.command()
def pace(
    credential: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of a credential; default: all credentials.")
    ] = None,
    rate: Annotated[
        str | None,
        typer.Argument(metavar="RATE", help="5/s, 300/m, 1000/h or unlimited; without it, show the pace."),
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove the pace; use the PROVISION_RATE of each worker.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """
    Show or set the pace (rate limit) of a credential on all running workers.

    Example: provision pace default 20/s
    """
    wanted = Rate.parse(rate) if rate is not None else None
    if clear and (credential is None or rate is not None):
        raise InvalidInputError("--clear takes a NAME and no RATE", hint="provision pace default --clear")

    async def work() -> None:
        async with open_ledger() as ledger:
            if credential is not None and (clear or wanted is not None):
                await warn_of(credential, ledger)
                await ledger.operations.set_pace(credential, wanted, actor=person.current_user())
            paces = await ledger.queries.paces()
            names = [credential] if credential is not None else sorted(await known_names(ledger))
            for name in names:
                _show_pace(name, paces.get(name), json=json, just_set=wanted is not None)
            if not names:
                talk.print(
                    tr("no worker has reported its credentials yet, and none is set here"), soft_wrap=True
                )

    asyncio.run(work())


def _show_pace(credential: str, word: str | None, *, json: bool, just_set: bool) -> None:
    now = Settings.from_env(os.environ).rate if word is None else Rate.of_word(word)
    if json:
        emit({"credential": credential, "pace": str(now), "set": word is not None})
        return
    where = tr("set with provision pace") if word is not None else tr("PROVISION_RATE here")
    out.print(f"{shown(credential)}: {now}" + ("" if just_set else f" ({where})"), soft_wrap=True)
