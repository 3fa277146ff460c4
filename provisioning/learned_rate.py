"""
A rate learned from 429s: how many POSTs a second the API accepts for one credential, over all workers.

Pure: a worker's counts and the time go in, the record for the ledger comes out. The rate grows again until
POSTs are refused again or it is no limit any more.
"""

from __future__ import annotations

import msgspec

MARGIN = 0.98
"""Part of the measured rate that is used: two clocks never agree exactly."""

FIRST_REST, REST = 3.0, 10.0
"""Seconds until a rate grows: for one estimated from a burst, and for one measured since."""

STEP = 0.01
"""Growth in the second after that, doubled in each that follows."""

FORGOTTEN = 20.0
"""Multiple of the measured rate from which it is no limit any more."""

LEAST = 1.0
"""Lowest learned rate, in POSTs a second; the API's `Retry-After` may require less."""

SHORTEST = 0.1
"""Shortest time over which a rate is measured, in seconds."""

SOON = 5.0
"""Seconds within which another burst means that the rate was too high."""

OVERSHOT = 0.08
"""Share of refused POSTs from which the rate was too high, if the rate is the cause."""

NOISE = 2
"""So many consecutive times too high: then the rate is not the cause."""

NOISE_SECONDS = 60.0
"""Seconds in which refusals found to be noise are ignored."""

CLOSED_LONGEST = 10.0
"""Longest hold of a credential, in seconds, if everything is refused without `Retry-After`."""

SAME_BURST = 1.5
"""Seconds within which bursts on several workers count as one: each has counted its own part."""


NOTHING = (0, 0.0)


class LearnedRate(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The stored record of one credential.

    Attributes:
        rate: POSTs a second in force, growth included; 0 if refusals are noise and no rate is in force.
        found: measured POSTs a second.
        since: Unix seconds by the ledger's clock from which POSTs are counted; in the future while the
            credential is held.
        share: of refused POSTs in the burst from which it was learned.
        measured: found over a time in which a rate was in force, not estimated from a burst.
        overshot: consecutive times that it was too high.
        closed: consecutive bursts in which no POST was accepted.
        taken: POSTs since then that were not refused, and their seconds, by worker.
    """

    rate: float
    found: float
    since: float
    share: float
    measured: bool = False
    overshot: int = 0
    closed: int = 0
    taken: dict[str, tuple[int, float]] = {}

    @property
    def in_force(self) -> bool:
        """Whether it limits anything."""
        return self.rate > 0


def learn(
    known: LearnedRate | None,
    now: float,
    *,
    worker: str,
    share: float,
    overall: float,
    taken: int,
    seconds: float,
    wait: float,
) -> LearnedRate | None:
    """
    Learns a rate from a burst of refusals.

    If the API requests a wait of `wait` seconds after a burst, the accepted POSTs count for both together.
    `Retry-After` is rounded up to whole seconds, so the first of them is ignored.

    Args:
        known: the former record of the credential.
        now: Unix seconds by the ledger's clock.
        worker: that had the burst.
        share, overall, taken, seconds: as in `worker.flow.refusals.Burst`.
        wait: the longest `Retry-After` of the burst, in seconds; 0 for none.

    Returns: the new record; None if nothing changes.
    """
    if known is not None and not known.in_force:
        if now < known.since + NOISE_SECONDS:
            return None
        known = None
    asked = max(0.0, wait - 1)
    if known is None:
        found = max(LEAST, MARGIN * taken / (max(1.0, seconds) + asked))
        # What is counted by the second is counted anew in the next one.
        hold = wait if asked else max(0.0, 1.0 - seconds)
        return LearnedRate(found, found, now + hold, share, taken={worker: NOTHING})
    if _is_stale(known, now, worker):
        return joined(known, now, worker=worker, taken=taken, seconds=seconds)
    if now < known.since:
        return None  # sent before this worker had read the hold
    counted = {**known.taken, worker: (taken, seconds)}
    if not any(count for count, _ in counted.values()):
        hold = wait if asked else min(2.0**known.closed, CLOSED_LONGEST)
        return msgspec.structs.replace(
            known, rate=known.found, since=now + hold, closed=known.closed + 1, taken={worker: NOTHING}
        )
    soon = now < known.since + SOON
    overshot = known.overshot + 1 if overall >= OVERSHOT else 0
    if overshot >= NOISE:
        return LearnedRate(0.0, known.found, now, share)
    found = MARGIN * sum(count / (max(SHORTEST, length) + asked) for count, length in counted.values())
    found = max(LEAST, min(found, known.found) if soon else found)
    hold = wait if asked else 0.0
    return LearnedRate(
        found, found, now + hold, share, measured=True, overshot=overshot, taken={worker: NOTHING}
    )


def joined(known: LearnedRate, now: float, *, worker: str, taken: int, seconds: float) -> LearnedRate | None:
    """
    Adds a worker's counts to a burst that another one had first.

    Returns: the new record; None if nothing is to be added.
    """
    if not _is_stale(known, now, worker):
        return None
    found = known.found + MARGIN * taken / max(1.0, seconds)
    return msgspec.structs.replace(known, rate=found, found=found, taken={**known.taken, worker: NOTHING})


def _is_stale(known: LearnedRate, now: float, worker: str) -> bool:
    in_time = now < known.since + SAME_BURST
    return known.in_force and not known.measured and in_time and worker not in known.taken


def grown(known: LearnedRate, now: float, *, worker: str, taken: int, seconds: float) -> LearnedRate | None:
    """
    The rate with its growth until `now`, and a worker's counts since it was found.

        found × (1 + 0.01 × (2^(seconds after the rest) − 1))

    Returns: the new record; None if there is no limit any more.
    """
    if not known.in_force:
        return known if now < known.since + NOISE_SECONDS else None
    rested = now - known.since - (REST if known.measured else FIRST_REST)
    rate = known.found * (1 + STEP * (2.0 ** min(rested, 30.0) - 1)) if rested > 0 else known.found
    if rate > FORGOTTEN * known.found:
        return None
    return msgspec.structs.replace(known, rate=rate, taken={**known.taken, worker: (taken, seconds)})
