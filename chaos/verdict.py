"""
The verdict on a scenario, from outside: what the ledger says of each job beside what the sandbox made.

Nothing here trusts the batch's own counts: every job is read, and every body looked up in the sandbox.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from provisioning.job import NewJob
from provisioning.ledger import JobRecord, Ledger
from provisioning.lifecycle import State
from sandbox.draws import digest
from tests.support.sandbox_process import SandboxProcess

ENDS = {State.SUCCEEDED, State.DEAD, State.IN_DOUBT, State.CANCELLED}


@dataclass(slots=True)
class Verdict:
    """
    One line of the table.

    Attributes:
        in_flight: POSTs begun and not recorded when it struck.
        lost: accepted jobs that have no end, or that are gone.
        duplicate: bodies of which the sandbox has made more than one widget.
        silent: jobs of which more widgets exist than their own bounds own up to.
        seconds: from the blow to the batch settled.
        problems: what broke a promise, a sentence each; empty if all were kept.
    """

    jobs: int = 0
    in_flight: int = 0
    lost: int = 0
    duplicate: int = 0
    silent: int = 0
    succeeded: int = 0
    in_doubt: int = 0
    widgets: int = 0
    least: int = 0
    most: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def demand(self, kept: bool, otherwise: str) -> None:
        """A promise; `otherwise` says what is wrong if it was not kept."""
        if not kept:
            self.problems.append(otherwise)


async def examine(ledger: Ledger, sandbox: SandboxProcess, batch: str, accepted: Sequence[NewJob]) -> Verdict:
    """Reads every job and every widget, and checks promises 1 to 4 of the README."""
    status = await ledger.queries.status(batch)
    records = {record.key: record async for record in ledger.queries.jobs(batch)}
    bodies = {job.key: digest(job.body).hex() for job in accepted}
    made = _widgets(sandbox)
    states = Counter(record.state for record in records.values())
    verdict = Verdict(
        jobs=len(accepted),
        lost=sum(1 for key in bodies if key not in records or records[key].state not in ENDS),
        duplicate=int(sandbox.stats()["bodies_created_twice"]),
        succeeded=states[State.SUCCEEDED],
        in_doubt=states[State.IN_DOUBT],
        widgets=sum(len(made[body]) for body in bodies.values()),
        least=status.bounds.least,
        most=status.bounds.most,
    )
    demand = verdict.demand
    demand(verdict.lost == 0, f"{verdict.lost} jobs have no end")
    demand(status.accepted == len(accepted), f"{status.accepted} accepted, {len(accepted)} handed over")
    demand(status.conserved, f"counts are not conserved: {dict(status.states)}, accepted {status.accepted}")
    counted = {state: count for state, count in status.states.items() if count}
    demand(counted == dict(states), f"the batch counts {counted}, its jobs are {dict(states)}")
    demand(
        verdict.least <= verdict.widgets <= verdict.most,
        f"{verdict.widgets} widgets exist, the bounds say {verdict.least} to {verdict.most}",
    )
    for key, body in bodies.items():
        if key in records:
            _examine_job(verdict, records[key], made[body])
    return verdict


def _examine_job(verdict: Verdict, record: JobRecord, widgets: list[str]) -> None:
    bounds, demand = record.bounds, verdict.demand
    verdict.silent += len(widgets) > bounds.most
    demand(
        bounds.least <= len(widgets) <= bounds.most,
        f"{record.job_id}: {len(widgets)} widgets exist, its bounds say {bounds.least} to {bounds.most}",
    )
    if record.state is State.SUCCEEDED:
        claimed_id = record.result.widget_id if record.result else None
        demand(
            claimed_id in widgets,
            f"{record.job_id}: a false success: it says {claimed_id}, there are {widgets}",
        )
        demand(bool(record.result and record.result.key), f"{record.job_id}: its widget's key was not kept")


def _widgets(sandbox: SandboxProcess) -> dict[str, list[str]]:
    """Ids of the widgets by the body that made them."""
    made: dict[str, list[str]] = defaultdict(list)
    for row in sandbox.widgets()["widgets"]:
        made[row["body"]].append(row["widget"])
    return made
