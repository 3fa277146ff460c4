"""Bulk acts: each job once, each step counted once, whoever carries them out and whenever they die."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from msgspec.structs import replace

from provisioning.attempt import Result
from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.ledger import Ledger, Selection, bulk_acts, transitions
from provisioning.ledger.bulk_acts import Asked, BulkAct, Verb
from provisioning.ledger.schema import BULK_END, BulkState, HoldKind
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import Clock, answer, claim, fill, new_job, say, send

DEAD = Selection(State.DEAD)
ID = "a" * 16


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_acts, "STRETCH", 2)


def asked(verb: Verb = Verb.REDRIVE, wanted: Selection = DEAD, **more: object) -> Asked:
    return Asked(ID, verb, "b1", "default", "ana", wanted, 5, 1_800_000_000.0, **more)  # type: ignore[arg-type]


async def ended(ledger: Ledger, event: Event, *keys: str, reason: str = "x") -> None:
    """Jobs of one batch, each sent once and brought to its end."""
    await fill(ledger, *map(new_job, keys))
    for job in await claim(ledger):
        await send(ledger, job)
        await say(ledger, answer(job, event, reason=reason))


async def carried_out(ledger: Ledger, *, steps: int = 100) -> BulkAct:
    """The act after so many steps, ended if it has none left."""
    for _ in range(steps):
        act = await ledger.bulk_acts.find(ID)
        if act.cursor == BULK_END or act.state is not BulkState.RUNNING:
            await ledger.bulk_acts.end(act)
            break
        await ledger.bulk_acts.step(act)
    return await ledger.bulk_acts.find(ID)


async def states(ledger: Ledger) -> dict[State, int]:
    counts = (await ledger.queries.status("b1")).states
    return {state: count for state, count in counts.items() if count}


async def test_every_selected_job_is_queued_again_once_and_counted(ledger: Ledger) -> None:
    await ended(ledger, Event.REJECTED, *"abcde")
    await ledger.bulk_acts.ask(asked())
    act = await carried_out(ledger)
    assert (act.state, act.seen, act.changed, act.risky, act.left) == (BulkState.DONE, 5, 5, 0, 0)
    assert await states(ledger) == {State.QUEUED: 5}
    assert await ledger.bulk_acts.open() == []


async def test_a_step_that_two_servers_make_is_made_once(ledger: Ledger) -> None:
    await ended(ledger, Event.REJECTED, *"abcde")
    known = await ledger.bulk_acts.ask(asked())
    await ledger.bulk_acts.step(known)
    await ledger.bulk_acts.step(known)
    act = await ledger.bulk_acts.find(ID)
    assert (act.seen, act.changed) == (2, 2)
    assert await states(ledger) == {State.QUEUED: 2, State.DEAD: 3}


async def test_jobs_that_may_have_a_widget_wait_for_a_reason(ledger: Ledger) -> None:
    await ended(ledger, Event.EXHAUSTED, *"abc")
    await ledger.bulk_acts.ask(asked())
    act = await carried_out(ledger)
    assert (act.changed, act.left) == (0, 3)
    await ledger.bulk_acts.ask(replace(asked(justification="Jelou has none"), id="b" * 16))
    risky = await ledger.bulk_acts.find("b" * 16)
    await ledger.bulk_acts.step(risky)
    assert (await ledger.bulk_acts.find("b" * 16)).risky == 2


async def test_what_was_confirmed_never_grows(ledger: Ledger, clock: Clock) -> None:
    await ended(ledger, Event.REJECTED, *"abc")
    clock.advance(1)
    await ledger.bulk_acts.ask(asked(wanted=replace(DEAD, until=clock())))
    await carried_out(ledger, steps=1)
    await ledger.do(transitions.accept("b1", [new_job("late")], "ana"))
    for job in await claim(ledger):  # the two that were queued again die again, and a new one dies
        await send(ledger, job)
        await say(ledger, answer(job, Event.REJECTED))
    assert (await carried_out(ledger)).changed == 3
    assert await states(ledger) == {State.QUEUED: 1, State.DEAD: 3}


async def test_a_cancelled_act_makes_no_further_step_and_says_how_far_it_got(ledger: Ledger) -> None:
    await ended(ledger, Event.REJECTED, *"abcde")
    known = await ledger.bulk_acts.ask(asked())
    await carried_out(ledger, steps=1)
    assert await ledger.bulk_acts.stop(ID)
    assert not await ledger.bulk_acts.stop(ID)
    await ledger.bulk_acts.step(replace(known, cursor=(await ledger.bulk_acts.find(ID)).cursor))
    act = await carried_out(ledger)
    assert (act.state, act.changed) == (BulkState.CANCELLED, 2)
    [line] = [each async for each in ledger.queries.audit()]
    assert (line.act, line.by) == ("redrive", "ana")
    assert (line.facts["queued"], line.facts["cancelled_after"]) == (2, 2)


async def test_the_audit_has_an_act_once_though_two_servers_end_it(ledger: Ledger) -> None:
    await ended(ledger, Event.REJECTED, "a")
    await ledger.bulk_acts.step(await ledger.bulk_acts.ask(asked()))
    act = await ledger.bulk_acts.find(ID)
    assert [await ledger.bulk_acts.end(act) for _ in range(2)] == [True, False]
    assert [each.facts["bulk_act"] async for each in ledger.queries.audit()] == [ID]


async def test_a_form_that_is_sent_twice_is_one_act(ledger: Ledger) -> None:
    await ended(ledger, Event.REJECTED, *"abc")
    await ledger.bulk_acts.ask(asked())
    await carried_out(ledger)
    again = await ledger.bulk_acts.ask(replace(asked(), asked_at=1_900_000_000.0))
    assert (again.state, again.changed) == (BulkState.DONE, 3)
    assert (await carried_out(ledger)).changed == 3
    assert await ledger.bulk_acts.open() == []
    assert len(await ledger.bulk_acts.latest()) == 1


@pytest.mark.parametrize(
    "other",
    [
        *({"actor": "eva"}, {"batch": "b2"}, {"verb": Verb.CANCEL}, {"justification": "why"}),
        {"wanted": Selection(State.DEAD, "other")},
    ],
)
async def test_an_id_belongs_to_one_act(ledger: Ledger, other: dict[str, object]) -> None:
    await ledger.bulk_acts.ask(asked())
    with pytest.raises(InvalidInputError, match="another bulk act"):
        await ledger.bulk_acts.ask(replace(asked(), **other))


@pytest.mark.parametrize("id_", ["", "../x", "A" * 16, "a" * 17, f"{ID}:lease"])
async def test_what_is_no_id_is_refused_before_it_is_written(ledger: Ledger, id_: str) -> None:
    with pytest.raises(InvalidInputError):
        await ledger.bulk_acts.ask(replace(asked(), id=id_))
    with pytest.raises(NotFoundError):
        await ledger.bulk_acts.find(id_)
    assert await ledger.bulk_acts.latest() == []


async def test_unsent_jobs_are_cancelled_while_nothing_new_is_sent(ledger: Ledger) -> None:
    await fill(ledger, *map(new_job, "abcde"))
    await ledger.bulk_acts.ask(asked(Verb.CANCEL, Selection(), justification="wrong file"))
    await carried_out(ledger, steps=1)
    assert [hold.kind for hold in await ledger.queries.holds()] == [HoldKind.CANCELLING]
    assert await claim(ledger) == []
    act = await carried_out(ledger)
    assert (act.state, act.seen, act.changed) == (BulkState.DONE, 5, 5)
    assert await states(ledger) == {State.CANCELLED: 5}
    assert await ledger.queries.holds() == []


async def test_a_cancel_that_is_cancelled_lets_the_rest_go_on(ledger: Ledger) -> None:
    await fill(ledger, *map(new_job, "abcde"))
    await ledger.bulk_acts.ask(asked(Verb.CANCEL, Selection()))
    await carried_out(ledger, steps=1)
    await ledger.bulk_acts.stop(ID)
    await carried_out(ledger)
    assert await ledger.queries.holds() == []
    assert len(await claim(ledger)) == 3


async def test_what_comes_into_doubt_after_the_preview_is_not_settled_by_it(
    ledger: Ledger, clock: Clock
) -> None:
    await ended(ledger, Event.DOUBTED, "a")
    found = [transitions.resolution(1, created=False)]
    wanted = Selection(State.IN_DOUBT, until=clock() + 1)
    await ledger.bulk_acts.draft(asked(Verb.RECONCILE, wanted), found, b"")
    clock.advance(2)
    await ledger.do(transitions.resolve("b1", 1, created=False, actor="eva"))
    [job] = await claim(ledger)  # it is sent again, and again no answer comes
    await send(ledger, job)
    await say(ledger, answer(job, Event.DOUBTED, reason="x"))
    await ledger.bulk_acts.begin(ID)
    assert (await carried_out(ledger)).changed == 0
    assert await states(ledger) == {State.IN_DOUBT: 1}


@pytest.mark.parametrize(("event", "verb"), [(Event.REJECTED, Verb.REDRIVE), (Event.DOUBTED, Verb.RESOLVE)])
async def test_a_step_leaves_what_got_there_after_it_was_looked_up(
    ledger: Ledger, clock: Clock, event: Event, verb: Verb
) -> None:
    await ended(ledger, event, "a")
    step = transitions.Step(ID, "", BULK_END, clock())  # it got there at this very moment: not before
    await ledger.bulk_acts.ask(asked(verb))
    if verb is Verb.REDRIVE:
        await ledger.do(transitions.redrive("b1", [1], "ana", step=step))
    else:
        await ledger.do(
            transitions.resolve_all("b1", [transitions.resolution(1, created=True)], "ana", step=step)
        )
    assert (await ledger.bulk_acts.find(ID)).changed == 0


async def test_a_job_that_is_submitted_after_a_cancel_was_asked_for_is_not_cancelled(ledger: Ledger) -> None:
    await fill(ledger, *map(new_job, "abc"))
    await ledger.bulk_acts.ask(asked(Verb.CANCEL, Selection()))
    await ledger.do(transitions.accept("b1", [new_job("late")], "ana"))
    assert (await carried_out(ledger)).changed == 3
    assert await states(ledger) == {State.CANCELLED: 3, State.QUEUED: 1}


async def test_a_server_that_comes_too_late_leaves_no_hold_behind(ledger: Ledger) -> None:
    await fill(ledger, *map(new_job, "abc"))
    known = await ledger.bulk_acts.ask(asked(Verb.CANCEL, Selection()))
    await carried_out(ledger)
    await ledger.bulk_acts.step(known)
    assert await ledger.queries.holds() == []


async def test_a_pause_during_a_cancel_outlives_it(ledger: Ledger) -> None:
    await fill(ledger, *map(new_job, "abcde"))
    await ledger.bulk_acts.ask(asked(Verb.CANCEL, Selection()))
    await carried_out(ledger, steps=1)
    assert await ledger.operations.hold("batch:b1", actor="eva", justification="wait")
    await carried_out(ledger)
    assert [hold.kind for hold in await ledger.queries.holds()] == [HoldKind.PAUSED]


async def test_a_cancel_keeps_the_pause_of_a_person(ledger: Ledger) -> None:
    await fill(ledger, *map(new_job, "abc"))
    await ledger.operations.hold("batch:b1", actor="eva", justification="wait")
    await ledger.bulk_acts.ask(asked(Verb.CANCEL, Selection()))
    await carried_out(ledger)
    assert [hold.kind for hold in await ledger.queries.holds()] == [HoldKind.PAUSED]


@pytest.mark.parametrize(("created", "state"), [(True, State.SUCCEEDED), (False, State.QUEUED)])
async def test_doubts_of_one_cause_are_settled_alike(ledger: Ledger, created: bool, state: State) -> None:
    await ended(ledger, Event.DOUBTED, *"abc", reason="read_timeout")
    wanted = Selection(State.IN_DOUBT, "read_timeout")
    await ledger.bulk_acts.ask(asked(Verb.RESOLVE, wanted, created=created))
    act = await carried_out(ledger)
    assert (act.changed, act.queued) == (3, 0 if created else 3)
    assert await states(ledger) == {state: 3}
    [line] = [each async for each in ledger.queries.audit()]
    assert (line.facts["created"], line.facts["queued"]) == ((3, 0) if created else (0, 3))


async def test_each_doubt_is_settled_as_a_table_tells_and_keys_are_kept_encrypted(
    encrypted: Ledger,
) -> None:
    ledger = encrypted
    await ended(ledger, Event.DOUBTED, *"abc")
    found = [
        transitions.resolution(1, created=True, result=Result(widget_id="4711", key="the widget's key")),
        transitions.resolution(2, created=False),
        transitions.resolution(3, created=True, result=Result(widget_id="4712")),
    ]
    reconcile = asked(Verb.RECONCILE, Selection(State.IN_DOUBT), source="seen.csv")
    await ledger.bulk_acts.draft(reconcile, found, b"2 found, 1 absent")
    assert (await carried_out(ledger)).changed == 0
    assert await ledger.bulk_acts.preview(ID) == b"2 found, 1 absent"
    assert (await ledger.bulk_acts.open(), await ledger.bulk_acts.latest()) == ([], [])
    assert [await ledger.bulk_acts.begin(ID) for _ in range(2)] == [True, False]
    assert await ledger.bulk_acts.open() == [ID]
    parts = await ledger.redis.lrange(f"pv:bulk_found:{ID}", 0, -1)
    assert len(parts) == 2
    assert "4711" not in str(parts)
    act = await carried_out(ledger)
    assert (act.seen, act.changed, act.queued) == (3, 3, 1)
    assert await states(ledger) == {State.SUCCEEDED: 2, State.QUEUED: 1}
    job = await ledger.queries.job("b1.1")
    assert job.result is not None
    assert (job.result.widget_id, job.result.key) == ("4711", "the widget's key")
    assert not await ledger.redis.exists(f"pv:bulk_found:{ID}")


async def test_one_server_at_a_time_carries_an_act_out(ledger: Ledger) -> None:
    await ledger.bulk_acts.ask(asked())
    assert await ledger.bulk_acts.take(ID, "one")
    assert not await ledger.bulk_acts.take(ID, "two")
    assert await ledger.bulk_acts.take(ID, "one")
    await ledger.bulk_acts.leave(ID)
    assert await ledger.bulk_acts.take(ID, "two")


async def test_an_owner_sees_its_own_acts(ledger: Ledger) -> None:
    await ledger.bulk_acts.ask(replace(asked(), owner="shop"))
    assert (await ledger.bulk_acts.find(ID, "shop")).asked.id == ID
    with pytest.raises(NotFoundError):
        await ledger.bulk_acts.find(ID, "other")
    assert await ledger.bulk_acts.latest("other") == []
    assert [each.asked.id for each in await ledger.bulk_acts.latest("shop", batch="b1")] == [ID]


def test_ids_are_what_they_should_be() -> None:
    assert bulk_acts.ID.fullmatch(bulk_acts.new_id())
    assert bulk_acts.new_id() != bulk_acts.new_id()


@pytest.fixture
def encrypted(ledger: Ledger, clock: Clock) -> Ledger:
    return Ledger(ledger.redis, clock, masters=Fernet.generate_key().decode())
