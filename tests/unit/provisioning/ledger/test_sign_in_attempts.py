"""Wrong passwords are counted by address and by name, and nobody is locked out from elsewhere."""

from __future__ import annotations

import asyncio

from provisioning.ledger import Ledger
from provisioning.ledger.sign_in_attempts import (
    KNOWN_FOR,
    OF_ADDRESS,
    OF_KNOWN,
    OF_NAME,
    WINDOW,
    SignInAttempts,
)

HERE, ELSEWHERE = "192.0.2.1", "198.51.100."
PASSWORD_AS_NAME = "cuatro-palabras-sin-rima"


async def wrong(attempts: SignInAttempts, name: str, address: str, times: int) -> list[float]:
    """How long each of these attempts must wait."""
    return [(await attempts.begin(name, address)).wait for _ in range(times)]


async def test_an_address_may_be_wrong_so_often_whatever_the_names(ledger: Ledger) -> None:
    attempts = ledger.sign_in_attempts
    waits = [(await attempts.begin(f"name-{n}", HERE)).wait for n in range(OF_ADDRESS + 1)]
    assert waits[:-1] == [0.0] * OF_ADDRESS
    assert 0 < waits[-1] <= WINDOW
    assert (await attempts.begin("ana", ELSEWHERE + "1")).wait == 0


async def test_a_network_of_ipv6_is_one_address(ledger: Ledger) -> None:
    attempts = ledger.sign_in_attempts
    for n in range(OF_ADDRESS):
        assert (await attempts.begin("ana", f"2001:db8::{n:x}")).wait == 0
    assert (await attempts.begin("ana", "2001:db8::ffff")).wait > 0
    assert (await attempts.begin("ana", "2001:db8:0:1::1")).wait == 0


async def test_many_at_once_are_counted_as_many(ledger: Ledger) -> None:
    tried = [ledger.sign_in_attempts.begin("ana", HERE) for _ in range(3 * OF_ADDRESS)]
    assert sum(not attempt.wait for attempt in await asyncio.gather(*tried)) == OF_ADDRESS


async def test_the_count_ends_with_its_window_however_often_somebody_tries(ledger: Ledger) -> None:
    attempts = ledger.sign_in_attempts
    await wrong(attempts, "ana", HERE, OF_ADDRESS)
    for key in await counters(ledger):
        assert await ledger.redis.ttl(key) <= WINDOW
        await ledger.redis.pexpire(key, 60_000)
    assert max(await wrong(attempts, "ana", HERE, 5)) <= 60
    for key in await counters(ledger):
        await ledger.redis.pexpire(key, 0)
    assert (await attempts.begin("ana", HERE)).wait == 0


async def test_one_address_that_guesses_does_not_lock_the_user_out_elsewhere(ledger: Ledger) -> None:
    attempts = ledger.sign_in_attempts
    await wrong(attempts, "ana", HERE, 5 * OF_NAME)
    assert (await attempts.begin("ana", ELSEWHERE + "1")).wait == 0


async def test_many_addresses_use_up_a_name_but_not_where_the_user_has_signed_in(ledger: Ledger) -> None:
    attempts = ledger.sign_in_attempts
    for n in range(OF_NAME):
        assert (await attempts.begin("ana", ELSEWHERE + str(n))).wait == 0
    assert (await attempts.begin("ana", ELSEWHERE + "200")).wait > 0
    assert (await attempts.begin("eva", ELSEWHERE + "200")).wait == 0
    await attempts.succeeded(await attempts.begin("ana", HERE), "ana", HERE)
    assert await wrong(attempts, "ana", HERE, OF_KNOWN) == [0.0] * OF_KNOWN
    assert (await attempts.begin("ana", HERE)).wait > 0
    assert (await attempts.begin("eva", HERE)).wait == 0  # the address itself has not been used up


async def test_a_right_password_and_one_not_checked_do_not_count(ledger: Ledger) -> None:
    attempts = ledger.sign_in_attempts
    for _ in range(2 * OF_ADDRESS):
        attempt = await attempts.begin("ana", HERE)
        assert attempt.wait == 0
        await attempts.take_back(attempt)
    for _ in range(2 * OF_KNOWN):
        attempt = await attempts.begin("ana", HERE)
        assert attempt.wait == 0
        await attempts.succeeded(attempt, "ana", HERE)


async def test_redis_has_neither_names_nor_addresses_and_all_of_it_expires(ledger: Ledger) -> None:
    attempts = ledger.sign_in_attempts
    await attempts.succeeded(await attempts.begin(PASSWORD_AS_NAME, HERE), PASSWORD_AS_NAME, HERE)
    await attempts.begin(PASSWORD_AS_NAME, HERE)
    found = await counters(ledger)
    assert len(found) == 4  # address, name, pair, and that the address is known
    for key in found:
        assert PASSWORD_AS_NAME.encode() not in key
        assert HERE.encode() not in key
        assert 0 < await ledger.redis.ttl(key) <= KNOWN_FOR


async def counters(ledger: Ledger) -> list[bytes]:
    return [key async for key in ledger.redis.scan_iter("pv:sign_in:*")]
