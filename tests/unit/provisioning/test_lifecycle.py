"""The table of the lifecycle, read for what its arrows promise."""

from __future__ import annotations

from itertools import product

import pytest

from provisioning.errors import IllegalTransitionError
from provisioning.lifecycle import TRANSITIONS, UNSETTLED, Event, State, after

EVERY = list(product(State, Event))


@pytest.mark.parametrize(("state", "event"), [pair for pair in EVERY if pair not in TRANSITIONS])
def test_an_event_that_the_state_does_not_know_is_refused_by_name(state: State, event: Event) -> None:
    with pytest.raises(IllegalTransitionError) as caught:
        after(state, event)
    assert (caught.value.state, caught.value.event) == (state, event)


def test_every_event_has_an_arrow() -> None:
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_no_two_states_permit_the_same_events_with_the_same_ends() -> None:
    rows = {state: {e: to for (s, e), to in TRANSITIONS.items() if s is state} for state in State}
    alike = [(a, b) for a, b in product(State, State) if a < b and rows[a] == rows[b]]
    # Dead and cancelled differ for people (given up, called off), not for the program.
    assert alike == [(State.CANCELLED, State.DEAD)]


def test_a_post_begins_only_from_a_claim() -> None:
    assert [s for (s, _), to in TRANSITIONS.items() if to is State.SENDING] == [State.CLAIMED]


def test_a_claim_begins_only_in_the_queue_or_goes_on_after_an_answer() -> None:
    into = {(s, e) for (s, e), to in TRANSITIONS.items() if to is State.CLAIMED}
    assert into == {(State.QUEUED, Event.CLAIMED), (State.SENDING, Event.RETRY_DUE)}


def test_success_is_an_answer_or_a_persons_word_and_for_good() -> None:
    assert {e for (_, e), to in TRANSITIONS.items() if to is State.SUCCEEDED} == {
        Event.CREATED,
        Event.RESOLVED_CREATED,
    }
    assert [e for s, e in TRANSITIONS if s is State.SUCCEEDED] == []


def test_a_widget_that_exists_ends_a_job_from_every_other_state() -> None:
    assert {s for s, e in TRANSITIONS if e is Event.CREATED} == set(State) - {State.SUCCEEDED}


def test_a_silence_while_sending_is_a_doubt() -> None:
    assert after(State.SENDING, Event.LEASE_LAPSED) is State.IN_DOUBT


def test_what_is_being_sent_is_not_called_off() -> None:
    assert (State.SENDING, Event.CANCELLED) not in TRANSITIONS


def test_from_a_settled_state_only_a_person_or_a_late_answer_leads_on() -> None:
    mine = {Event.REDRIVEN, Event.RESOLVED_ABSENT, Event.RESOLVED_CREATED}
    late = {
        Event.CREATED,
        Event.REJECTED,
        Event.EXHAUSTED,
        Event.RETRY_DUE,
        Event.REFUSED,
        Event.DOUBTED,
        Event.CALLED_OFF,
    }
    assert {e for s, e in TRANSITIONS if s not in UNSETTLED} == mine | late


@pytest.mark.parametrize("state", list(State))
def test_every_state_can_reach_success(state: State) -> None:
    reached, edge = {state}, [state]
    while edge:
        here = edge.pop()
        for (s, _), to in TRANSITIONS.items():
            if s is here and to not in reached:
                reached.add(to)
                edge.append(to)
    assert State.SUCCEEDED in reached
