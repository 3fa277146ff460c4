"""
A rate that 429s have taught: how many POSTs a second the API takes of one credential, over all workers.

Pure: what a worker has counted and the time go in, what is kept in the ledger comes out. The rate grows
again by itself until it is refused anew or is no limit any more.
"""

from __future__ import annotations

import msgspec

MARGIN = 0.98
"""Part of a rate that is kept of what was found: two clocks never agree."""

FIRST_REST, REST = 3.0, 10.0
"""Seconds until a rate grows: one that was guessed from a burst, one that was measured since."""

STEP = 0.01
"""Growth in the second after that, doubled in each that follows."""

FORGOTTEN = 20.0
"""Times the rate that was found, from which it is no limit any more."""

LEAST = 1.0
"""POSTs a second that a rate is never found to be less than; the API's `Retry-After` may ask for less."""

SHORTEST = 0.1
"""Seconds at least over which a rate is measured."""

SOON = 5.0
"""Seconds within which another burst means that the rate was found too high."""

OVERSHOT = 0.08
"""Share of the POSTs since a rate was found, from which it was found too high, if it is the cause."""

NOISE = 2
"""Times in a row that a rate was found too high: then it is not the cause."""

NOISE_SECONDS = 60.0
"""Seconds in which refusals that are noise teach nothing."""

CLOSED_LONGEST = 10.0
"""Longest hold of a credential, in seconds, where everything is refused and the API asks for none."""

SAME_BURST = 1.5
"""Seconds within which bursts on several workers are one: each has counted its own part."""


NOTHING = (0, 0.0)


class LearnedRate(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What is kept of one credential.

    Attributes:
        rate: POSTs a second in force, growth included; 0 where refusals are noise and nothing is in force.
        found: POSTs a second that were found.
        since: Unix seconds by the ledger's clock from which they are counted anew; in the future while the
            credential is held.
        share: of the POSTs in the burst that taught it, how many were refused.
        measured: found over a time in which a rate was kept, not guessed from a burst.
        overshot: times in a row that it was found too high.
        closed: bursts in a row in which nothing was taken at all.
        taken: POSTs since then that were not refused, and the seconds in which they were, by worker.
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
    What a burst of refusals teaches.

    A burst that ended while the API asked for `wait` seconds took what was taken in both. It rounds up to
    whole seconds, so that the first of them is no sign.

    Args:
        known: what was known of the credential.
        now: Unix seconds by the ledger's clock.
        worker: that has met the burst.
        share, overall, taken, seconds: as `worker.flow.refusals.Burst` has them.
        wait: the longest `Retry-After` of the burst, in seconds; 0 for none.

    Returns: what is to be kept; None if nothing is to be changed.
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
        return None  # sent before the hold was heard of
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
    Adds what a worker has sent in a burst that another one met first.

    Returns: what is to be kept; None if nothing is to be added.
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
    The rate as it has grown by `now`, with what a worker has sent since it was found.

        found × (1 + 0.01 × (2^(seconds after the rest) − 1))

    Returns: what is to be kept; None if nothing limits any more.
    """
    if not known.in_force:
        return known if now < known.since + NOISE_SECONDS else None
    rested = now - known.since - (REST if known.measured else FIRST_REST)
    rate = known.found * (1 + STEP * (2.0 ** min(rested, 30.0) - 1)) if rested > 0 else known.found
    if rate > FORGOTTEN * known.found:
        return None
    return msgspec.structs.replace(known, rate=rate, taken={**known.taken, worker: (taken, seconds)})
