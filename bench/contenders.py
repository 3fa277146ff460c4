"""Who does the job, and how each is started: commands, environments, processes and threads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from bench.environments import script_of
from bench.scenarios import Scenario

Family = Literal["ours", "peer", "bare", "plain"]
Commands = Callable[[int, int], list[list[str]]]
"""Processes and jobs in flight in each → what to start."""


@dataclass(frozen=True)
class Contender:
    """
    One way of getting the job done.

    Attributes:
        commands: its workers.
        module: of `bench.peers`, for a peer.
        environment: which of `bench/requirements/` it runs in; empty for the program's own.
        none: processes, and jobs in flight in each, where the API has no latency: chosen for the most jobs/s.
        guess: jobs/s without latency, about; only sizes runs.
        one_job: a process does one job at a time, so that there are as many as jobs in flight.
        scenarios: those it takes part in; all of them if empty.
    """

    name: str
    family: Family
    commands: Commands
    module: str = ""
    environment: str = ""
    none: tuple[int, int] = (2, 8)
    guess: int = 1000
    one_job: bool = False
    scenarios: tuple[str, ...] = ()

    def shape(self, scenario: Scenario) -> tuple[int, int]:
        """Processes, and jobs in flight in each."""
        if scenario.in_flight is None:
            return self.none
        if self.one_job:
            return scenario.in_flight, 1
        return scenario.processes, scenario.in_flight // scenario.processes

    def jobs(self, scenario: Scenario, scale: float) -> int:
        """How many jobs it gets: no more than it does in the scenario's time, in whole hundreds."""
        pace = self.guess if scenario.bound is None else min(self.guess, scenario.bound)
        return max(100, int(min(scenario.jobs, pace * scenario.seconds) * scale) // 100 * 100)

    def takes_part(self, scenario: str) -> bool:
        return not self.scenarios or scenario in self.scenarios


def _celery(pool: str) -> Commands:
    def commands(processes: int, in_flight: int) -> list[list[str]]:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "warning"]
        worker = [script_of("peers", "celery"), "-A", "bench.peers.celery_task", "worker", "-P", pool, *quiet]
        if pool == "prefork":  # one of Celery's workers, with processes below it
            return [[*worker, "-c", str(processes)]]
        return [[*worker, "-c", str(in_flight), "-n", f"w{n}@%h"] for n in range(processes)]

    return commands


def _dramatiq(processes: int, in_flight: int) -> list[list[str]]:
    shape = ["-p", str(processes), "-t", str(in_flight), "--skip-logging"]
    return [[script_of("peers", "dramatiq"), "bench.peers.dramatiq_actor", *shape]]


def _rq(processes: int, _: int) -> list[list[str]]:
    pool = ["worker-pool", "-n", str(processes), "-w", "rq.worker.SimpleWorker", "--quiet"]
    return [[script_of("peers", "rq"), *pool, "-c", "bench.peers.rq_job"]]


def _arq(processes: int, _: int) -> list[list[str]]:
    return [[script_of("arq", "arq"), "bench.peers.arq_job.WorkerSettings"]] * processes


def _taskiq(processes: int, in_flight: int) -> list[list[str]]:
    shape = ["--workers", str(processes), "--max-async-tasks", str(in_flight), "--log-level", "WARNING"]
    ack = ["--ack-type", "when_received", "--no-parse"]
    return [[script_of("peers", "taskiq"), "worker", "bench.peers.taskiq_task:broker", *shape, *ack]]


def _saq(processes: int, _: int) -> list[list[str]]:
    return [[script_of("saq", "saq"), "bench.peers.saq_job.settings", "--quiet", "--workers", str(processes)]]


def _streaq(processes: int, _: int) -> list[list[str]]:
    return [[script_of("peers", "streaq"), "run", "-w", str(processes), "bench.peers.streaq_task:worker"]]


def _ours(processes: int, _: int) -> list[list[str]]:
    worker = [script_of("", "provision"), "worker", "--log-level", "warning"]
    return [[*worker, "--name", f"w{n}"] for n in range(processes)]


def _bare(kind: str) -> Commands:
    return lambda _processes, _in_flight: [[sys.executable, "-m", "bench.bare", kind]]


OURS: Final = Contender("ours", "ours", _ours, none=(2, 100), guess=4000)
OURS_ALONE: Final = Contender(
    "ours, one process", "ours", _ours, none=(1, 100), guess=2500, scenarios=("none",)
)
BARE: Final = Contender(
    "bare: httpx, our transport", "bare", _bare("our-transport"), none=(1, 100), guess=4000
)
BARE_HTTPX: Final = Contender(
    "bare: httpx", "bare", _bare("httpx"), none=(1, 100), guess=400, scenarios=("none", "200ms-100", "faults")
)
BARE_AIOHTTP: Final = Contender(
    "bare: aiohttp", "bare", _bare("aiohttp"), none=(1, 100), guess=8000, scenarios=("none", "200ms-100")
)

PLAIN_LOOP: Final = Contender(
    "plain loop", "plain", lambda _processes, _in_flight: [[sys.executable, "-m", "bench.plain_loop"]]
)

_WORKED: Final = ("none", "200ms-100", "faults")
_SHARED: Final = (*_WORKED, "enqueue")


def _peer(name: str, commands: Commands, module: str, **more: object) -> Contender:
    return Contender(
        name,
        "peer",
        commands,
        module,
        **{"environment": "peers", "scenarios": _SHARED} | more,  # type: ignore[arg-type]
    )


PEERS: Final = (
    _peer("celery prefork", _celery("prefork"), "celery_task", one_job=True, none=(2, 1), guess=1000),
    # Rows are handed over to Celery in one way, whatever the pool: measured once.
    _peer("celery threads", _celery("threads"), "celery_task", none=(2, 4), guess=900, scenarios=_WORKED),
    _peer("celery gevent", _celery("gevent"), "celery_task", none=(2, 20), guess=900, scenarios=_WORKED),
    _peer("dramatiq", _dramatiq, "dramatiq_actor", none=(2, 8), guess=1800),
    _peer("arq", _arq, "arq_job", environment="arq", none=(2, 10), guess=700),
    _peer("taskiq", _taskiq, "taskiq_task", none=(2, 5), guess=900),
    _peer("saq", _saq, "saq_job", environment="saq", none=(2, 10), guess=700),
    _peer("streaq", _streaq, "streaq_task", none=(2, 3), guess=900),
    _peer("rq", _rq, "rq_job", one_job=True, none=(2, 1), guess=400),
)

CONTENDERS: Final = (OURS, OURS_ALONE, BARE, BARE_AIOHTTP, BARE_HTTPX, *PEERS)

UNDER_WEATHER: Final = (
    PLAIN_LOOP,
    OURS,
    *(peer for peer in PEERS if peer.name in ("dramatiq", "celery threads")),
)
"""The plain loop first: the others' time is bounded by its own."""
