"""How an apply ended, for people and for programs."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.text import Text as StyledText

from console.cli.applied import Applied
from console.cli.display.batch_report import show_batch, word_of
from console.cli.display.plan_report import VERDICT_WORDS
from console.cli.display.standard_output import emit
from console.cli.language import number, tr
from outcomes.words import amount, duration
from provisioning.job import Verdict
from provisioning.ledger import BatchStatus

SHOWN_VERDICTS = (
    Verdict.SUCCEEDED,
    Verdict.CHANGED,
    Verdict.IN_DOUBT,
    Verdict.REDRIVEN,
    Verdict.QUEUED,
    Verdict.REPLACED,
    Verdict.DEAD,
    Verdict.RISKY,
    Verdict.ENDED,
)
"""Verdicts to report; new rows are expected."""


def show_applied(out: Console, applied: Applied, *, seconds: float) -> None:
    """The summary at the end: what was not sent and why, each batch, the time, the files."""
    submission = applied.submission
    if applied.plan.bad_rows:
        rows = amount(applied.plan.bad_rows, "row")
        text = tr("{rows} of the file skipped: provision plan shows why", rows=rows)
        out.print(StyledText(text, style="red"))
    if not submission.queued and not applied.batches:
        out.print(tr("nothing new to send"))
    for verdict in SHOWN_VERDICTS:
        if count := submission.verdicts[verdict]:
            out.print(f"{number(count)} {tr(VERDICT_WORDS[verdict])}")
    if applied.lost:
        rows = amount(applied.lost, "accepted row")
        out.print(StyledText(tr("{rows} lost in Redis: apply the same file again", rows=rows), style="red"))
    for status in applied.batches:
        show_batch(out, status)
    if submission.queued and applied.files:
        out.print(f"  {tr('{time} in total', time=duration(seconds))}{_speed(applied)}")
    for export in applied.files:
        out.print(f"  {tr('outcome files in {folder}/', folder=export.folder)}", soft_wrap=True)
        for name, count in export.rows.items():
            if count:
                out.print(f"    {number(count):>9}  {name}")


def _speed(applied: Applied) -> str:
    """Jobs per second while it was sending; empty if too few, or not all, have ended."""
    queued = applied.submission.queued
    done = all(status.settled for status in applied.batches)
    if queued < 10 or not done or not applied.seconds:
        return ""
    return " · " + tr("{rate:,.0f} jobs/s", rate=queued / applied.seconds)


def show_how_to_follow(talk: Console, status: BatchStatus) -> None:
    """What to do after `--detach`."""
    talk.print(
        tr("watch it with: {command}", command=f"provision status {word_of(status)} --watch"), soft_wrap=True
    )


def emit_applied(applied: Applied, *, seconds: float) -> None:
    """The batch as `provision status --json` shows it, and what this command did; one more for each other."""
    submission = applied.submission
    folders = {export.batch: str(export.folder) for export in applied.files}
    nothing_new = {"batch": None, "name": submission.name, "settled": True}
    for shown in [status.public() for status in applied.batches] or [nothing_new]:
        emit(
            {
                **shown,
                "verdicts": {str(verdict): count for verdict, count in submission.verdicts.items()},
                "bad_rows": applied.plan.bad_rows,
                "lost": applied.lost,
                "seconds": round(seconds, 2),
                "files": folders.get(str(shown["batch"])),
            }
        )


def not_done(verdicts: Counter[Verdict]) -> int:
    """Rows of the file that are not done and will not be."""
    left = (Verdict.CHANGED, Verdict.IN_DOUBT, Verdict.DEAD, Verdict.RISKY, Verdict.ENDED)
    return sum(verdicts[verdict] for verdict in left)
