"""Jobs as people read them: a list, and the whole story of one."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from console.masking import masked
from console.tables import facts, indented, listing
from console.words import STATE_STYLES, STATE_WORDS, answer, clock, duration, shown, time_of_day, widgets
from provisioning.attempt import Attempt
from provisioning.ledger import JobRecord
from provisioning.lifecycle import State


def show_jobs(out: Console, jobs: list[JobRecord]) -> None:
    """Jobs, one a line."""
    table = listing(
        "job",
        "row",
        "key",
        "state",
        "reason",
        "attempts",
        "widget",
        wraps=("key", "reason", "widget"),
        numbers=("row", "attempts"),
    )
    for job in jobs:
        table.add_row(
            job.job_id,
            "" if job.row is None else str(job.row),
            shown(job.key),
            Text(STATE_WORDS[job.state], style=STATE_STYLES.get(job.state, "")),
            job.reason,
            str(len(job.attempts)),
            shown(job.result.widget_id) if job.result else "",
        )
    out.print(table)


def show_job(out: Console, job: JobRecord, body: bytes | None, source: str = "") -> None:
    """
    The whole story of a job on one screen; its widget's key is left out, and secrets of its body are masked.

    Args:
        body: None where it is not kept any more.
        source: the file and the person that it came from.
    """
    title = Text(job.job_id, style="bold")
    title.append("  ")
    title.append(STATE_WORDS[job.state], style=STATE_STYLES.get(job.state, ""))
    title.append(f" ({job.reason}) since {clock(job.at)}", style="dim not bold")
    out.print(title)
    table = facts()
    for name, fact in _facts(job, body, source).items():
        if fact:
            table.add_row(name, fact)
    out.print(indented(table))
    if job.attempts:
        out.print()
        _show_attempts(out, job.attempts)
    for move in job.moves:
        was = f" (was {move.was})" if move.was else ""
        why = f", because {shown(move.why)}" if move.why else ""
        by = shown(move.by) or "nobody named"
        out.print(Text(f"{clock(move.at)}  {move.move}{was} by {by}{why}", style="dim"))
    if job.state is State.IN_DOUBT:
        out.print()
        out.print(f"if its widget exists: provision resolve {job.job_id} --created", soft_wrap=True)
        out.print(f"if it does not:       provision resolve {job.job_id} --absent", soft_wrap=True)


def _facts(job: JobRecord, body: bytes | None, source: str) -> dict[str, str]:
    created = job.result
    return {
        "key": shown(job.key),
        "credential": shown(job.credential),
        "row": "" if job.row is None else str(job.row),
        "label": shown(job.label),
        "from": shown(source),
        "widgets": widgets(job.bounds, 1).replace(" for 1 row", ""),
        "widget id": shown(created.widget_id) if created else "",
        "bot id": shown(created.bot_id) if created else "",
        "created at": shown(created.created_at) if created else "",
        "not before": clock(job.not_before) if job.not_before else "",
        "held by": job.worker,
        "body": "not kept any more" if body is None else shown(masked(body)),
    }


def _show_attempts(out: Console, attempts: list[Attempt]) -> None:
    workers = list(dict.fromkeys(attempt.worker for attempt in attempts if attempt.worker))
    by = ("worker",) if len(workers) > 1 else ()
    columns = ("#", "at", "took", "answer", "evidence", *by, "then")
    table = listing(*columns, wraps=("answer", "worker"), numbers=("#", "took"))
    for attempt in attempts:
        then = "" if attempt.next_delay is None else f"again after {duration(attempt.next_delay)}"
        table.add_row(
            str(attempt.n),
            time_of_day(attempt.at),
            duration(attempt.seconds),
            answer(attempt),
            attempt.evidence.replace("_", " "),
            *([shown(attempt.worker)] if by else []),
            then,
        )
    out.print(table)
    if len(workers) == 1:
        out.print(Text(f"sent by {workers[0]}", style="dim"))
    for attempt in attempts:
        if attempt.message:
            out.print(Text(f"attempt {attempt.n}: {shown(attempt.message)}", style="dim"))
