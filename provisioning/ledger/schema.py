"""
What the ledger's Lua scripts and Python share: words, rows, keys and the stored form of a job.

Each is defined here once. `lua(script, text)` adds the definitions to the text of a script:

    STATE.QUEUED, …   the words of an enumeration by their Python names; likewise `KEY.names` and `OF.jobs` of
                      `keys.py`, `SCOPE.batch` of `scopes.py`. Each is replaced by its text; an unknown name
                      is an error
    LIFE              `LIFE[state][event]`, the state that follows (`lifecycle.TRANSITIONS`)
    arg               the arguments of the script, by the field names of its `head`
    rows()            iterates over the rows that follow them; it reuses one table for all rows
    give(list, …)     appends a row to the reply, its values in the order of the fields
    job_of, kept_of   decode a job from its stored array, and encode it
    attempt_of        encodes the array of an attempt

If you change how a job or its history is stored, increase `FORMAT`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from provisioning import scopes
from provisioning.attempt import Attempt, Bounds, Evidence, Outcome, Result
from provisioning.errors import ContractError
from provisioning.job import Verdict
from provisioning.ledger import keys
from provisioning.ledger.wire import Hashed, Layout, Named, Sealed, Seconds
from provisioning.lifecycle import TRANSITIONS, UNSETTLED, Event, State
from provisioning.owner import DEFAULT

S = TypeVar("S", bound=msgspec.Struct)

FORMAT: Final = b"4"
"""Value of `pv:format` in a ledger of this format; a program that knows another format refuses to write."""

FINGERPRINT: Final = 16
"""Digits of a fingerprint that are stored. It only shows whether the body of one tenant has changed."""

# -- words ---------------------------------------------------------------------------------------------


class Reason(StrEnum):
    """Reasons of transitions by the ledger itself; answers and deferrals contain their own reason."""

    ACCEPTED = "accepted"
    CLAIMED = "claimed"
    SENDING = "sending"
    CREATED = "created"
    CANCELLED = "cancelled"
    LEASE_LAPSED = "lease_lapsed"
    PAUSED = "paused"
    BRAKED = "braked"
    RATE_LIMITED = "rate_limited"
    REDRIVEN = "redriven"
    RESOLVED_CREATED = "resolved_created"
    RESOLVED_ABSENT = "resolved_absent"


class Move(StrEnum):
    """Lines of a job's history that are not attempts."""

    ACCEPTED = "accepted"
    REPLACED = "replaced"
    REDRIVEN = "redriven"
    CANCELLED = "cancelled"
    CALLED_OFF = "called_off"
    RESOLVED_CREATED = "resolved_created"
    RESOLVED_ABSENT = "resolved_absent"


class Belief(StrEnum):
    """What is known of a POST whose job left `sending` before its answer came (decision 0003)."""

    OPEN = "open"  # it may have created a widget
    FOUND = "found"  # a person has found its widget
    ABSENT = "absent"  # a person has found that there is no widget
    ANSWERED = "answered"  # its answer came late and is recorded
    MOVED = "moved"  # likewise, and it changed the state of the job


class Go(StrEnum):
    """The ledger's reply to an intent: whether the POST may start."""

    GO = "go"
    PROBE = "probe"  # go, as the probe of a circuit breaker
    HELD = "held"  # a hold applies; the job is queued again
    CANCELLED = "cancelled"  # a person has cancelled the job
    LOST = "lost"  # another worker has the job now


class How(StrEnum):
    """How the ledger recorded an answer or a deferral; repeating the call gives the same reply."""

    IN_TIME = "in_time"  # the job was waiting for it, and changed its state
    LATE = "late"  # the job was no longer waiting; recorded in its history only
    LATE_MOVE = "late_move"  # likewise, but the job changed its state
    LOST = "lost"  # nothing was recorded: the job is gone, or another worker has it


class Restoration(StrEnum):
    """What a new primary knew of a POST that a worker reported to it."""

    KNOWN = "known"
    TAKEN_UP = "taken_up"  # its intent was lost and is written again
    RESTORED = "restored"  # its job was lost too and is created again
    OTHER = "other"  # its job was lost, and another job has its number or key by now


class Released(StrEnum):
    """The result of a person's `resume` for a hold."""

    NOT_HELD = "not_held"
    RELEASED = "released"
    PROBE = "probe"  # one job is sent first, as a probe


