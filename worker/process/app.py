"""
The Celery app of a worker: `celery -A worker.process.app worker`.

The composition root: here, and only here, the real settings, ledger, API and engine are put together.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from typing import Any

from celery import bootsteps
from celery.apps import worker as celery_worker
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.signals import celeryd_init, setup_logging, task_postrun, task_prerun

from provisioning.broker.queue import Notifier, Waiting, check_queue, make_app
from provisioning.checks.at_start import WAITED_FOR, check_ledger, check_settings, most_files, take_files
from provisioning.checks.finding import Finding, Level
from provisioning.checks.relations import SPARE_FILES, room_for
from provisioning.config.credentials import load_credentials
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError, LedgerUnfitError, ProvisioningError
from provisioning.ledger import Ledger
from provisioning.observability import tracing
from provisioning.observability.log_events import (
    CHECK_WARNED,
    PROGRAM_STARTED,
    PROGRAM_STOPPED,
    SIGNAL_RECEIVED,
    STOP_REQUESTED,
)
from provisioning.observability.logs import configure, log_event
from worker.dispatch.engine import Engine
from worker.dispatch.registry import Supervision
from worker.events.flower_events import FlowerEvents
from worker.events.log_listener import log_happening
from worker.events.metrics import WorkerMetrics, serve
from worker.events.traces import Traces
from worker.process.consumer import make_consumer
from worker.process.control import refuse_what_means_nothing, show_sending
from worker.process.engine_thread import EngineThread
from worker.process.heartbeat import HeartbeatFile
from worker.process.watchdog import Watchdog


def fail(error: ProvisioningError) -> None:
    """Says what is wrong in the house's form and ends the process with exit code 2."""
    hint = f"\n\nhint: {error.hint}" if error.hint else ""
    print(f"error: {error.message}{hint}", file=sys.stderr)
    raise SystemExit(2)


try:
    settings = Settings.from_env(os.environ)
    app = make_app(settings)
except ProvisioningError as problem:
    fail(problem)

app.conf.update(
    worker_pool="threads",
    worker_concurrency=8,  # a drain takes milliseconds: it feeds the engine and never waits for a POST
    # By name, not by import: the worker knows nothing of producers, and one of their doors is a Celery task.
    imports=["worker.process.tasks", "producers.celery_intake"],
    worker_send_task_events=settings.flower_events != "none",  # drains: Flower sees them without -E
)

refuse_what_means_nothing()

engine: EngineThread | None = None
watchdog: Watchdog | None = None
flower: FlowerEvents | None = None
metrics: WorkerMetrics | None = None
heartbeat: HeartbeatFile | None = None
tracer: tracing.Tracer | None = None


@celeryd_init.connect  # type: ignore[untyped-decorator] # Celery ships no types
def _set_up_logging(sender: str, **_: Any) -> None:
    global tracer
    configure("worker", settings, worker=sender)
    celery_worker.safe_say = _on_signal
    tracer = tracing.configure(os.environ, program="worker", worker=sender)


def _on_signal(text: str, *_: Any) -> None:
    """Celery's word on a signal, which it writes past all logging: a reader of JSON would trip over it."""
    if "shutdown" in text:
        log_event(STOP_REQUESTED)
    elif text.startswith(("Restarting", "SIG")):
        log_event(SIGNAL_RECEIVED, message=text)
    else:  # SIGUSR1: who sends it wants to read the stacks, and does
        log_event(SIGNAL_RECEIVED, message="SIGUSR1: the stacks of all threads follow")
        os.write(2, text.encode() + b"\n")


@setup_logging.connect  # type: ignore[untyped-decorator]
def _logging_is_set_up(**_: Any) -> None:
    """Keeps Celery from setting up logging of its own: whoever hears this signal has done so."""


