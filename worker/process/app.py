"""
The Celery app of a worker: `celery -A worker.process.app worker`.

Celery needs the app when this module is imported, before there is a worker. Everything else is a
`WorkerProcess`, which is created when the worker starts and is kept as an attribute of the app.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import bootsteps
from celery.apps import worker as celery_worker
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.signals import celeryd_init, setup_logging, task_postrun, task_prerun

from provisioning.broker.queue import check_queue, make_app
from provisioning.config.settings import Settings
from provisioning.errors import ProvisioningError
from provisioning.observability import tracing
from provisioning.observability.log_events import SIGNAL_RECEIVED, STOP_REQUESTED
from provisioning.observability.logs import configure, log_event
from worker.process.consumer import make_consumer
from worker.process.control import refuse_what_means_nothing
from worker.process.start_checks import check, fail, with_room
from worker.process.stopping import stop_in_time
from worker.process.worker_process import WorkerProcess

try:
    settings = Settings.from_env(os.environ)
    app = make_app(settings)
except ProvisioningError as problem:
    fail(problem)


def running() -> WorkerProcess | None:
    """What runs besides Celery in this process; None before the worker has started."""
    process: WorkerProcess | None = getattr(app, "process", None)
    return process


@celeryd_init.connect  # type: ignore[untyped-decorator] # Celery ships no types
def _set_up_logging(sender: str, instance: Any, **_: Any) -> None:
    configure("worker", settings, worker=sender)
    celery_worker.safe_say = _on_signal
    instance.tracer = tracing.configure(os.environ, program="worker", worker=sender)


def _on_signal(text: str, *_: Any) -> None:
    """Logs Celery's message on a signal, which it would write past the log: that would break JSON output."""
    if "shutdown" in text:
        log_event(STOP_REQUESTED)
        _stop_in_time()
    elif text.startswith(("Restarting", "SIG")):
        log_event(SIGNAL_RECEIVED, message=text)
    else:  # SIGUSR1: the stacks are printed for the person who sends it
        log_event(SIGNAL_RECEIVED, message="SIGUSR1: the stacks of all threads follow")
        os.write(2, text.encode() + b"\n")


def _stop_in_time() -> None:
    """Ends the process in time even if Celery does not; at once if it has not begun to work."""
    process = running()
    if process is None:
        os._exit(0)  # it may be waiting for Redis, and Celery would look for the signal only after that
    stop_in_time(process.stop)


@setup_logging.connect  # type: ignore[untyped-decorator]
def _logging_is_set_up(**_: Any) -> None:
    """Prevents Celery's own logging setup: a receiver of this signal replaces it."""


@task_prerun.connect  # type: ignore[untyped-decorator]
@task_postrun.connect  # type: ignore[untyped-decorator]
def _message_handled(**_: Any) -> None:
    if process := running():
        process.note_message()


def _consumer_turns() -> None:
    if process := running():
        process.note_consumer_turn()


class EngineStep(bootsteps.StartStopStep):  # type: ignore[misc] # Celery ships no types
    """Starts the engine with the worker and stops it gracefully with it."""

    # In the form that Celery reads: started after these, stopped before them.
    requires = {"celery.worker.components:Pool", "celery.worker.components:Hub"}  # noqa: RUF012

    def start(self, worker: Any) -> None:
        if not isinstance(worker.pool, ThreadPool):
            # A prefork child would not contain the engine; with green threads its loop would not run.
            print("error: the worker needs Celery's threads pool\n\nhint: --pool threads", file=sys.stderr)
            raise SystemExit(2)
        try:
            check(settings)
            check_queue(app)
            app.process = WorkerProcess(
                app, with_room(settings), worker.hostname, getattr(worker, "tracer", None)
            )
            app.process.start(worker.hub)
        except ProvisioningError as error:
            fail(error)

    def stop(self, worker: Any) -> None:  # noqa: ARG002
        if process := running():
            process.stop()

    terminate = stop


app.conf.update(
    worker_pool="threads",
    worker_concurrency=8,  # a drain takes milliseconds: it feeds the engine and never waits for a POST
    # By name, not by import: the worker must not import producers, and one of them is a Celery task.
    imports=["worker.process.tasks", "producers.celery_intake"],
    worker_send_task_events=settings.flower_events != "none",  # drains: Flower sees them without -E
    worker_consumer=make_consumer(_consumer_turns),
)
app.steps["worker"].add(EngineStep)
refuse_what_means_nothing()
