"""What runs in the process of a worker besides Celery: the engine, its watchdog, metrics and heartbeat."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

from celery import Celery

from provisioning.broker.queue import Notifier, Waiting
from provisioning.config.credentials import load_credentials
from provisioning.config.settings import Settings
from provisioning.ledger import Ledger
from provisioning.observability import tracing
from provisioning.observability.log_events import PROGRAM_STARTED, PROGRAM_STOPPED
from provisioning.observability.logs import log_event
from worker.dispatch.engine import Engine
from worker.dispatch.registry import Supervision
from worker.events.flower_events import FlowerEvents
from worker.events.log_listener import log_telemetry_event
from worker.events.metrics import WorkerMetrics, serve
from worker.events.telemetry import Listener
from worker.events.traces import Traces
from worker.process.control import show_sending
from worker.process.engine_thread import EngineThread
from worker.process.heartbeat import HeartbeatFile
from worker.process.watchdog import Watchdog


class WorkerProcess:
    """
    The composition root: here, and only here, the real settings, ledger, API and engine are combined.

    Args:
        app: the Celery app, whose broker carries notifications.
        name: the worker's, as in Celery.
        tracer: creates spans; None for no tracing.

    Raises: ConfigurationError if the credentials cannot be read.
    """

    def __init__(self, app: Celery, settings: Settings, name: str, tracer: tracing.Tracer | None) -> None:
        self._app = app
        self._settings = settings
        self._name = name
        self._tracer = tracer
        self._credentials = load_credentials(settings)
        self._stopping = threading.Lock()
        self._stopped = False
        self.engine = EngineThread(self._build_engine)
        self._watchdog = Watchdog(self.engine.stop)
        self._heartbeat = HeartbeatFile(
            settings.heartbeats_folder, name, self._watchdog.signs, credentials=len(self._credentials)
        )
        self._metrics = None if settings.metrics_port is None else WorkerMetrics()
        self._flower = (
            None
            if settings.flower_events == "none"
            else FlowerEvents(app, name, settings.flower_events, settings.lease)
        )

    def start(self, hub: Any) -> None:
        """
        Starts all of it.

        Args:
            hub: Celery's event loop; None where there is none.

        Raises: ConfigurationError if the port of the metrics is in use.
        """
        _collect_seldom()
        self._heartbeat.open()
        metrics_url = self._serve_metrics()
        if self._flower is not None:
            self._flower.start()
        self.engine.start()
        show_sending(self.engine.state)
        if self._metrics is not None:
            self._metrics.watch(self.engine.state)
        if hub is not None:
            self.note_consumer_turn()
            hub.call_repeatedly(1.0, self.note_consumer_turn)
        self._watchdog.start()
        log_event(
            PROGRAM_STARTED,
            api_url=self._settings.api_url,
            max_in_flight=self._settings.max_in_flight,
            traced=self._tracer is not None,
            metrics_url=metrics_url,
        )

    def stop(self) -> None:
        """Stops all of it gracefully; if another thread has begun to, waits until it is done."""
        with self._stopping:
            if not self._stopped:
                self._stopped = True
                self._stop()

    def _stop(self) -> None:
        self._heartbeat.stop()
        self._watchdog.rest()
        self.engine.stop()
        if self._flower is not None:
            self._flower.stop()
        self._heartbeat.close()
        log_event(PROGRAM_STOPPED)
        tracing.close()

    def note_consumer_turn(self) -> None:
        """Records for the watchdog and the heartbeat that Celery's loop runs."""
        self._watchdog.signs.consumer = time.monotonic()
        self._heartbeat.write()

    def note_message(self) -> None:
        """Records for the watchdog that a message was handled."""
        self._watchdog.signs.message = time.monotonic()

    def _serve_metrics(self) -> str | None:
        """
        Serves `/metrics` if a port is set. Before the engine starts, so that a port in use affects no claimed
        job.

        Returns: the address.
        """
        if self._metrics is None or self._settings.metrics_port is None:
            return None
        return serve(self._metrics, self._settings.metrics_host, self._settings.metrics_port)

    def _build_engine(self) -> Engine:
        """Creates the engine; called on the loop that will run it."""
        return Engine(
            self._settings,
            Ledger.of(self._settings),
            self._credentials,
            name=self._name,
            notify=Notifier(self._app).notify,
            supervision=Supervision(
                signs=self._watchdog.signs,
                heartbeat=self._heartbeat.write,
                waiting=Waiting(self._app).count if self._settings.broker_url else None,
            ),
            listeners=self._listeners(),
        )

    def _listeners(self) -> list[Listener]:
        listeners: list[Listener] = [log_telemetry_event]
        if self._tracer:
            listeners.append(Traces(self._tracer).listen)
        if self._metrics:
            listeners.append(self._metrics.listen)
        if self._flower:
            listeners.append(self._flower)
        return listeners


def _collect_seldom() -> None:
    """
    Excludes permanent objects from the cyclic garbage collector, and makes it run less often.

    A job creates some hundred objects that reference counting frees; scanning the live ones after every 700
    new objects took a tenth of the worker's time (docs/explanation/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