class Shown(StrEnum):
    """The result of a probe through a circuit breaker."""

    GOOD = "good"
    BAD = "bad"
    UNCLEAR = "unclear"


class Sweep(StrEnum):
    """Classes of data that are deleted after their retention."""

    PAYLOADS = "payloads"
    RESULTS = "results"
    DEAD = "dead"
    BATCHES = "batches"


class Happened(StrEnum):
    """Events that are appended to `keys.EVENTS`."""

    BATCH_SETTLED = "batch.settled"
    BATCH_PAUSED = "batch.paused"  # by a person
    BATCH_BRAKED = "batch.braked"  # by a circuit breaker on its credential, its target or itself
    BATCH_STOPPED = "batch.stopped"  # by the stop-loss
    BATCH_RELEASED = "batch.released"
    JOB_SUCCEEDED = "job.succeeded"  # only of single jobs: rows of a file have no events of their own
    JOB_DEAD = "job.dead"
    JOB_IN_DOUBT = "job.in_doubt"
    JOB_CANCELLED = "job.cancelled"
    ACT = "act"  # an action of a person, also in `keys.AUDIT`


WEBHOOK_EVENTS: Final = (
    *(Happened.BATCH_SETTLED, Happened.BATCH_STOPPED, Happened.BATCH_BRAKED),
    *(Happened.JOB_SUCCEEDED, Happened.JOB_DEAD, Happened.JOB_IN_DOUBT, Happened.JOB_CANCELLED),
)
"""Events that webhooks deliver; the others are only for clients that wait for events."""

TOKENS_SINCE: Final = 1_767_225_600_000
"""2026-01-01 in ms: fencing tokens count from it, so that they have 14 digits, which Lua prints exactly."""

SETTLING_MS: Final = 10_000
"""ms for which a Redis that may have lost writes refuses claims and new jobs, while workers restore them: a
dead connection is detected after 8 s."""

AUDIT_KEPT: Final = 10_000
"""Fewest actions that the audit keeps: years of a busy operator, in a few megabytes."""

EVENTS_KEPT: Final = 50_000
"""Fewest entries of `keys.EVENTS` that are kept, some 10 MB: clients that reconnect read what they missed."""


OUTBOX_MOST: Final = 100_000
"""Events that wait for one webhook, some 6 MB: those of an owner whose receiver is down for long."""

DELIVERIES_KEPT: Final = 50
"""Deliveries of a webhook that are listed, and can be repeated."""

DELIVERIES_KEPT_MS: Final = 7 * 86_400_000
"""ms after the last attempt at which a delivery is listed no longer."""


class Delivered(StrEnum):
    """How a delivery goes."""

    WAITING = "waiting"  # in the outbox, to be tried again
    ACCEPTED = "accepted"
    GIVEN_UP = "given_up"  # it is not tried again, unless somebody asks


class BulkState(StrEnum):
    """How a bulk act goes."""

    DRAFT = "draft"  # it waits for the person's yes, and expires
    RUNNING = "running"
    STOPPING = "stopping"  # a person has cancelled it; no further step is made
    DONE = "done"
    CANCELLED = "cancelled"


BULK_END: Final = "end"
"""The cursor of a bulk act that has no step left."""


class HoldKind(StrEnum):
    """Who or what has set a hold."""

    PAUSED = "paused"  # a person
    BRAKE = "brake"  # the program, a circuit breaker; a successful probe ends it
    STOP_LOSS = "stop_loss"  # the program; a person must look
    CANCELLING = "cancelling"  # the program, while a cancel is in progress: it has no event


ELSEWHERE: Final = "elsewhere"
"""Returned instead of a verdict: nothing was done, the body needs the encryption key of another batch."""

WORDS: Final = (
    *(*State, "created", "rejected", "denied", "misdirected", "unprocessed", "failed"),
    *("nothing_sent", "sent", "status_seen", "answered"),
)
"""Words with fixed numbers, from 1. Append only. Words of a batch have numbers from 101."""

REASON_OF: Final = {
    State.QUEUED: Reason.ACCEPTED,
    State.CLAIMED: Reason.CLAIMED,
    State.SENDING: Reason.SENDING,
    State.SUCCEEDED: Reason.CREATED,
    State.CANCELLED: Reason.CANCELLED,
}
"""The usual reason of a state. It is not stored."""

# -- how a job is stored -------------------------------------------------------------------------------


