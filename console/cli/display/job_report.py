"""Jobs for people: a list, and the full history of one."""

from __future__ import annotations

import time

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text as StyledText

from console.cli.display.batch_report import held_since
from console.cli.display.tables import facts, indented, listing, show_ways
from console.cli.language import tr
from outcomes.story import Story, TimelineEntry, timeline
from outcomes.words import STATE_STYLES, STATE_WORDS, clock, effect, shown, time_of_day
from provisioning.ledger import JobRecord
from provisioning.lifecycle import State
from provisioning.text import marked

COLUMNS = marked("job", "row", "key", "state", "reason", "attempts", "widget")
WRAPPED = ("key", "reason", "widget")

AT_ONCE = 200
"""Jobs formatted together: so many are in memory, and so many are read before the first is shown."""


class JobLines:
    """Any number of jobs, one per line under one head."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._rows: list[tuple[str | StyledText, ...]] = []
        self._widths: dict[str, int] | None = None

    def add(self, job: JobRecord) -> None:
        """One more."""
        self._rows.append(
            (
                job.job_id,
                "" if job.row is None else str(job.row),
                shown(job.key),
                StyledText(tr(STATE_WORDS[job.state]), style=STATE_STYLES.get(job.state, "")),
                job.reason,
                str(len(job.attempts)),
                shown(job.result.widget_id) if job.result else "",
            )
        )
        if len(self._rows) == AT_ONCE:
            self.end()

    def end(self) -> None:
        """Those that are still to be shown."""
        if not self._rows:
            return
        table = listing(*COLUMNS, wraps=WRAPPED, numbers=("row", "attempts"), widths=self._widths)
        for row in self._rows:
            table.add_row(*row)
        self._out.print(table)
        self._widths = self._seen()
        self._rows = []

    def _seen(self) -> dict[str, int]:
        """The current widths of the columns, for the next lines."""
        widths = self._widths or {name: cell_len(tr(name)) for name in COLUMNS}
        # On a terminal the wide ones give way to each other anew.
        fixed = [name for name in COLUMNS if name not in WRAPPED or not self._out.is_terminal]
        columns = dict(zip(COLUMNS, zip(*self._rows, strict=True), strict=True))
        return {
            name: max(widths.get(name, 0), *(cell_len(str(cell)) for cell in columns[name])) for name in fixed
        }


def show_job(out: Console, story: Story) -> None:
    """The full history of a job on one screen, without its widget's key, with masked secrets of its body."""
    job = story.job
    title = StyledText(job.job_id, style="bold")
    title.append("  ")
    title.append(tr(STATE_WORDS[job.state]), style=STATE_STYLES.get(job.state, ""))
    since = tr("({reason}) since {time}", reason=job.reason, time=clock(job.at))
    title.append(f" {since}", style="dim not bold")
    out.print(title)
    table = facts()
    for name, fact in _facts(story).items():
        if fact:
            table.add_row(name, fact)
    out.print(indented(table))
    out.print()
    _show_timeline(out, timeline(story))
    workers = {attempt.worker for attempt in job.attempts if attempt.worker}
    if len(workers) == 1:
        out.print(StyledText(tr("sent by {worker}", worker=shown(workers.pop())), style="dim"))
    for hold in story.holds:
        out.print(StyledText(held_since(hold), style="yellow"), soft_wrap=True)
    if job.state is State.IN_DOUBT:
        out.print()
        resolve = f"provision resolve {job.job_id}"
        show_ways(
            out,
            (tr("if its widget exists:"), f"{resolve} --created"),
            (tr("if it does not:"), f"{resolve} --absent"),
        )


def _facts(story: Story) -> dict[str, str]:
    job = story.job
    created = job.result
    return {
        tr("key"): shown(job.key),
        tr("credential"): shown(job.credential),
        tr("row"): "" if job.row is None else str(job.row),
        tr("label"): shown(job.label),
        tr("from"): shown(story.files),
        tr("batch"): shown(story.batch.name),
        tr("widgets"): tr(effect(job.bounds)),
        tr("widget id"): shown(created.widget_id) if created else "",
        tr("bot id"): shown(created.bot_id) if created else "",
        tr("created at"): shown(created.created_at) if created else "",
        tr("beside it"): shown(", ".join(late.widget_id for late in job.late_results)),
        tr("not before"): clock(job.not_before) if job.not_before else "",
        tr("held by"): shown(job.worker),
        tr("body"): tr("deleted (retention)") if story.body is None else shown(story.body),
    }


def _show_timeline(out: Console, lines: list[TimelineEntry]) -> None:
    days = {time.localtime(line.at)[:3] for line in lines if line.at is not None}
    word = time_of_day if len(days) < 2 else clock
    table = facts()
    for line in lines:
        text = StyledText(tr(line.text))
        if line.beneath:
            text.append(f"\n{line.beneath}", style="dim")
        table.add_row("" if line.at is None else word(line.at), text)
    out.print(table)
