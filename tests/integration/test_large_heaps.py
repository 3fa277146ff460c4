"""Tens of thousands of dead letters: looked through, paged and redriven in seconds, on a real Valkey."""

from __future__ import annotations

import time

import pytest

from provisioning.ledger import Intent, Ledger, Redriven, Selection, transitions
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import LEASE, TARGET, answer, new_job

HEAP = 30_000
SOME = 500
DEEP = 27_000


async def _heap(ledger: Ledger) -> None:
    """A batch of jobs that all died, every hundredth after a 500."""
    await ledger.do(transitions.open_batch("b1", "heap", {}))
    for first in range(0, HEAP, SOME):
        jobs = [new_job(f"k{n}") for n in range(first, first + SOME)]
        await ledger.do(transitions.accept("b1", jobs, "ana"))
        call = transitions.claim("b1", worker="w", lease=LEASE, target=TARGET, most=SOME, rooms={})
        claims = (await ledger.do(call)).jobs
        intents = [Intent(job.number, job.token, 1, job.credential) for job in claims]
        await ledger.do(transitions.sending("b1", intents, lease=LEASE, target=TARGET))
        ends = [Event.REJECTED if job.number % 100 else Event.EXHAUSTED for job in claims]
        answers = [answer(job, end, reason="gone") for job, end in zip(claims, ends, strict=True)]
        await ledger.do(transitions.answered("b1", answers))


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_tens_of_thousands_of_dead_letters_are_looked_through_paged_and_redriven_in_seconds(
    ledger: Ledger,
) -> None:
    await _heap(ledger)

    began = time.monotonic()
    risky = [
        match.risky async for page in ledger.queries.matching("b1", Selection(State.DEAD)) for match in page
    ]
    looked = time.monotonic() - began
    assert (len(risky), sum(risky)) == (HEAP, HEAP // 100)

    began = time.monotonic()
    wanted = Selection(State.DEAD)
    first = await anext(
        ledger.queries.jobs("b1", wanted, after=wanted.place(await ledger.queries.job(f"b1.{DEEP}")))
    )
    paged = time.monotonic() - began
    assert first.number != DEEP

    began = time.monotonic()
    came = await ledger.operations.redrive("b1", Selection(State.DEAD), "ana")
    redriven = time.monotonic() - began
    assert came == Redriven(queued=HEAP - HEAP // 100, risky=0, left=HEAP // 100)

    print(f"looked through in {looked:.1f} s, one page in {paged:.2f} s, redriven in {redriven:.1f} s")
    assert (looked < 10, paged < 2, redriven < 25) == (True, True, True)