class Kind(StrEnum):
    """How a value is stored in an array."""

    TEXT = "text"
    NUMBER = "number"  # 0 if none is stored
    OPTIONAL = "optional"  # a number, or ''
    FIXED = "fixed"  # a word, stored as its number in `WORDS`
    WORD = "word"  # a word, stored as its number in `WORDS` or in the batch
    REASON = "reason"  # likewise; '' for the usual reason of the state
    BELIEFS = "beliefs"  # `TOKEN:ATTEMPT` → `Belief`
    MS = "ms"  # seconds, stored as whole ms
    OPTIONAL_MS = "optional_ms"
    FLAG = "flag"  # 1, or '' for false


JOB: Final = {
    "state": Kind.FIXED,
    "key": Kind.TEXT,
    "credential": Kind.WORD,
    "fingerprint": Kind.TEXT,
    "row": Kind.OPTIONAL,
    "at": Kind.NUMBER,
    "token": Kind.NUMBER,
    "attempts": Kind.NUMBER,
    "least": Kind.NUMBER,
    "most": Kind.NUMBER,
    "reason": Kind.REASON,
    "worker": Kind.WORD,
    "drives": Kind.NUMBER,
    "label": Kind.TEXT,
    "trace": Kind.TEXT,
    "calloff": Kind.NUMBER,
    "posts": Kind.BELIEFS,
}
"""
Fields of a job's array, in order. '' and 0 at its end are left out.

`calloff` is the token under which the job was being sent when a person cancelled it; `posts` has the `Belief`
about each POST whose answer did not come in time, by `TOKEN:ATTEMPT`.
"""

ATTEMPT: Final = {
    "n": Kind.NUMBER,
    "at": Kind.MS,
    "seconds": Kind.MS,
    "outcome": Kind.FIXED,
    "evidence": Kind.FIXED,
    "status": Kind.OPTIONAL,
    "worker": Kind.WORD,
    "error": Kind.WORD,
    "message": Kind.WORD,
    "next_delay": Kind.OPTIONAL_MS,
    "late": Kind.FLAG,
    "token": Kind.OPTIONAL,
}
"""Fields of an attempt's array, in order: those of `Attempt`. '' at its end is left out."""

# -- arguments and replies of scripts: their heads, the rows that follow, and the rows of replies ------


class FirstFew(msgspec.Struct, frozen=True):
    """
    The jobs that are sent before a batch is paused (decision 0044).

    Attributes:
        jobs: how many of the new ones.
        by, why: actor and reason of the pause.
        asked: id of the submission that asks for it.
    """

    jobs: int
    by: str
    why: str
    asked: str


class OpenBatch(msgspec.Struct, frozen=True):
    """The head of `open_batch`; `period` '' if the name is permanent; `owner` '' for `default`."""

    name: str
    period: str
    owner: str
    first: FirstFew | None


class EndFirst(msgspec.Struct, frozen=True):
    """The head of `end_first`; `asked` as in `FirstFew`."""

    asked: str


class BatchField(msgspec.Struct, frozen=True):
    """A further field of a new batch."""

    name: str
    value: str


class AddSource(msgspec.Struct, frozen=True):
    """The head of `add_source`; `facts` is a JSON object."""

    sha256: str
    facts: bytes


class NoteElsewhere(msgspec.Struct, frozen=True):
    """The head of `note_elsewhere`; `most`: how many other batches are recorded."""

    most: int


class HomeOf(msgspec.Struct, frozen=True):
    """Another batch, and how many of the submitted jobs it has."""

    batch: str
    jobs: int


class Accept(msgspec.Struct, frozen=True):
    """
    The head of `accept`.

    Attributes:
        ended_before: jobs that ended later remain as they are: somebody has ended them since; None for none.
        spellings: number of a submitted job, from 1 → other spellings of its key under which it may be known.
        first: of a batch that is gone since it was opened.
    """

    who: str
    owner: str
    because: str
    leave_ended: bool
    dry: bool
    spellings: dict[int, list[str]] | None
    first: FirstFew | None
    ended_before: Seconds | None = None


class HandedOver(msgspec.Struct, frozen=True):
    """A submitted job; see `provisioning.job.NewJob`."""

    key: str
    credential: str
    row: int | None
    label: str
    fingerprint: Hashed
    trace: str
    body: Sealed


class Elsewhere(msgspec.Struct, frozen=True):
    """A submitted job is in another batch: its body must be encrypted with the key of that batch first."""

    batch: str


