"""Retention: how long data is kept after a job has ended or a batch has settled, by class."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from provisioning.errors import ConfigurationError
from provisioning.text import Text

DAY_SECONDS = 86_400.0


class Kept(StrEnum):
    """Classes of data with their own retention. Jobs that have not ended or are in doubt are in no class."""

    PAYLOADS = "payloads"  # bodies of jobs that succeeded
    RESULTS = "results"  # their widgets, keys included, and their attempts
    DEAD = "dead"  # bodies and attempts of dead and cancelled jobs
    BATCHES = "batches"  # whole batches without a job in doubt; the identities of their jobs are kept


@dataclass(frozen=True, slots=True)
class Retention:
    """
    Days for which each class is kept after a job has ended or a batch has settled; None: for ever.

    Attributes:
        payloads, results, dead, batches: see `Kept`.
    """

    payloads: float | None = None
    results: float | None = None
    dead: float | None = None
    batches: float | None = None

    def days(self, kept: Kept) -> float | None:
        """Days for which a class is kept; None: for ever."""
        days: float | None = getattr(self, kept)
        return days

    def due(self, kept: Kept, ended_at: float, now: float) -> bool:
        """Whether the retention of a class has ended for a job or batch. Times are Unix seconds."""
        days = self.days(kept)
        return days is not None and now - ended_at >= days * DAY_SECONDS

    @property
    def for_ever(self) -> bool:
        """Whether nothing is ever deleted."""
        return self == Retention()

    @classmethod
    def parse(cls, text: str) -> Retention:
        """
        Reads `payloads=7,results=90,dead=180,batches=365`, or one number for all classes.

        >>> Retention.parse("payloads=7").days(Kept.PAYLOADS)
        7.0

        Raises: ConfigurationError.
        """
        hint = Text("payloads=7,results=90,dead=180,batches=365, each in days; or one number for all")
        found: dict[str, float] = {}
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if len(parts) == 1 and "=" not in parts[0]:
            parts = [f"{kept}={parts[0]}" for kept in Kept]
        for part in parts:
            name, _, days = part.partition("=")
            try:
                found[Kept(name.strip())] = float(days)
            except ValueError:
                raise ConfigurationError(
                    Text("{part!r} is not a valid retention", part=part), hint=hint
                ) from None
            if not 0 <= found[name.strip()] < float("inf"):
                raise ConfigurationError(
                    Text("{part!r} is not a valid retention: days must be 0 or more", part=part), hint=hint
                )
        retention = cls(**found)
        if retention.batches is not None and any(
            days is not None and days > retention.batches
            for days in (retention.payloads, retention.results, retention.dead)
        ):
            raise ConfigurationError("batches= must not be less than the other values", hint=hint)
        return retention

    def __str__(self) -> str:
        return ",".join(f"{kept}={days:g}" for kept in Kept if (days := self.days(kept)) is not None)
