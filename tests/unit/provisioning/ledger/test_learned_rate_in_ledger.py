"""A rate that 429s have taught, as the ledger keeps it for all workers."""

from __future__ import annotations

from provisioning.learned_rate import LearnedRate
from provisioning.ledger import Grant, Intent, Ledger, transitions
from provisioning.ledger.schema import Go
from provisioning.pace import Rate
from tests.support.ledger_fixtures import LEASE, TARGET, Clock, claim, fill, new_job

LEARNED = LearnedRate(40.0, 40.0, 0.0, 1.0, taken={"w1": (50, 1.0)})


async def learn(ledger: Ledger, rate: LearnedRate | None) -> None:
    known = await ledger.do(transitions.learned_rate("default"))
    assert (await ledger.do(transitions.replace_learned_rate("default", known.raw, rate))).replaced


async def test_what_is_kept_is_read_as_it_was_written(ledger: Ledger) -> None:
    assert (await ledger.do(transitions.learned_rate("default"))).rate is None
    await learn(ledger, LEARNED)
    assert (await ledger.do(transitions.learned_rate("default"))).rate == LEARNED
    await learn(ledger, None)
    assert (await ledger.do(transitions.learned_rate("default"))).rate is None


async def test_of_two_workers_that_revise_the_same_rate_the_second_reads_it_anew(ledger: Ledger) -> None:
    read = await ledger.do(transitions.learned_rate("default"))
    await learn(ledger, LEARNED)
    late = await ledger.do(transitions.replace_learned_rate("default", read.raw, None))
    assert not late.replaced
    assert late.rate == LEARNED


async def test_all_workers_go_by_the_learned_rate_where_it_is_below_the_pace(
    ledger: Ledger, clock: Clock
) -> None:
    await learn(ledger, LEARNED)
    for pace, learned, interval in ((Rate(None), True, 1 / 40), (Rate(5.0), False, 1 / 5)):
        tokens = await ledger.do(transitions.take("default", pace, 1))
        assert tokens.learned is learned
        assert abs(tokens.interval - interval) < 1e-3
        clock.advance(10)


async def test_a_credential_that_429s_hold_back_starts_no_post(ledger: Ledger, clock: Clock) -> None:
    await fill(ledger, new_job("k1"))
    [job] = await claim(ledger, 1)
    held = LearnedRate(40.0, 40.0, clock.now + 2.0, 1.0)
    await learn(ledger, held)
    assert (await ledger.do(transitions.take("default", Rate(None), 1))).count == 0
    intent = Intent(job.number, job.token, 1, "default")
    grants: list[Grant] = await ledger.do(transitions.sending("b1", [intent], lease=LEASE, target=TARGET))
    assert grants == [Grant(Go.HELD, "rate_limited")]
    clock.advance(2.1)
    [again] = await claim(ledger, 1)
    intent = Intent(again.number, again.token, 1, "default")
    grants = await ledger.do(transitions.sending("b1", [intent], lease=LEASE, target=TARGET))
    assert grants == [Grant(Go.GO)]


async def test_refusals_that_are_noise_set_no_pace(ledger: Ledger) -> None:
    await learn(ledger, LearnedRate(0.0, 40.0, 0.0, 0.2))
    assert (await ledger.do(transitions.take("default", Rate(None), 1))).count is None
