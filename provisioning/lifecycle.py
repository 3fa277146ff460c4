"""
The lifecycle of a job, as a table.

What belongs here: states, events and `TRANSITIONS`; nothing that reads a clock, a socket or a setting. Two
*states* differ in the events that they allow; the cause of the last transition is the *reason*, a word stored
beside the state. The Lua scripts in `ledger/lua` have the same transitions, and the diagram in
`docs/explanation/lifecycle.md` shows this table; tests check that all three agree.
"""

from __future__ import annotations

from enum import StrEnum

from provisioning.errors import IllegalTransitionError


class State(StrEnum):
    """State of a job."""

    QUEUED = "queued"  # in the ledger, without a worker; may have to wait for a time or a brake
    CLAIMED = "claimed"  # claimed by a worker, under a lease; nothing of this attempt has been sent
    SENDING = "sending"  # a POST may be in flight now
    SUCCEEDED = "succeeded"  # the widget exists and its key is in the ledger
    DEAD = "dead"  # ended without a widget; a dead letter for a person to read
    IN_DOUBT = "in_doubt"  # a POST may have created a widget, and no answer proves it
    CANCELLED = "cancelled"  # called off by a person before a POST began


class Event(StrEnum):
    """What happens to a job. Each causes one transition, or a few with the same meaning."""

    CLAIMED = "claimed"
    SENDING = "sending"
    CREATED = "created"
    REJECTED = "rejected"
    EXHAUSTED = "exhausted"  # attempts or the budget of time used up on failures that may be retried
    RETRY_DUE = "retry_due"  # unprocessed or failed, and another attempt is due
    REFUSED = "refused"  # denied or misdirected: a brake goes on, the attempt is not counted
    DOUBTED = "doubted"  # no answer, or one that proves nothing
    DEFERRED = "deferred"  # brake, pause, outage, shutdown or a long Retry-After hands it back
    LEASE_LAPSED = "lease_lapsed"
    RESOLVED_CREATED = "resolved_created"
    RESOLVED_ABSENT = "resolved_absent"
    REDRIVEN = "redriven"
    CANCELLED = "cancelled"
    CALLED_OFF = "called_off"  # cancelled while it was being sent, and the answer leaves it to be tried again


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.QUEUED, Event.CLAIMED): State.CLAIMED,
    (State.QUEUED, Event.CANCELLED): State.CANCELLED,
    (State.CLAIMED, Event.SENDING): State.SENDING,
    (State.CLAIMED, Event.DEFERRED): State.QUEUED,
    (State.CLAIMED, Event.LEASE_LAPSED): State.QUEUED,
    (State.CLAIMED, Event.CANCELLED): State.CANCELLED,
    (State.SENDING, Event.CREATED): State.SUCCEEDED,
    (State.SENDING, Event.REJECTED): State.DEAD,
    (State.SENDING, Event.EXHAUSTED): State.DEAD,
    (State.SENDING, Event.RETRY_DUE): State.CLAIMED,
    (State.SENDING, Event.REFUSED): State.QUEUED,
    (State.SENDING, Event.CALLED_OFF): State.CANCELLED,
    (State.SENDING, Event.DOUBTED): State.IN_DOUBT,
    (State.SENDING, Event.LEASE_LAPSED): State.IN_DOUBT,
    # A worker that was thought dead brings the answer of its own POST: the doubt is settled by it.
    # Its lease is gone, so an answer that calls for another attempt goes to the queue, not to its hands.
    (State.IN_DOUBT, Event.CREATED): State.SUCCEEDED,
    (State.IN_DOUBT, Event.REJECTED): State.DEAD,
    (State.IN_DOUBT, Event.EXHAUSTED): State.DEAD,
    (State.IN_DOUBT, Event.RETRY_DUE): State.QUEUED,
    (State.IN_DOUBT, Event.REFUSED): State.QUEUED,
    (State.IN_DOUBT, Event.CALLED_OFF): State.CANCELLED,
    (State.IN_DOUBT, Event.DOUBTED): State.IN_DOUBT,
    # With on_in_doubt=retry the lapsed lease has queued it, and nobody has claimed it since: likewise.
    (State.QUEUED, Event.REJECTED): State.DEAD,
    (State.QUEUED, Event.EXHAUSTED): State.DEAD,
    (State.QUEUED, Event.RETRY_DUE): State.QUEUED,
    (State.QUEUED, Event.REFUSED): State.QUEUED,
    (State.QUEUED, Event.DOUBTED): State.IN_DOUBT,
    # A created widget ends the job, in any state in which a late answer finds it. The worker that has the job
    # by then gets no intent any more (docs/decisions/0003-late-answers.md).
    (State.QUEUED, Event.CREATED): State.SUCCEEDED,
    (State.CLAIMED, Event.CREATED): State.SUCCEEDED,
    (State.DEAD, Event.CREATED): State.SUCCEEDED,
    (State.CANCELLED, Event.CREATED): State.SUCCEEDED,
    (State.IN_DOUBT, Event.RESOLVED_CREATED): State.SUCCEEDED,
    (State.IN_DOUBT, Event.RESOLVED_ABSENT): State.QUEUED,
    (State.DEAD, Event.REDRIVEN): State.QUEUED,
    (State.CANCELLED, Event.REDRIVEN): State.QUEUED,
}

UNSETTLED = frozenset({State.QUEUED, State.CLAIMED, State.SENDING})
"""States in which the program itself still has something to do."""


def after(state: State, event: Event) -> State:
    """
    The state a job is in after `event`.

    Raises: IllegalTransitionError if a job in `state` cannot take `event`; nothing was changed.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(state, event) from None
