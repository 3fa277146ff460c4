"""
Telling an outage from bad luck: failures in a row, with no sensible answer between them.

Pure: outcomes and the time go in, a yes or no comes out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioning.attempt import Outcome

IN_A_ROW = 5
"""Failures in a row that may be an outage: fewer than the attempts of a lone job, which would die of it."""

FOR_SURE = 50
"""Failures in a row that are one however quickly they came: at 30% errors, one chance in 10^26."""

SECONDS = 1.0
"""What a shorter row must last, so that a busy worker does not take five unlucky answers for an outage."""


PUSHED_BACK = frozenset({Outcome.UNPROCESSED, Outcome.FAILED, Outcome.IN_DOUBT})


@dataclass(slots=True)
class Outage:
    """
    What one worker thinks of its target.

    Attributes:
        on: it is down, as far as we know: we have braked it, or were let through a brake to try.
    """

    on: bool = field(default=False, init=False)
    _failures: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)

    def see(self, outcome: Outcome, status: int | None, now: float) -> bool:
        """
        Takes one outcome into account. Returns: whether the target is down, as far as we know.

        A 429 shows it at work. A denial or rejection does too, whatever it says to the row.
        """
        if outcome not in PUSHED_BACK or status == 429:
            self._failures = 0
            self.on = False
        else:
            if self._failures == 0:
                self._since = now
            self._failures += 1
            lasting = now - self._since >= SECONDS
            self.on |= self._failures >= FOR_SURE or (self._failures >= IN_A_ROW and lasting)
        return self.on

    def let_through(self, *, trial: bool) -> None:
        """The ledger has let a POST go: as a trial under a brake, or because there is none any more."""
        if self.on and not trial:
            self._failures = 0
        self.on = trial
