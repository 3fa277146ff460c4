"""Files under way: theirs alone, encrypted, bounded, and sent once."""

from __future__ import annotations

import io

import pytest
from cryptography.fernet import Fernet

from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.ledger import Ledger, drafts
from provisioning.ledger.drafts import KEPT, Draft, DraftState
from tests.support.ledger_fixtures import Clock

CONTENT = b"key,bot.id\n" + b"secret-tenant,100\n" * 200_000


async def made(ledger: Ledger, who: str = "ana", content: bytes = CONTENT) -> Draft:
    return await ledger.drafts.make(who, "shop", "ana", "june.csv", io.BytesIO(content).read)


async def test_a_file_comes_back_as_it_was(ledger: Ledger) -> None:
    draft = await made(ledger)
    assert (draft.name, draft.size, draft.owner, draft.state) == ("june.csv", len(CONTENT), "shop", "open")
    assert b"".join([part async for part in ledger.drafts.content(draft.id)]) == CONTENT


async def test_a_person_sees_only_their_own(ledger: Ledger) -> None:
    draft = await made(ledger)
    with pytest.raises(NotFoundError):
        await ledger.drafts.find(draft.id, "eva")
    assert await ledger.drafts.of("eva") == []
    assert [each.id for each in await ledger.drafts.of("ana")] == [draft.id]


async def test_where_the_ledger_is_encrypted_nothing_of_a_file_is_in_clear(
    ledger: Ledger, clock: Clock
) -> None:
    sealed = Ledger(ledger.redis, clock, masters=Fernet.generate_key().decode())
    draft = await made(sealed, content=b"key\nsecret-tenant\n")
    assert await sealed.drafts.choose(draft, b"secret choice")
    await sealed.drafts.note_findings(draft.id, b"secret finding")
    kept = [
        *(await sealed.redis.hgetall(f"pv:draft:{draft.id}")).values(),
        *await sealed.redis.lrange(f"pv:draft_parts:{draft.id}", 0, -1),
    ]
    assert not any(b"secret" in value or b"june" in value for value in kept if isinstance(value, bytes))
    assert await sealed.drafts.choices(draft.id) == b"secret choice"
    assert await sealed.drafts.findings(draft.id) == b"secret finding"
    assert b"".join([part async for part in sealed.drafts.content(draft.id)]) == b"key\nsecret-tenant\n"


async def test_everything_of_a_file_expires(ledger: Ledger) -> None:
    draft = await made(ledger)
    await ledger.drafts.choose(draft, b"{}")
    for key in (f"pv:draft:{draft.id}", f"pv:draft_parts:{draft.id}", "pv:drafts:ana"):
        assert 0 < await ledger.redis.ttl(key) <= KEPT


async def test_what_is_too_large_or_empty_is_refused_and_leaves_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "MOST_BYTES", 1000)
    for content in (CONTENT, b""):
        with pytest.raises(InvalidInputError):
            await made(ledger, content=content)
    assert await ledger.redis.keys("pv:draft*") == []


async def test_a_further_file_takes_the_place_of_the_oldest(ledger: Ledger, clock: Clock) -> None:
    ids = []
    for n in range(7):
        ledger.drafts._clock = lambda n=n: clock.now + n  # type: ignore[misc]
        ids.append((await made(ledger, content=b"x")).id)
    assert [each.id for each in await ledger.drafts.of("ana")] == ids[:1:-1]
    with pytest.raises(NotFoundError):
        await ledger.drafts.find(ids[0], "ana")


async def test_a_file_that_is_being_sent_is_neither_deleted_nor_replaced(
    ledger: Ledger, clock: Clock
) -> None:
    sent = await made(ledger, content=b"sent")
    assert await ledger.drafts.confirm(sent, b"{}")
    for n in range(8):
        ledger.drafts._clock = lambda n=n: clock.now + n  # type: ignore[misc]
        await made(ledger, content=b"x")
    assert not await ledger.drafts.delete(sent)
    assert await ledger.drafts.sending() == [sent.id]
    assert b"".join([part async for part in ledger.drafts.content(sent.id)]) == b"sent"


async def test_what_was_ended_stays_ended(ledger: Ledger) -> None:
    draft = await made(ledger)
    await ledger.drafts.confirm(draft, b"{}")
    await ledger.drafts.end(draft)
    await ledger.drafts.end(draft, problem=b"a server that came too late")
    assert (await ledger.drafts.find(draft.id, "ana")).state is DraftState.SENT


async def test_nothing_is_written_of_a_file_that_is_gone(ledger: Ledger) -> None:
    draft = await made(ledger)
    assert await ledger.drafts.delete(draft)
    await ledger.drafts.note_findings(draft.id, b"x")
    await ledger.drafts.note_batch(draft.id, "b1")
    assert await ledger.redis.keys("pv:draft*") == []


async def test_of_two_changes_at_once_one_counts(ledger: Ledger) -> None:
    draft = await made(ledger)
    assert await ledger.drafts.choose(draft, b"first")
    assert not await ledger.drafts.choose(draft, b"second")
    assert await ledger.drafts.choices(draft.id) == b"first"


async def test_what_is_confirmed_is_what_was_shown_and_once(ledger: Ledger) -> None:
    seen = await made(ledger)
    await ledger.drafts.choose(seen, b"other")
    assert not await ledger.drafts.confirm(seen, b"{}")
    now = await ledger.drafts.find(seen.id, "ana")
    assert [await ledger.drafts.confirm(now, order) for order in (b"one", b"two")] == [True, True]
    assert await ledger.drafts.order(seen.id) == b"one"
    assert await ledger.drafts.sending() == [seen.id]
    assert await ledger.redis.ttl(f"pv:draft_parts:{seen.id}") > KEPT
    await ledger.drafts.end(now)
    assert await ledger.drafts.sending() == []
    assert (await ledger.drafts.find(seen.id, "ana")).state is DraftState.SENT


async def test_what_cannot_be_sent_is_open_again_and_says_why(ledger: Ledger) -> None:
    draft = await made(ledger)
    await ledger.drafts.confirm(draft, b"{}")
    await ledger.drafts.end(draft, problem=b"the name is taken")
    again = await ledger.drafts.find(draft.id, "ana")
    assert (again.state, again.problem) == (DraftState.OPEN, b"the name is taken")


async def test_what_headers_mean_is_remembered_for_their_owner(ledger: Ledger) -> None:
    await ledger.drafts.remember("shop", ["Cliente", "Bot"], {"Cliente": "key", "Bot": "bot.id"})
    assert await ledger.drafts.recall("shop", ["Bot", "Cliente"]) == {"Cliente": "key", "Bot": "bot.id"}
    assert await ledger.drafts.recall("crm", ["Bot", "Cliente"]) == {}