class Judged(msgspec.Struct, frozen=True):
    """The verdict on a submitted job: a `Verdict` or `ELSEWHERE`."""

    verdict: str
    job_id: str


class ClaimJobs(msgspec.Struct, frozen=True):
    """The head of `claim`; see `transitions.claim`."""

    worker: str
    lease: Seconds
    target: str
    most: int
    usual_room: int
    draw: int | None


class Room(msgspec.Struct, frozen=True):
    """Most jobs to claim of one credential, and most if the batch is urgent."""

    credential: str
    most: int
    most_urgent: int


class Claimed(msgspec.Struct, frozen=True):
    """
    A job that was claimed.

    Attributes:
        token: fencing token of this claim; every write contains it.
        attempts: attempts already made in this drive.
        most: upper bound of the widgets that exist for it.
        trace: W3C `traceparent` of the request that submitted it; empty without tracing.
        again: a worker has claimed it before.
        body: the JSON of the POST, as submitted; empty if it was deleted.
    """

    number: Named
    token: int
    key: str
    credential: str
    row: int | None
    attempts: int
    body: bytes
    most: int = 0
    trace: str = ""
    again: bool = False


class Send(msgspec.Struct, frozen=True):
    """The head of `sending`."""

    lease: Seconds
    target: str


class Intent(msgspec.Struct, frozen=True):
    """An intent: a worker is about to send this attempt of a job, under this token."""

    number: Named
    token: int
    attempt: int
    credential: str


