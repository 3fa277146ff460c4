"""
Sends a worker's task events to monitors such as Flower, from its own thread.

The engine only appends an event to a queue; a broker that is slow or unavailable does not delay it. Events
are sent in groups. When the queue fills up, claims are dropped first, so that the end of each started job is
still sent; dropped events are counted and logged.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from celery import Celery

from provisioning.observability.log_events import EVENTS_DELAYED, EVENTS_DROPPED
from provisioning.observability.logs import log_event
from worker.events.flower_story import Event, Which, events_of, is_worth_sending
from worker.events.telemetry import Claimed, TelemetryEvent

PAUSE = 0.1
"""Seconds between sends, and so the delay of Flower."""

MOST_WAITING = 10_000
"""Most events that wait: some seconds of a worker at its fastest, a few MB."""

MOST_AT_ONCE = 500
"""Most events in one message: some 150 kB."""

LONGEST_PAUSE = 30.0
"""Seconds between attempts to reach an unavailable broker."""

STOP_TIMEOUT = 1.0
"""Seconds that a stopping worker waits for unsent events."""


class FlowerEvents:
    """
    A listener that publishes each job as a Celery task.

    Args:
        hostname: the worker's, to which the jobs are attributed.
        lease: seconds, as in the settings.
    """

    def __init__(self, app: Celery, hostname: str, which: Which, lease: float) -> None:
        self._sender = EventSender(app, hostname)
        self._which: Which = which
        self._lease = lease
        self._waiting: deque[tuple[float, TelemetryEvent]] = deque()
        self._later: deque[Event] = deque()
        self._unsent: list[Event] = []
        self._again_at = 0.0
        self._pause = PAUSE
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flower-events", daemon=True)
        self.dropped = 0
        self._dropped_logged = 0

    def __call__(self, event: TelemetryEvent) -> None:
        """Queues an event; never waits."""
        now = time.time()
        if not is_worth_sending(event, now, self._which, self._lease):
            return
        room = MOST_WAITING // 2 if isinstance(event, Claimed) else MOST_WAITING
        if len(self._waiting) < room:
            self._waiting.append((now, event))
        else:
            self.dropped += 1

    def start(self) -> None:
        """Starts to send."""
        self._thread.start()

    def stop(self) -> None:
        """Sends the remaining events, for at most `STOP_TIMEOUT` seconds."""
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        while not self._stopping.wait(PAUSE):
            self._send_waiting()
        self._again_at = 0.0
        self._send_waiting(at_the_end=True)
        self._sender.close()

    def _send_waiting(self, *, at_the_end: bool = False) -> None:
        while time.monotonic() >= self._again_at and self._take(at_the_end=at_the_end):
            try:
                self._sender.send(self._unsent)
            except Exception as error:  # noqa: BLE001 - kombu's transports each raise their own
                self._sender.close()
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
                self._again_at = time.monotonic() + self._pause
                log_event(EVENTS_DELAYED, error=error, delay_s=self._pause)
                if at_the_end:
                    return
            else:
                self._unsent = []
                self._pause = PAUSE
        if self.dropped > self._dropped_logged:
            log_event(EVENTS_DROPPED, left_out=self.dropped - self._dropped_logged)
            self._dropped_logged = self.dropped

    def _take(self, *, at_the_end: bool) -> list[Event]:
        """The events to send now. Those that could not be sent come first, without new ones."""
        if self._unsent:
            return self._unsent
        now = time.time()
        while self._later and len(self._unsent) < MOST_AT_ONCE and (at_the_end or self._later[0].due <= now):
            self._unsent.append(self._later.popleft())
        while self._waiting and len(self._unsent) < MOST_AT_ONCE:
            at, event = self._waiting.popleft()
            for task_event in events_of(event, at, self._which):
                (self._later if task_event.due > now and not at_the_end else self._unsent).append(task_event)
        return self._unsent


class EventSender:
    """
    Sends events to the broker, over a connection that it makes when it needs one.

    Args:
        hostname: the worker's, to which the events are attributed.
    """

    def __init__(self, app: Celery, hostname: str) -> None:
        self._app = app
        self._hostname = hostname
        self._connection: Any = None
        self._dispatcher: Any = None

    def send(self, events: Sequence[Event]) -> None:
        """Sends events in one message. Raises: what kombu's transports raise, each its own."""
        if self._dispatcher is None:
            # No heartbeats: nothing would send them between two messages, and a lost connection is replaced.
            self._connection = self._app.connection_for_write(heartbeat=0)
            self._dispatcher = self._app.events.Dispatcher(
                self._connection,
                hostname=self._hostname,
                buffer_group={"task"},
                buffer_limit=2 * MOST_AT_ONCE,  # above any of ours: `flush` decides when it is sent
                buffer_while_offline=False,
            )
        for task_event in events:
            self._dispatcher.send(task_event.type, **task_event.fields)
        self._dispatcher.flush(errors=False)

    def close(self) -> None:
        """Closes the connection; the next events are sent over another."""
        connection, self._connection, self._dispatcher = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it was broken: that is why it is closed
                connection.close()