class EngineStep(bootsteps.StartStopStep):  # type: ignore[misc] # Celery ships no types
    """Starts the engine with the worker and stops it gracefully with it."""

    # The form in which Celery reads them: after these on the way up, before them on the way down.
    requires = {"celery.worker.components:Pool", "celery.worker.components:Hub"}  # noqa: RUF012

    def start(self, worker: Any) -> None:
        if not isinstance(worker.pool, ThreadPool):
            # In a prefork child the engine would not be there; with green threads its loop would not run.
            print("error: the worker needs Celery's threads pool\n\nhint: --pool threads", file=sys.stderr)
            raise SystemExit(2)
        global engine, watchdog, heartbeat, flower, settings
        engine = EngineThread(lambda: build_engine(worker.hostname))
        watchdog = Watchdog(engine.stop)
        _collect_seldom()
        try:
            check()
            settings = with_room(settings)
            check_queue(app)
            credentials = load_credentials(settings)
            heartbeat = HeartbeatFile(
                settings.heartbeats_folder, worker.hostname, watchdog.signs, credentials=len(credentials)
            )
            heartbeat.open()
            metrics_url = show_metrics()
            if settings.flower_events != "none":
                flower = FlowerEvents(app, worker.hostname, settings.flower_events, settings.lease)
                flower.start()
            engine.start()
            show_sending(engine.state)
            if metrics is not None:
                metrics.watch(engine.state)
        except ProvisioningError as error:
            fail(error)
        if worker.hub is not None:
            _consumer_turns()
            worker.hub.call_repeatedly(1.0, _consumer_turns)
        watchdog.start()
        log_event(
            PROGRAM_STARTED,
            api_url=settings.api_url,
            max_in_flight=settings.max_in_flight,
            traced=tracer is not None,
            metrics_url=metrics_url,
        )

    def stop(self, worker: Any) -> None:  # noqa: ARG002
        if heartbeat is not None:
            heartbeat.stop()
        if watchdog is not None:
            watchdog.rest()
        if engine is not None:
            engine.stop()
        if flower is not None:
            flower.stop()
        if heartbeat is not None:
            heartbeat.close()
        log_event(PROGRAM_STOPPED)
        tracing.close()

    terminate = stop


def with_room(settings: Settings) -> Settings:
    """
    Settings whose POSTs in flight this process has descriptors for, after it has taken all that it may.

    One too few would look as if the API did not let us in.
    """
    take_files(settings.max_in_flight + 2 * SPARE_FILES)
    files = most_files()
    if files is None or settings.max_in_flight <= room_for(files):
        return settings
    return settings.model_copy(update={"max_in_flight": room_for(files)})


def _collect_seldom() -> None:
    """
    Spares the cyclic collector what lives for ever, and has it look less often.

    A job makes some hundred objects that die by their count; looking through the living ones every 700 of
    them took a tenth of the worker's time (docs/explanation/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def show_metrics() -> str | None:
    """
    Serves `/metrics` if a port is set; before the engine begins, so that a taken port costs no claimed job.

    Returns: where.
    Raises: ConfigurationError if the port is taken.
    """
    global metrics
    if settings.metrics_port is None:
        return None
    metrics = WorkerMetrics()
    return serve(metrics, settings.metrics_host, settings.metrics_port)


def check() -> None:
    """
    Says what is wrong with settings, credentials and ledger, and ends the process if that is fatal.

    A Redis that is away is waited for, by Celery and by the engine.
    """

    async def look() -> list[Finding]:
        async with Ledger.at(
            settings.redis or "", masters=settings.masters, replicas=settings.redis_replicas
        ) as ledger:
            return await check_ledger(ledger)

    findings = check_settings(settings, most_files())
    try:
        findings += asyncio.run(look())
    except LedgerUnfitError:
        raise  # waiting does not help
    except LedgerUnavailableError as error:
        print(f"waiting: {error.message}", file=sys.stderr)
    for finding in findings:
        if finding.level is Level.WARNING:
            log_event(CHECK_WARNED, trouble=finding.said, advice=finding.advice)
    refusals = [each for each in findings if each.level is Level.FATAL and each.check not in WAITED_FOR]
    if refusals:
        for finding in refusals:
            print(f"error: {finding.said}\n\nhint: {finding.advice}", file=sys.stderr)
        raise SystemExit(2)


@task_prerun.connect  # type: ignore[untyped-decorator] # Celery ships no types
@task_postrun.connect  # type: ignore[untyped-decorator]
def _message_handled(**_: Any) -> None:
    if watchdog is not None:
        watchdog.signs.message = time.monotonic()


def _consumer_turns() -> None:
    if watchdog is not None and heartbeat is not None:
        watchdog.signs.consumer = time.monotonic()
        heartbeat.write()


app.conf.worker_consumer = make_consumer(_consumer_turns)


def build_engine(name: str) -> Engine:
    """The engine of this process; call it on the loop that will run it."""
    if settings.redis is None or watchdog is None or heartbeat is None:
        raise RuntimeError("make_app has seen to a Redis, and EngineStep to a watchdog and a heartbeat")
    return Engine(
        settings,
        Ledger.at(settings.redis, masters=settings.masters, replicas=settings.redis_replicas),
        load_credentials(settings),
        name=name,
        notify=Notifier(app).ring,
        supervision=Supervision(
            signs=watchdog.signs,
            heartbeat=heartbeat.write,
            waiting=Waiting(app).count if settings.broker_url else None,
        ),
        listeners=[
            log_happening,
            *([Traces(tracer).listen] if tracer else []),
            *([metrics.listen] if metrics else []),
            *([flower] if flower else []),
        ],
    )


app.steps["worker"].add(EngineStep)
