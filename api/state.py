"""The state that all routes of the HTTP API share, and authentication."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from api.bulk_act_runner import BulkActRunner
from api.event_waiters import EventWaiters
from api.gauges import Readings
from api.problem import Kind, ProblemError, no_ledger
from api.rate_limit import Rates
from api.slots import Slots
from api.tokens import Tokens, parse_presets
from api.webhook_delivery import Webhooks
from producers.known_credentials import KnownCredentials
from producers.notifier import BackgroundNotifier
from producers.single_jobs import SingleJobs
from provisioning.config.settings import Settings
from provisioning.ledger import Ledger
from provisioning.ledger.tokens import Scope, Token

Export = Callable[[Ledger, str, Path], Awaitable[object]]
"""Writes the outcome files of a batch into a folder; the console passes it in."""

LOOK_EVERY = 1.0
"""Seconds between checks of how full the ledger is."""


class Fullness:
    """Whether the ledger has room for more jobs, checked once a second at most."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._looked = 0.0
        self._reason = ""

    async def check(self) -> None:
        """Raises: ProblemError if it has not."""
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._reason = await self._full()
        if self._reason:
            raise ProblemError(Kind.FULL, self._reason, retry_after=5)

    async def _full(self) -> str:
        most, longest = self._settings.api_memory, self._settings.api_backlog
        if await self._ledger.queries.memory_share() > most:
            return f"Redis uses more than {most:.0%} of its memory"
        if longest and (backlog := await self._ledger.queries.backlog()) >= longest:
            return f"{backlog:,} jobs are waiting; the limit is {longest:,}"
        return ""


@dataclass(slots=True)
class AppState:
    """
    The parts of a running HTTP server.

    Attributes:
        export: writes outcome files; None if none was passed in.
        waiting: as in `Readings`.
        background: what else the server does until its closing, which is their argument.
        fit: set once the ledger has answered and this program may write to it.
        closing: set when the server stops, so that event streams end.
    """

    settings: Settings
    ledger: Ledger
    notifier: BackgroundNotifier
    export: Export | None = None
    waiting: Callable[[], int] | None = None
    background: list[Callable[[asyncio.Event], Awaitable[None]]] = field(default_factory=list)
    tokens: Tokens = field(init=False)
    rates: Rates = field(init=False)
    fullness: Fullness = field(init=False)
    credentials: KnownCredentials = field(init=False)
    single: SingleJobs = field(init=False)
    uploads: Slots = field(init=False)
    webhook_tests: Slots = field(init=False)
    counts: Slots = field(init=False)
    fit: asyncio.Event = field(init=False)
    closing: asyncio.Event = field(init=False)
    webhooks: Webhooks = field(init=False)
    bulk_acts: BulkActRunner = field(init=False)
    event_waiters: EventWaiters = field(init=False)
    readings: Readings = field(init=False)

    def __post_init__(self) -> None:
        presets = parse_presets(self.settings.api_tokens.get_secret_value())
        self.tokens = Tokens(self.ledger.tokens, presets)
        self.rates = Rates(self.ledger, self.settings)
        self.fullness = Fullness(self.ledger, self.settings)
        self.credentials = KnownCredentials(self.ledger)
        self.single = SingleJobs(self.ledger, self.notifier.notify)
        self.uploads = Slots()
        self.webhook_tests = Slots("too many test events are being delivered")
        self.counts = Slots("too many causes are being counted")
        self.fit = asyncio.Event()
        self.closing = asyncio.Event()
        self.event_waiters = EventWaiters(self.ledger)
        self.webhooks = Webhooks(self.ledger, allow_private=self.settings.allow_private)
        self.bulk_acts = BulkActRunner(self.ledger, self.notifier.notify)
        self.readings = Readings(self.ledger, self.waiting)

    async def identify(self, shown: str) -> Token:
        """
        The record of a token that somebody shows.

        Raises: ProblemError, also until the ledger is ready.
        """
        if not self.fit.is_set():
            raise no_ledger()
        token = await self.tokens.holder(shown)
        if token is None:
            raise ProblemError(Kind.NO_TOKEN, "the token is unknown, revoked or expired")
        return token


def check_scopes(token: Token, scopes: Iterable[Scope]) -> None:
    """Raises: ProblemError, naming the scopes that the token lacks."""
    missing = [scope for scope in scopes if scope not in token.scopes]
    if missing:
        raise ProblemError(Kind.NO_SCOPE, f"the token lacks the scope {', '.join(missing)}")
