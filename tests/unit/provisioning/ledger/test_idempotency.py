"""An Idempotency-Key: whose it is while its request is answered, and when it is free again."""

from __future__ import annotations

import pytest

from provisioning.ledger import Ledger
from provisioning.ledger.idempotency import Answer, OtherRequestError, Turn

DONE = Answer(202, "application/json", {}, b"{}")


async def test_a_refused_request_leaves_its_key_free(ledger: Ledger) -> None:
    async with ledger.idempotency.turn("crm", "k1", "one") as turn:
        assert isinstance(turn, Turn)
        await turn.forget()
    async with ledger.idempotency.turn("crm", "k1", "two") as turn:
        assert isinstance(turn, Turn)


async def test_a_key_whose_request_was_broken_off_is_not_free_when_its_repetition_is_refused(
    ledger: Ledger,
) -> None:
    """A server that died may have taken some of it: only the same request completes it."""
    async with ledger.idempotency.turn("crm", "k1", "one"):
        pass
    async with ledger.idempotency.turn("crm", "k1", "one") as turn:
        assert isinstance(turn, Turn)
        await turn.forget()
    with pytest.raises(OtherRequestError):
        async with ledger.idempotency.turn("crm", "k1", "two"):
            pass


async def test_a_server_that_was_overtaken_leaves_the_answer_of_the_other(ledger: Ledger) -> None:
    """Its lock has expired while it was frozen; a repetition of the request has been answered meanwhile."""
    async with ledger.idempotency.turn("crm", "k1", "one") as frozen:
        assert isinstance(frozen, Turn)
        for lock in await ledger.redis.keys("pv:idempotency:*:lock"):
            await ledger.redis.delete(lock)
        async with ledger.idempotency.turn("crm", "k1", "one") as turn:
            assert isinstance(turn, Turn)
            await turn.keep(DONE)
        await frozen.forget()
    async with ledger.idempotency.turn("crm", "k1", "one") as answer:
        assert answer == DONE
