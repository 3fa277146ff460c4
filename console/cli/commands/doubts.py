"""Resolving jobs in doubt: `resolve` by hand, `reconcile` with an exported table."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from console.cli import person
from console.cli.display.standard_output import emit
from console.cli.file_options import DelimiterOption, EncodingOption, SheetOption
from console.cli.language import number, tr
from console.cli.selecting import CredentialOption
from console.cli.shell import AnyOwnerOption, BatchArgument, JsonFlag, cli, open_ledger, out, talk
from outcomes.reconciliation import (
    Finding,
    Judged,
    SeenTable,
    candidates,
    incomplete_reason,
    judge,
    read_table,
    result_of,
)
from outcomes.story import job_called
from outcomes.words import amount, shown
from provisioning import scopes
from provisioning.attempt import Result
from provisioning.errors import InvalidInputError
from provisioning.job import split_job_id
from provisioning.ledger import Ledger
from provisioning.text import Text, joined

MAX_KEY = 1000
"""Most characters of a typed widget key; those of the API have some fifty."""

UNCLEAR_SHOWN = 20


@cli.command()
def resolve(
    job_ids: Annotated[
        list[str],
        typer.Argument(metavar="JOB", help="Id of a job in doubt, or a tenant's key; several are allowed."),
    ],
    credential: CredentialOption = "",
    owner: AnyOwnerOption = None,
    created: Annotated[bool, typer.Option("--created", help="The widget exists.")] = False,
    absent: Annotated[
        bool, typer.Option("--absent", help=("The widget does not exist: send the job again."))
    ] = False,
    widget_id: Annotated[str, typer.Option("--widget-id", help="Id of the widget that was found.")] = "",
    widget_key: Annotated[
        str,
        typer.Option(
            "--widget-key",
            metavar="FROM",
            help="Source of the widget key: a file, - for standard input, or ask. Never the key itself.",
        ),
    ] = "",
) -> None:
    """
    Settle jobs in doubt by hand.

    Example: provision resolve b7k2m9qx.17 --created --widget-id 4711
    """
    if created == absent:
        raise InvalidInputError(
            "choose one: --created or --absent", hint="provision job JOB shows what is recorded"
        )
    if absent and (widget_id or widget_key):
        raise InvalidInputError("--absent takes no widget id and no widget key")
    if len(job_ids) > 1 and (widget_id or widget_key):
        raise InvalidInputError("a widget id or key belongs to one job only", hint="resolve them one by one")
    key = read_key(widget_key) if widget_key else ""
    result = Result(widget_id=widget_id, key=key) if widget_id or key else None

    async def work() -> None:
        async with open_ledger() as ledger:
            others: list[Text] = []
            for job_id in job_ids:
                if job_id.endswith("*"):
                    raise InvalidInputError(
                        Text("{job_id} may match several jobs", job_id=job_id),
                        hint="give a job id or a complete key, without *",
                    )
                record = await job_called(ledger, job_id, credential, owner)
                shown_id = job_id if job_id == record.job_id else f"{record.job_id} ({shown(job_id)})"
                if await ledger.operations.resolve(
                    *split_job_id(record.job_id), created=created, actor=person.current_user(), result=result
                ):
                    done = Text("{job} is created") if created else Text("{job} is queued again")
                    out.print(tr(done.id, job=shown_id))
                else:
                    others.append(
                        Text("{job} is not in doubt: it is {state}", job=shown_id, state=record.state)
                    )
            if others:
                raise InvalidInputError(joined("; ", others))

    asyncio.run(work())


def read_key(source: str) -> str:
    """
    A widget's key from a file, standard input (`-`) or a prompt (`ask`), so that no command line shows it.

    Raises: InvalidInputError that does not repeat the argument, which may be the key itself.
    """
    if source == "ask":
        key = getpass.getpass(tr("widget key: "))
    elif source == "-":
        key = sys.stdin.read(MAX_KEY + 2)
    else:
        try:
            with Path(source).open(encoding="utf-8") as stream:
                key = stream.read(MAX_KEY + 2)
        except (OSError, ValueError):
            raise InvalidInputError(
                "--widget-key: cannot read the file",
                hint="--widget-key takes a file, - or ask; do not write the key on the command line",
            ) from None
    key = key.strip()
    if not key or len(key) > MAX_KEY or not key.isprintable():
        raise InvalidInputError(
            Text("a widget's key is one line of 1 to {max_key} characters", max_key=MAX_KEY)
        )
    return key


@cli.command()
def reconcile(
    batch: BatchArgument,
    seen: Annotated[
        Path,
        typer.Option(
            "--seen",
            metavar="FILE",
            help="CSV, TSV or .xlsx list of the widgets that exist, also .gz; - for standard input.",
        ),
    ],
    match: Annotated[
        str,
        typer.Option(
            "--match",
            metavar="PATH[=COLUMN]",
            help="Path in the body that identifies a job (bot.id), and the column that holds it.",
        ),
    ],
    widget_id: Annotated[
        str, typer.Option("--widget-id", metavar="COLUMN", help="Column with the widget's id.")
    ] = "",
    widget_key: Annotated[
        str, typer.Option("--widget-key", metavar="COLUMN", help="Column with the widget's key.")
    ] = "",
    resolve_absent: Annotated[
        bool, typer.Option("--resolve-absent", help="Send jobs again that are not in the list.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=("Show what would be done, and change nothing."))
    ] = False,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    json: JsonFlag = False,
) -> None:
    """
    Settle jobs in doubt from a list of existing widgets.

    If exactly one row has the value of a job, the job is resolved as created. If no row has it, the job is
    absent: it is sent again only with --resolve-absent, and only if all rows could be read. If several rows
    or jobs have the value, or a row has a similar one, nothing is changed.

    Example: provision reconcile tenants --seen export.csv --match bot.id --dry-run
    """
    path, _, column = match.partition("=")
    table = read_table(
        seen,
        column or path,
        id_column=widget_id,
        key_column=widget_key,
        encoding=encoding,
        delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
        sheet=sheet,
    )
    _show_table(table)

    async def work() -> None:
        async with open_ledger() as ledger:
            found = await ledger.queries.batch_id(batch)
            jobs = [each async for each in candidates(ledger, found, path)]
            if resolve_absent and (reason := incomplete_reason(table, jobs)):
                raise InvalidInputError(
                    Text("--resolve-absent: {reason}; nothing was done", reason=reason),
                    hint="export the table again with its columns as text; or omit "
                    "--resolve-absent to settle only what was found",
                )
            judged = judge(jobs, table.rows)
            counts = Counter(each.finding for each in judged)
            done = Counter[Finding]() if dry_run else await _settle(ledger, found, judged, resolve_absent)
            if not dry_run:
                facts: dict[str, str | int] = {str(each): counts[each] for each in Finding}
                facts |= {"created": done[Finding.MATCHED], "queued": done[Finding.ABSENT], "file": seen.name}
                await ledger.operations.note(
                    "reconcile", actor=person.current_user(), on=scopes.of_batch(found), facts=facts
                )
            if json:
                _emit(found, judged, counts, done, table)
            else:
                _show(found, judged, counts, done, dry_run=dry_run, resolve_absent=resolve_absent)

    asyncio.run(work())


def _show_table(table: SeenTable) -> None:
    """Prints to standard error how many rows of a table were read, and the problems of the others."""
    name = shown(tr(table.name))
    for problem in table.problems[:UNCLEAR_SHOWN]:
        where = tr("row {row}", row=problem.row) + (f", {shown(problem.field)}" if problem.field else "")
        value = f" ({shown(problem.value)})" if problem.value else ""
        talk.print(f"{name}, {where}: {tr(problem.text)}{value}", soft_wrap=True)
    if len(table.problems) > UNCLEAR_SHOWN:
        others = amount(len(table.problems) - UNCLEAR_SHOWN, "other")
        talk.print(tr("… and {others}", others=others))
    for note in table.notes:
        talk.print(tr("note: {text}", text=shown(tr(note))), soft_wrap=True)
    talk.print(
        tr(
            "{count:,} of {rows} of {name} read",
            count=len(table.rows),
            rows=amount(table.total, "row"),
            name=name,
        )
    )


async def _settle(ledger: Ledger, batch: str, judged: list[Judged], resolve_absent: bool) -> Counter[Finding]:
    """Resolves jobs as found. Returns: how many jobs were still in doubt."""
    done: Counter[Finding] = Counter()
    for each in judged:
        if each.finding is Finding.UNCLEAR or (each.finding is Finding.ABSENT and not resolve_absent):
            continue
        created = each.finding is Finding.MATCHED
        result = result_of(each.seen) if each.seen else None
        done[each.finding] += await ledger.operations.resolve(
            batch, each.number, created=created, actor=person.current_user(), result=result
        )
    return done


def _show(
    batch: str,
    judged: list[Judged],
    counts: Counter[Finding],
    done: Counter[Finding],
    *,
    dry_run: bool,
    resolve_absent: bool,
) -> None:
    if not judged:
        out.print(tr("nothing is in doubt"))
        return
    words = {
        Finding.MATCHED: Text("would be created")
        if dry_run
        else Text("{count:,} created now", count=done[Finding.MATCHED]),
        Finding.ABSENT: _absent_words(done[Finding.ABSENT], dry_run=dry_run, resolve_absent=resolve_absent),
        Finding.UNCLEAR: Text("not changed"),
    }
    for finding in Finding:
        out.print(f"{number(counts[finding]):>7} {tr(_FINDINGS[finding])}: {tr(words[finding])}")
    unclear = [each for each in judged if each.finding is Finding.UNCLEAR]
    for each in unclear[:UNCLEAR_SHOWN]:
        out.print(f"  {batch}.{each.number}  {shown(each.value)}: {tr(each.reason)}", soft_wrap=True)
    if len(unclear) > UNCLEAR_SHOWN:
        others = amount(len(unclear) - UNCLEAR_SHOWN, "other")
        out.print("  " + tr("… and {others}: --json lists all", others=others))


_FINDINGS = {
    Finding.MATCHED: Text("matched"),
    Finding.ABSENT: Text("absent"),
    Finding.UNCLEAR: Text("unclear"),
}


def _absent_words(done: int, *, dry_run: bool, resolve_absent: bool) -> Text:
    if not resolve_absent:
        return Text("still in doubt; --resolve-absent sends them again")
    return Text("would be sent again") if dry_run else Text("{count:,} queued again", count=done)


def _emit(
    batch: str, judged: list[Judged], counts: Counter[Finding], done: Counter[Finding], table: SeenTable
) -> None:
    for each in judged:
        emit(
            {
                "job": f"{batch}.{each.number}",
                "value": each.value,
                "finding": each.finding,
                "why": str(each.reason),
                "widget_id": each.seen.widget_id if each.seen else None,
            }
        )
    emit(
        {
            "batch": batch,
            **{str(finding): counts[finding] for finding in Finding},
            "created": done[Finding.MATCHED],
            "queued": done[Finding.ABSENT],
            "rows": table.total,
            "understood": len(table.rows),
        }
    )
