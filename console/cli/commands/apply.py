"""`apply`: creates a widget for every row of a file."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.cli import checking, names, submitting, watching
from console.cli.applied import Applied
from console.cli.checking import Checked
from console.cli.display.apply_report import emit_applied, not_done, show_applied, show_how_to_follow
from console.cli.display.plan_report import show_plan, show_problems
from console.cli.display.progress import Progress
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
    SkipInvalidOption,
    local,
    read_options,
)
from console.cli.language import tr
from console.cli.person import confirm, person
from console.cli.selecting import AcceptDuplicatesFlag, JustificationOption, reason_to_accept
from console.cli.shell import JsonFlag, OwnerOption, cli, out, progress_of, talk
from outcomes.outcome_files import check_writable, export
from outcomes.words import amount
from producers.batch_name import check_batch_name
from producers.files.read_options import ReadOptions
from producers.plan import Plan
from producers.spool import Spool
from provisioning.embedded.workplace import Workplace, check_reachable, local_worker, workplace
from provisioning.errors import InvalidInputError, NotFoundError, ProvisioningError
from provisioning.job import ON_THEIR_WAY
from provisioning.ledger import BatchStatus, Ledger
from provisioning.owner import DEFAULT, owned_name
from provisioning.text import Text

INCOMPLETE = 3
"""Exit code: some jobs are dead, in doubt or not attempted."""


class OnInDoubt(StrEnum):
    """What to do with a job whose POST may have created a widget and has no answer."""

    HOLD = "hold"
    RETRY = "retry"


class UnfinishedError(ProvisioningError):
    """An error after jobs were submitted; the same command continues."""


@dataclass(frozen=True, slots=True)
class Order:
    """The arguments: file, reading options, name, and folder of the outcome files."""

    file: Path
    options: ReadOptions
    name: str
    owner: str
    to: Path | None
    skip_invalid: bool
    detach: bool
    ask: bool
    on_in_doubt: OnInDoubt | None
    justification: str
    first: int | None


@cli.command()
def apply(
    file: FileArgument,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Name of the batch [the file's name]; an existing batch continues."
        ),
    ] = None,
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
    skip_invalid: SkipInvalidOption = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when all rows are in the ledger; workers send them.")
    ] = False,
    first: Annotated[
        int | None,
        typer.Option(
            "--first",
            metavar="N",
            min=1,
            help="Send only the first N new rows; the rest waits until you resume the batch.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send without asking.")] = False,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Folder for the outcome files [NAME.outcomes].")
    ] = None,
    on_in_doubt: Annotated[
        OnInDoubt | None,
        typer.Option(
            "--on-in-doubt",
            help=(
                "What to do with a POST without a conclusive answer: hold or retry [the workers' setting]."
            ),
        ),
    ] = None,
    accept_duplicates: AcceptDuplicatesFlag = False,
    justification: JustificationOption = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only the result, no progress.")] = False,
    json: JsonFlag = False,
) -> None:
    """
    Create a widget for every row of a file.

    Waits until every row has an outcome, then writes the outcome files. If it is interrupted, run the same
    command again: it continues and sends nothing twice.

    Example: provision apply tenants.csv
    """
    options = read_options(
        maps, defaults, credential, new_bots, separator, delimiter, encoding, format_, map_file, as_is, sheet
    )
    why = reason_to_accept(accept_duplicates, justification)
    began = time.monotonic()
    with local(file) as path, workplace() as place, contextlib.closing(Spool()) as spool:
        order = Order(
            file=path,
            options=options,
            name=check_batch_name(name) if name is not None else names.batch_name(file),
            owner=owner,
            to=to,
            skip_invalid=skip_invalid,
            detach=detach,
            ask=not (yes or json),
            on_in_doubt=on_in_doubt,
            justification=why,
            first=first,
        )
        with progress_of(json=json and not detach, quiet=quiet or json) as progress:
            checked = asyncio.run(_check(order, place, spool, progress))
        # Between two displays: a live line would hide the question.
        _decide_to_send(checked.plan, order, place)
        with progress_of(json=json and not detach, quiet=quiet or json) as progress:
            applied = asyncio.run(_apply(order, checked, spool, place, progress))
    seconds = time.monotonic() - began
    if json:
        emit_applied(applied, seconds=seconds)
    else:
        show_applied(out, applied, seconds=seconds)
        if detach and applied.status:
            show_how_to_follow(talk, applied.status)
    if not detach and (not applied.complete or not_done(applied.submission.verdicts)):
        raise typer.Exit(INCOMPLETE)


async def _check(order: Order, place: Workplace, spool: Spool, progress: Progress) -> Checked:
    if place.embedded and order.detach:
        raise InvalidInputError(
            "--detach needs separate workers: PROVISION_REDIS_URL is not set",
            hint="set it and start a worker with: provision worker; or omit --detach",
        )
    known = checking.known_credentials(place)
    if place.embedded:
        check_reachable(place.settings.api_url, place.settings.connect_timeout)
    async with Ledger.of(place.settings) as ledger:
        return await checking.check(
            ledger,
            order.file,
            order.options,
            progress,
            rate=place.settings.rate,
            known=known,
            owner=order.owner,
            accept_duplicates=bool(order.justification),
            leave_ended=order.first is not None,
            spool=spool,
        )


def _decide_to_send(plan: Plan, order: Order, place: Workplace) -> None:
    """
    Raises: InvalidInputError if rows are bad and shall not be skipped; typer.Exit if a person says no.
    """
    if plan.bad_rows and not order.skip_invalid:
        show_problems(talk, plan)
        raise InvalidInputError(
            Text(
                "{bad_rows:,} of {rows} have errors; nothing was sent",
                bad_rows=plan.bad_rows,
                rows=amount(plan.rows, "row"),
            ),
            hint="fix them, or skip them with --skip-invalid",
        )
    if order.ask and talk.is_terminal and (answers := person()):
        rows = amount(plan.rows, "row")
        talk.print(tr("{rows}, to {url}", rows=rows, url=place.settings.api_url), soft_wrap=True)
        show_plan(talk, plan)
        with answers:
            if plan.to_send and not confirm(_question(plan.to_send, order.first), err=True):
                raise typer.Exit(0)
    if not order.detach:
        check_writable(order.to or names.folder(order.owner, order.name))


def _question(to_send: int, first: int | None) -> str:
    if first is None or first >= to_send:
        return tr("Send {count:,}?", count=to_send)
    return tr("Send the first {count:,} of {all:,}?", count=first, all=to_send)


async def _apply(
    order: Order, checked: Checked, spool: Spool, place: Workplace, progress: Progress
) -> Applied:
    began = time.monotonic()
    plan = checked.plan
    with contextlib.ExitStack() as stack:
        async with Ledger.of(place.settings) as ledger:
            on_their_way = sum(plan.verdicts[verdict] for verdict in ON_THEIR_WAY)
            called = owned_name(order.owner, order.name)
            has_work = plan.to_send or on_their_way or await _is_open(ledger, called)
            worker = stack.enter_context(local_worker(place)) if place.embedded and has_work else None
            try:
                submission = await submitting.hand_over(
                    ledger,
                    place,
                    checked,
                    spool,
                    progress,
                    name=order.name,
                    owner=order.owner,
                    on_in_doubt=order.on_in_doubt,
                    justification=order.justification,
                    first=order.first,
                )
                if order.detach:
                    await watching.warn_if_alone(ledger, progress)
                    status = await _status_if_any(ledger, submission.batch)
                    return Applied(plan, submission, status, [], [], time.monotonic() - began)
                status, others = await watching.follow(ledger, submission, progress, worker)
                seconds = time.monotonic() - began
                folders = names.folders_for(status, others, order.to)
                files = [await export(ledger, batch, folder) for batch, folder in folders.items()]
            except ProvisioningError as error:
                hint = error.advice or Text("run the same command again to continue")
                raise UnfinishedError(error.text, hint=hint) from error
            except asyncio.CancelledError:
                progress.end(_stopping_words(worker is not None))
                raise
    return Applied(plan, submission, status, others, files, seconds)


def _stopping_words(own_worker: bool) -> Text:
    if own_worker:
        return Text("stopping: waiting for the answers to requests in flight")
    return Text("stopped watching: the jobs stay in the ledger, and workers continue to send them")


async def _is_open(ledger: Ledger, name: str) -> bool:
    """Whether a batch of this name has unfinished work."""
    with contextlib.suppress(NotFoundError):
        return not (await ledger.queries.status(await ledger.queries.batch_id(name))).settled
    return False


async def _status_if_any(ledger: Ledger, batch: str) -> BatchStatus | None:
    with contextlib.suppress(NotFoundError):
        return await ledger.queries.status(batch)
    return None