class Grant(msgspec.Struct, frozen=True):
    """
    The ledger's reply to an intent.

    Attributes:
        reason: why the job is held; else empty.
    """

    word: Go
    reason: str = ""

    @property
    def go(self) -> bool:
        """Whether the intent is recorded: the POST may start."""
        return self.word in (Go.GO, Go.PROBE)


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The result of a POST, as the ledger records it.

    Attributes:
        event: selects the transition (`lifecycle.TRANSITIONS`).
        reason: the cause as one stable word.
        change: what the answer adds to the bounds, which the intent has widened by [0, 1].
        attempt: the record of the POST.
        result: the created widget; None unless it was created.
        delay: with `RETRY_DUE`: seconds before which the job, now queued again, may not start; None if this
            worker keeps it.
        key: of the job. A Redis that has lost the job may have given its number to another.
    """

    number: int
    token: int
    event: Event
    reason: str
    change: Bounds
    attempt: Attempt
    result: Result | None = None
    delay: float | None = None
    key: str = ""


class Restore(msgspec.Struct, frozen=True):
    """The head of `restore`."""

    worker: str
    lease: Seconds
    owner: str


class Sent(msgspec.Struct, frozen=True):
    """A POST that was allowed to start, and the data of its job, in case that was lost too."""

    number: Named
    token: int
    attempt: int
    key: str
    credential: str
    row: int | None
    fingerprint: Hashed
    trace: str
    body: Sealed


class RestoreReply(msgspec.Struct, frozen=True):
    """What the ledger knew of a POST."""

    word: Restoration


class NewPrimary(msgspec.Struct, frozen=True):
    """The head of `new_primary`; `run_id`: from `INFO server`; `before`: of the previous Redis, or ''."""

    run_id: str
    before: str


class Answers(msgspec.Struct, frozen=True):
    """The head of `answered`; `stop_loss`: so many first jobs dead of one cause hold the batch; 0: never."""

    stop_loss: int


class Answer(msgspec.Struct, frozen=True):
    """The result of a POST; `result` is separate because it is encrypted."""

    said: Answered
    result: Sealed


class Recorded(msgspec.Struct, frozen=True):
    """
    How an answer or deferral was recorded, and the job after it.

    Attributes:
        state: the state of the job now; None if there is no job.
        reason: of that state.
    """

    how: How
    state: State | None
    reason: str

    @property
    def taken(self) -> bool:
        """Whether it was recorded."""
        return self.how is not How.LOST

    @property
    def moved(self) -> bool:
        """Whether it changed the job to `state`."""
        return self.how in (How.IN_TIME, How.LATE_MOVE)

    @property
    def late(self) -> bool:
        """Whether the job was no longer waiting for it; the caller no longer has the job."""
        return self.how in (How.LATE, How.LATE_MOVE)

    @property
    def goes_on(self) -> bool:
        """Whether the caller still has the job, to retry it."""
        return self.how is How.IN_TIME and self.state is State.CLAIMED


class Deferral(msgspec.Struct, frozen=True):
    """A claimed job that its worker returns to the queue, not to be started before `delay` seconds."""

    number: Named
    token: int
    delay: Seconds
    reason: str


class Renewal(msgspec.Struct, frozen=True):
    """The head of `renew`."""

    lease: Seconds


class Held(msgspec.Struct, frozen=True):
    """A job that a worker holds, and its token."""

    number: Named
    token: int


class RescueJobs(msgspec.Struct, frozen=True):
    """The head of `rescue`; see `transitions.rescue`."""

    most: int
    on_in_doubt: str
    attempts: int


class Lapse(msgspec.Struct, frozen=True):
    """A job whose lease has expired, its new state, and the worker that had claimed it."""

    number: Named
    state: State
    key: str
    row: int | None
    worker: str


class Cancel(msgspec.Struct, frozen=True):
    """
    The head of `cancel`: first and last number; `credential` '' for all.

    Attributes:
        bulk, cursor, next: as of `Redrive`.
        hold: of a bulk act, what holds the batch meanwhile: a JSON object, `records.Hold`.
    """

    first: int
    last: int
    who: str
    credential: str
    bulk: str = ""
    cursor: str = ""
    next: str = ""
    hold: bytes = b""


class Matching(msgspec.Struct, frozen=True):
    """The head of `matching`: '' and None match everything; `key` may end in `*`."""

    state: str
    after: str
    most: int
    reason: str
    credential: str
    key: str
    since: Seconds | None
    before: Seconds | None


class Match(msgspec.Struct, frozen=True):
    """
    A selected job, in short.

    Attributes:
        at: when it got into its state, Unix seconds.
        most: upper bound of the widgets that exist for it.
    """

    number: Named
    reason: str
    at: Seconds
    most: int
    attempts: int

    @property
    def risky(self) -> bool:
        """Whether sending it again may create a second widget."""
        return self.most > 0


class Word(msgspec.Struct, frozen=True):
    """A row of one word: another spelling of a key, or a cause."""

    word: str


class Redrive(msgspec.Struct, frozen=True):
    """
    The head of `redrive`; `because`: why a second widget is accepted; '' if it is not.

    Attributes:
        bulk: id of the bulk act of which this is a step; '' if it is none.
        cursor, next: where that act is before and after this step.
        before: jobs that got into their state later are left as they are; None for none.
    """

    who: str
    because: str
    bulk: str = ""
    cursor: str = ""
    next: str = ""
    before: Seconds | None = None


class Number(msgspec.Struct, frozen=True):
    """A row of one job number."""

    number: Named


class Resolve(msgspec.Struct, frozen=True):
    """
    The head of `resolve`.

    Attributes:
        bulk, cursor, next, before: as of `Redrive`.
    """

    who: str
    bulk: str = ""
    cursor: str = ""
    next: str = ""
    before: Seconds | None = None


class Resolution(msgspec.Struct, frozen=True):
    """What a person has found of a job in doubt: its widget, or that there is none."""

    number: Named
    created: bool
    result: Sealed


class BeginBulk(msgspec.Struct, frozen=True):
    """The head of `begin_bulk`."""

    bulk: str


class EndBulk(msgspec.Struct, frozen=True):
    """
    The head of `end_bulk`: the act and its batch; `act` and `on` for the audit; how long it is `kept`.

    Attributes:
        held: the scope that a cancel has held; '' if the act was none.
    """

    bulk: str
    batch: str
    on: str
    act: bytes
    kept: Seconds
    held: str


class Reap(msgspec.Struct, frozen=True):
    """The head of `reap`; see `transitions.reap`."""

    what: str
    sweep: str
    most: int
    ended_by: Seconds
    count_from: int | None


class Stretch(msgspec.Struct, frozen=True):
    """The head of `shred`: first and last number."""

    first: int
    last: int


class SumUp(msgspec.Struct, frozen=True):
    """The head of `gauges`: rank of the first batch, most batches, and most whose first jobs are returned."""

    start: int
    most: int
    lines: int


class Take(msgspec.Struct, frozen=True):
    """The head of `take`; see `transitions.take`. `rate` is a number a second or `unlimited`."""

    credential: str
    rate: str
    want: int
    ahead: Seconds
    burst: Seconds


class Learn(msgspec.Struct, frozen=True):
    """The head of `learned`: if `replace`, `new` replaces the value `read`; empty means no value."""

    credential: str
    replace: bool
    read: bytes
    new: bytes


class PutHold(msgspec.Struct, frozen=True):
    """The head of `hold`; `hold` is a JSON object, `records.Hold`."""

    scope: str
    kind: HoldKind
    hold: bytes


class SetWebhook(msgspec.Struct, frozen=True):
    """
    The head of `set_webhook`.

    Attributes:
        on: id of a batch or job, or `owner:NAME`.
        before: the replaced webhook, or empty.
        events: of an owner's, the events that it gets: words with a space around each, or `*`; else empty.
    """

    on: str
    before: bytes
    webhook: bytes
    events: str


class DueWebhooks(msgspec.Struct, frozen=True):
    """The head of `due_webhooks`; `most`: so many at once."""

    most: int


class TakeWebhook(msgspec.Struct, frozen=True):
    """The head of `take_webhook`; `lease`: how long one delivery may take."""

    on: str
    lease: Seconds


class RecordDelivery(msgspec.Struct, frozen=True):
    """
    The head of `record_delivery`.

    Attributes:
        entry: id of the event whose delivery was attempted.
        webhook: its receiver, as stored.
        done: the delivery is not retried.
        delay: until the next delivery.
        state: the new `WebhookState`, as JSON.
        delivery: its result, as JSON; its times and attempts are added.
    """

    on: str
    entry: str
    webhook: bytes
    done: bool
    delay: Seconds
    state: bytes
    delivery: bytes


class WriteWebhook(msgspec.Struct, frozen=True):
    """The head of `write_webhook`; `entry` and `webhook` as in `RecordDelivery`."""

    on: str
    entry: str
    webhook: bytes
    body: bytes


class Redeliver(msgspec.Struct, frozen=True):
    """`id`: of a delivery of the webhook."""

    on: str
    id: str


class RotateWebhook(msgspec.Struct, frozen=True):
    """`before` and `webhook` as in `SetWebhook`."""

    on: str
    before: bytes
    webhook: bytes


class RemoveWebhook(msgspec.Struct, frozen=True):
    """The head of `remove_webhook`; `webhook`: remove only this one, as stored; empty for any."""

    on: str
    webhook: bytes


class Scope(msgspec.Struct, frozen=True):
    """A field of `keys.HOLDS`."""

    scope: str


class ProbeResult(msgspec.Struct, frozen=True):
    """The head of `probe_result`: the result of a probe through the circuit breaker of a scope."""

    scope: str
    shown: Shown


class Refuse(msgspec.Struct, frozen=True):
    """
    The head of `refused`.

    Attributes:
        message: to store; empty for none.
        most, size: most messages, and bytes of them, that are kept.
        before: Unix seconds; older messages are deleted.
    """

    message: bytes
    most: int
    size: int
    before: int


@dataclass(frozen=True, slots=True)
class Script:
    """
    The arguments and the reply of one script of `lua/`.

    Attributes:
        head: its arguments; None if it has none.
        row: a row that follows them any number of times; None if none follows.
        reply: a row of its reply; None if the reply has another form.
        durable: whether its writes must be on disk or replicas, where these are waited for, before it counts.
    """

    name: str
    head: type[msgspec.Struct] | None = None
    row: type[msgspec.Struct] | None = None
    reply: type[msgspec.Struct] | None = None
    durable: bool = False


SCRIPTS: Final = {
    script.name: script
    for script in (
        Script("open_batch", OpenBatch, BatchField),
        Script("discard_batch"),
        Script("end_first", EndFirst),
        Script("add_source", AddSource),
        Script("note_elsewhere", NoteElsewhere, HomeOf),
        Script("accept", Accept, HandedOver, Judged, durable=True),
        Script("claim", ClaimJobs, Room, Claimed),
        Script("sending", Send, Intent, Grant, durable=True),
        Script("answered", Answers, Answer, Recorded, durable=True),
        Script("restore", Restore, Sent, RestoreReply, durable=True),
        Script("new_primary", NewPrimary),
        Script("deferred", None, Deferral, Recorded),
        Script("renew", Renewal, Held),
        Script("rescue", RescueJobs, None, Lapse),
        Script("cancel", Cancel, durable=True),
        Script("matching", Matching, Word, Match),
        Script("redrive", Redrive, Number, durable=True),
        Script("resolve", Resolve, Resolution, durable=True),
        Script("begin_bulk", BeginBulk),
        Script("stop_bulk"),
        Script("end_bulk", EndBulk),
        Script("reap", Reap),
        Script("shred", Stretch),
        Script("gauges", SumUp, Word),
        Script("take", Take),
        Script("learned", Learn),
        Script("hold", PutHold, durable=True),
        Script("set_webhook", SetWebhook),
        Script("rotate_webhook", RotateWebhook),
        Script("due_webhooks", DueWebhooks),
        Script("take_webhook", TakeWebhook),
        Script("write_webhook", WriteWebhook),
        Script("record_delivery", RecordDelivery),
        Script("redeliver", Redeliver),
        Script("remove_webhook", RemoveWebhook),
        Script("release", Scope),
        Script("probe_result", ProbeResult),
        Script("refused", Refuse),
    )
}


_layouts: dict[type[msgspec.Struct], Layout[Any]] = {}


def layout(struct: type[S]) -> Layout[S]:
    """The layout of a struct of this module."""
    made = _layouts.get(struct)
    if made is None:
        made = _layouts[struct] = Layout(struct)
    return made


# -- generated Lua ------------------------------------------------------------------------------------

_TEXTS: Final[dict[str, dict[str, str]]] = {
    **{
        name: {word.name: word.value for word in enum}
        for name, enum in {
            "STATE": State,
            "EVENT": Event,
            "OUTCOME": Outcome,
            "EVIDENCE": Evidence,
            "VERDICT": Verdict,
            "REASON": Reason,
            "MOVE": Move,
            "BELIEF": Belief,
            "GO": Go,
            "HOW": How,
            "RESTORATION": Restoration,
            "RELEASED": Released,
            "SHOWN": Shown,
            "SWEEP": Sweep,
            "HOLD_KIND": HoldKind,
            "HAPPENED": Happened,
            "DELIVERED": Delivered,
            "BULK": BulkState,
        }.items()
    },
    "KEY": keys.SHARED,
    "OF": keys.OF_BATCH,
    "SCOPE": scopes.KINDS,
}
_NAMED: Final = re.compile(rf"\b({'|'.join(_TEXTS)})\.(\w+)")


def lua(name: str, text: str) -> str:
    """
    The text of a script with the definitions of this module.

    Raises: ContractError if it uses a name that is not defined here.
    """
    script = SCRIPTS[name]
    head = [field.name for field in layout(script.head).fields] if script.head else []
    for asked in set(re.findall(r"\barg\.(\w+)", text)) - set(head):
        raise ContractError(f"{name}.lua asks for arg.{asked}, which its head in schema.py has not")

    def text_of(named: re.Match[str]) -> str:
        try:
            return repr(_TEXTS[named[1]][named[2]])
        except KeyError:
            raise ContractError(f"{name}.lua names {named[0]}, which is not in schema.py") from None

    before = "\n".join((_words(), _arguments(script), _reply(script), _kept(), ""))
    return before + _NAMED.sub(text_of, text)


@cache
def _words() -> str:
    life = {
        state: ", ".join(f"{event} = {to.value!r}" for (of, event), to in TRANSITIONS.items() if of is state)
        for state in State
    }
    endings = ", ".join(repr(ending) for ending in keys.OF_BATCH.values())
    return "\n".join(
        [
            f"local LIFE = {{ {', '.join(f'{state} = {{ {events} }}' for state, events in life.items())} }}",
            f"local UNSETTLED = {{ {', '.join(f'{state} = true' for state in sorted(UNSETTLED))} }}",
            f"local REASON_OF = {{ {_table({str(state): str(word) for state, word in REASON_OF.items()})} }}",
            f"local WORDS = {{ {', '.join(repr(str(word)) for word in WORDS)} }}",
            "local NUMBERS = {}",
            "for number, word in ipairs(WORDS) do NUMBERS[word] = number end",
            f"local WEBHOOK_EVENTS = {{ {', '.join(f'[{str(word)!r}] = true' for word in WEBHOOK_EVENTS)} }}",
            f"local EVENTS_KEPT, AUDIT_KEPT, TOKENS_SINCE = {EVENTS_KEPT}, {AUDIT_KEPT}, {TOKENS_SINCE}",
            f"local SETTLING_MS = {SETTLING_MS}",
            f"local OF_OWNER, DEFAULT_OWNER = {scopes.OWNER!r}, {DEFAULT!r}",
            f"local OUTBOX_MOST, BULK_END = {OUTBOX_MOST}, {BULK_END!r}",
            f"local DELIVERIES_KEPT, DELIVERIES_KEPT_MS = {DELIVERIES_KEPT}, {DELIVERIES_KEPT_MS}",
            f"local ELSEWHERE, FORMAT = {ELSEWHERE!r}, {FORMAT.decode()!r}",
            f"local function endings() return {{ {endings} }} end",
        ]
    )


def _table(names: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in names.items())


def _arguments(script: Script) -> str:
    head = layout(script.head).taking("2") if script.head else []
    first = 2 + len(head)
    lines = [f"local arg = {{ {', '.join(f'{name} = {value}' for name, value in head)} }}"]
    if script.row:
        row = layout(script.row).taking("i")
        lines += [
            f"local FIRST_ROW, ROW_WIDTH = {first}, {len(row)}",
            "local function rows()",
            "  local row, i = {}, FIRST_ROW - ROW_WIDTH",
            "  return function()",
            "    i = i + ROW_WIDTH",
            "    if i > #ARGV then return nil end",
            f"    {', '.join(f'row.{name}' for name, _ in row)} =",
            f"      {', '.join(value for _, value in row)}",
            "    return row",
            "  end",
            "end",
        ]
    return "\n".join(lines)


def _reply(script: Script) -> str:
    if not script.reply:
        return ""
    row = layout(script.reply)
    names = ", ".join(field.name for field in row.fields)
    values = row.giving()
    places = ", ".join(f"list[n + {place}]" for place in range(1, len(values) + 1))
    return (
        f"local function give(list, {names})\n  local n = #list\n  {places} =\n    {', '.join(values)}\nend"
    )


def _kept() -> str:
    """
    `job_of`, `kept_of` and `attempt_of`, without loops, because they run for every job.

    The prelude defines `word_of` and `number_of`.
    """
    unfold = {
        Kind.TEXT: "kept[%d] or ''",
        Kind.OPTIONAL: "kept[%d] or ''",
        Kind.NUMBER: "kept[%d] or 0",
        Kind.FIXED: "WORDS[kept[%d]]",
        Kind.WORD: "word_of(batch, kept[%d] or '')",
        Kind.REASON: "(kept[%d] or '') ~= '' and word_of(batch, kept[%d]) or REASON_OF[WORDS[kept[1]]] or ''",
        Kind.BELIEFS: "(kept[%d] or '') ~= '' and kept[%d] or {}",
    }
    fold = {
        Kind.TEXT: "job.%s",
        Kind.OPTIONAL: "job.%s",
        Kind.NUMBER: "job.%s",
        Kind.FIXED: "NUMBERS[job.%s]",
        Kind.WORD: "number_of(batch, job.%s)",
        Kind.REASON: "job.%s == REASON_OF[job.state] and '' or number_of(batch, job.%s)",
        Kind.BELIEFS: "next(job.%s) and job.%s or ''",
    }
    attempt = {
        Kind.NUMBER: "a.%s",
        Kind.OPTIONAL: "a.%s or ''",
        Kind.MS: "ms(a.%s)",
        Kind.OPTIONAL_MS: "a.%s and ms(a.%s) or ''",
        Kind.FIXED: "NUMBERS[a.%s]",
        Kind.WORD: "number_of(batch, a.%s or '')",
        Kind.FLAG: "a.%s and 1 or ''",
    }
    unfolded = (
        f"{name} = {unfold[kind].replace('%d', str(place))}"
        for place, (name, kind) in enumerate(JOB.items(), 1)
    )
    folded = (fold[kind].replace("%s", name) for name, kind in JOB.items())
    encoded = (attempt[kind].replace("%s", name) for name, kind in ATTEMPT.items())
    return "\n".join(
        [
            f"local PLACES = {len(JOB)}",
            f"local function job_of(batch, kept, word_of) return {{ {', '.join(unfolded)} }} end",
            f"local function kept_of(batch, job, number_of) return {{ {', '.join(folded)} }} end",
            "local function ms(seconds) return math.floor(seconds * 1000 + 0.5) end",
            f"local function attempt_of(batch, a, number_of) return {{ {', '.join(encoded)} }} end",
        ]
    )
