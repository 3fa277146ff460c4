"""Names of credentials that nobody has are refused at the door, where it is known who has which."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from producers.celery_intake import take_in
from producers.known_credentials import LOOK_EVERY, REMEMBERED, KnownCredentials
from provisioning import scopes
from provisioning.ledger import Hold, Ledger, WorkerSign, keys
from provisioning.ledger.records import HOLDS_SHOWN
from tests.integration.test_celery_intake import Silent, refused
from tests.support.http_server import job
from tests.support.ledger_fixtures import Clock, fill, new_job


async def show(ledger: Ledger, name: str, *credentials: str) -> None:
    """A worker's sign of life."""
    redis: Any = ledger.redis
    sign = WorkerSign(name, 0.0, 0, 0, 0, 0, credentials=list(credentials))
    await redis.hset(keys.WORKER_SIGNS, name, msgspec.json.encode(sign))


async def test_any_name_goes_until_a_worker_has_shown_its_own(ledger: Ledger, clock: Clock) -> None:
    known = KnownCredentials(ledger, clock)
    assert await known.names() is None
    await show(ledger, "w1", "acme", "globex")
    assert await known.names() is None  # it has just looked
    clock.advance(LOOK_EVERY)
    assert await known.names() == frozenset(["acme", "globex"])


async def test_a_worker_that_stops_does_not_make_its_names_unknown_at_once(
    ledger: Ledger, clock: Clock
) -> None:
    known = KnownCredentials(ledger, clock)
    await show(ledger, "w1", "acme")
    await show(ledger, "w2", "globex")
    assert await known.names() == frozenset(["acme", "globex"])
    redis: Any = ledger.redis
    await redis.hdel(keys.WORKER_SIGNS, "w2")
    clock.advance(LOOK_EVERY)
    assert await known.names() == frozenset(["acme", "globex"])
    clock.advance(REMEMBERED)
    assert await known.names() == frozenset(["acme"])


async def test_a_job_of_a_message_with_a_name_that_nobody_has_is_kept_with_its_reason(
    ledger: Ledger,
) -> None:
    await show(ledger, "w1", "acme")
    jobs = [job("a", credential="acme"), job("b", credential="invented")]
    await take_in(ledger, "t1", (), {"jobs": jobs, "batch": "tenants"}, Silent())
    assert (await ledger.queries.status(await ledger.queries.batch_id("tenants"))).accepted == 1
    [kept] = await refused(ledger)
    assert "no worker has a credential with this name" in kept["reason"]
    assert "invented" not in kept["reason"]


async def test_a_status_does_not_grow_with_what_holds_the_batch_back(ledger: Ledger) -> None:
    await fill(ledger, *(new_job(f"k{n}", f"c{n}") for n in range(300)))
    redis: Any = ledger.redis
    for n in range(300):
        scope = scopes.of_credential(f"c{n}")
        brake = Hold(scope=scope, at=float(n), by="w1", why="nobody has it", kind="brake")
        await redis.hset(keys.HOLDS, scope, msgspec.json.encode(brake))
    await ledger.operations.hold(scopes.EVERYTHING, actor="ana", justification="wait")
    shown = (await ledger.queries.status("b1")).public()
    assert shown["hold_count"] == 301
    assert [hold["scope"] for hold in shown["holds"]] == ["all", *(f"credential:c{n}" for n in range(19))]
    assert len(shown["holds"]) == HOLDS_SHOWN
    assert len(shown["brakes"]) == HOLDS_SHOWN - 1
    assert shown["paused"] is True


@pytest.mark.parametrize("known", [("acme",), ()])
async def test_the_names_are_those_of_all_workers(ledger: Ledger, known: tuple[str, ...]) -> None:
    await show(ledger, "w1", *known)
    assert await KnownCredentials(ledger).names() == (frozenset(known) or None)
