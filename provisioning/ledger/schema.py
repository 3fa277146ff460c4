"""
What the ledger's scripts and this program both go by: words, rows, keys and the way a job is kept.

Here each is said once. `lua(script, text)` puts it into the text of a script:

    STATE.QUEUED, …   the words of an enumeration by their Python names; likewise `KEY.names` and `OF.jobs` of
                      `keys.py`, `SCOPE.batch` of `scopes.py`. Each is replaced by its text; what is not
                      there is an error
    LIFE              `LIFE[state][event]`, the state that follows (`lifecycle.TRANSITIONS`)
    arg               the arguments of the script, by the names of its `head`
    rows()            goes over the rows that follow them; the table it gives is the same for each row
    give(list, …)     appends a row of the reply, its values in the order of their fields
    job_of, kept_of   a job of its array as it is kept, and the other way round
    attempt_of        the array of an attempt

Who changes how a job or its story is kept counts `FORMAT` up.
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
"""What `pv:format` says of a ledger that is written so; a program that knows another leaves it alone."""

FINGERPRINT: Final = 16
"""Digits of a fingerprint that are kept. It only tells whether one tenant's body has changed."""

# -- words ---------------------------------------------------------------------------------------------


class Reason(StrEnum):
    """Why a job is where it is, where the ledger itself moved it; answers and deferrals bring their own."""

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
    """Lines of a job's story that are no attempts."""

    ACCEPTED = "accepted"
    REPLACED = "replaced"
    REDRIVEN = "redriven"
    CANCELLED = "cancelled"
    CALLED_OFF = "called_off"
    RESOLVED_CREATED = "resolved_created"
    RESOLVED_ABSENT = "resolved_absent"


class Belief(StrEnum):
    """What is believed of a POST that left `sending` without an answer (decision 0003)."""

    OPEN = "open"  # it may have made a widget
    FOUND = "found"  # a person's word: it has
    ABSENT = "absent"  # a person's word: it has not
    ANSWERED = "answered"  # its answer has come late and is booked
    MOVED = "moved"  # likewise, and has moved the job


class Go(StrEnum):
    """The ledger's word on an intent to POST."""

    GO = "go"
    TRIAL = "trial"  # go: a brake lets it through, to try whether it may come off
    HELD = "held"  # something keeps the job back; it is queued again
    CANCELLED = "cancelled"  # a person has called the job off
    LOST = "lost"  # it is another worker's now


class How(StrEnum):
    """How the ledger has taken what was said of a job; said twice, as at first."""

    IN_TIME = "in_time"  # the job was waiting for it, and has moved by it
    LATE = "late"  # it was not any more; told in its story
    LATE_MOVE = "late_move"  # likewise, and the job has moved by it
    LOST = "lost"  # there is nothing of this left to record


class Affirmation(StrEnum):
    """What a primary knew of a POST that a worker told it of."""

    KNOWN = "known"
    TAKEN_UP = "taken_up"  # its intent was lost; the job is being sent, or the answer will be late
    RESTORED = "restored"  # its job was lost as well
    OTHER = "other"  # its job was lost, and its number or its key is another's by now


class Released(StrEnum):
    """What a person's word has done to a hold."""

    NOT_HELD = "not_held"
    RELEASED = "released"
    PROBE = "probe"  # one job is sent first, to try


class Shown(StrEnum):
    """What a job has shown of a brake that let it through."""

    GOOD = "good"
    BAD = "bad"
    UNCLEAR = "unclear"


class Sweep(StrEnum):
    """Classes of what is let go of after its retention."""

    PAYLOADS = "payloads"
    RESULTS = "results"
    DEAD = "dead"
    BATCHES = "batches"


class Happened(StrEnum):
    """What is appended to `keys.EVENTS`."""

    BATCH_SETTLED = "batch.settled"
    BATCH_PAUSED = "batch.paused"  # by a person
    BATCH_BRAKED = "batch.braked"  # by a brake on its credential, its target or itself
    BATCH_STOPPED = "batch.stopped"  # by the stop-loss
    BATCH_RELEASED = "batch.released"
    JOB_SUCCEEDED = "job.succeeded"  # of single jobs: nobody waits for a row of a file
    JOB_DEAD = "job.dead"
    JOB_IN_DOUBT = "job.in_doubt"
    JOB_CANCELLED = "job.cancelled"
    ACT = "act"  # a person's, in `keys.AUDIT`


WEBHOOK_EVENTS: Final = (
    *(Happened.BATCH_SETTLED, Happened.BATCH_STOPPED, Happened.BATCH_BRAKED),
    *(Happened.JOB_SUCCEEDED, Happened.JOB_DEAD, Happened.JOB_IN_DOUBT, Happened.JOB_CANCELLED),
)
"""What goes to the outbox of a webhook; the rest is for those who watch."""

TOKENS_SINCE: Final = 1_767_225_600_000
"""2026-01-01 in ms: fencing tokens count from then, so that Lua writes them whole, in 14 digits."""

SETTLING_MS: Final = 10_000
"""ms for which a Redis that may have lost writes takes no jobs, and is told of them: a connection that leads
nowhere is given up after 8 s."""

EVENTS_KEPT: Final = 50_000
"""Entries of `keys.EVENTS` that are kept at least, some 10 MB: whoever comes back finds what they missed."""


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


class HoldKind(StrEnum):
    """What has put a hold on."""

    PAUSED = "paused"  # a person
    BRAKE = "brake"  # the program; comes off after a probe
    STOP_LOSS = "stop_loss"  # the program, for a person to look
    CANCELLING = "cancelling"  # the program, while a cancel goes over the batch: nobody is told


ELSEWHERE: Final = "elsewhere"
"""In the place of a verdict: nothing was done, the body is sealed with the key of another batch."""

WORDS: Final = (
    *(*State, "created", "rejected", "denied", "misdirected", "unprocessed", "failed"),
    *("nothing_sent", "sent", "status_seen", "answered"),
)
"""Words with a number, from 1. It only ever grows at its end. Those of a batch have numbers from 101."""

REASON_OF: Final = {
    State.QUEUED: Reason.ACCEPTED,
    State.CLAIMED: Reason.CLAIMED,
    State.SENDING: Reason.SENDING,
    State.SUCCEEDED: Reason.CREATED,
    State.CANCELLED: Reason.CANCELLED,
}
"""Why a job is in a state, where nothing else is said: it is not kept then."""

# -- how a job is kept ---------------------------------------------------------------------------------


class Kind(StrEnum):
    """How a value is kept in an array."""

    TEXT = "text"
    NUMBER = "number"  # 0 where none is kept
    OPTIONAL = "optional"  # a number, '' where there is none
    FIXED = "fixed"  # by its number in `WORDS`
    WORD = "word"  # by its number: one of `WORDS`, or one of the batch
    REASON = "reason"  # likewise; '' where it is that of the state
    BELIEFS = "beliefs"  # a POST's name → `Belief`
    MS = "ms"  # seconds as whole ms
    OPTIONAL_MS = "optional_ms"
    FLAG = "flag"  # 1, '' for no


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
Places of a job's array. What is '' or 0 at its end is left out.

`calloff` is the token under which the job was being sent when a person called it off; `posts` what is
believed of POSTs that left `sending` without an answer, by `TOKEN:ATTEMPT`.
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
"""Places of an attempt's array, which are the fields of `Attempt`. What is '' at its end is left out."""

# -- rows that cross the line: the heads of scripts, the rows that follow them, those of replies -------


class OpenBatch(msgspec.Struct, frozen=True):
    """`period` is compared as text; '' for a name for good. `owner` is empty for `default`, as everywhere."""

    name: str
    period: str
    owner: str


class BatchField(msgspec.Struct, frozen=True):
    """A further field of a new batch."""

    name: str
    value: str


class AddSource(msgspec.Struct, frozen=True):
    """`facts` is a JSON object."""

    sha256: str
    facts: bytes


class KeepBatch(msgspec.Struct, frozen=True):
    """`most`: other batches that are noted."""

    most: int


class HomeOf(msgspec.Struct, frozen=True):
    """Another batch, and how many of the jobs that were handed over it has."""

    batch: str
    jobs: int


class Accept(msgspec.Struct, frozen=True):
    """
    The head of `accept`.

    Attributes:
        spellings: which of the jobs, from 1, may be known by which other spellings of its key.
    """

    who: str
    owner: str
    because: str
    leave_ended: bool
    dry: bool
    spellings: dict[int, list[str]] | None


class HandedOver(msgspec.Struct, frozen=True):
    """A job to be; see `provisioning.job.NewJob`."""

    key: str
    credential: str
    row: int | None
    label: str
    fingerprint: Hashed
    trace: str
    body: Sealed


class Elsewhere(msgspec.Struct, frozen=True):
    """A handed-over job lies in another batch: its body is to be sealed with the key of that one first."""

    batch: str


class Judged(msgspec.Struct, frozen=True):
    """The verdict on a job that was handed over: a `Verdict` or `ELSEWHERE`."""

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
        token: fencing token of this claim; every write names it.
        attempts: attempts already made in this drive.
        most: widgets that may exist for it by now.
        trace: W3C `traceparent` of the request that handed it over; empty if nobody traces.
        again: a worker has had it before.
        body: the JSON of the POST, as it was handed over; empty if it is not there any more.
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
    """A worker is about to POST: which job, under which token, which attempt."""

    number: Named
    token: int
    attempt: int
    credential: str


class Grant(msgspec.Struct, frozen=True):
    """
    The ledger's word on an intent.

    Attributes:
        reason: why it is held; else empty.
    """

    word: Go
    reason: str = ""

    @property
    def go(self) -> bool:
        """Whether the intent is recorded: the POST may start."""
        return self.word in (Go.GO, Go.TRIAL)


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What came of a POST, as the ledger needs it.

    Attributes:
        event: the arrow of `lifecycle.TRANSITIONS` to take.
        reason: the cause as one stable word.
        change: what the answer adds to the bounds that the intent had widened by [0, 1].
        attempt: the record of the POST.
        result: the created widget; None unless it was created.
        delay: of `RETRY_DUE`: hand the job back, not to be started before so many seconds; None to keep it.
        key: of the job. A Redis that has lost it may have given its number to another.
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


class Affirm(msgspec.Struct, frozen=True):
    """The head of `affirm`."""

    worker: str
    lease: Seconds
    owner: str


class Sent(msgspec.Struct, frozen=True):
    """A POST that was granted, and all that its job is made of, should that be lost as well."""

    number: Named
    token: int
    attempt: int
    key: str
    credential: str
    row: int | None
    fingerprint: Hashed
    trace: str
    body: Sealed


class Affirmed(msgspec.Struct, frozen=True):
    """What the ledger knew of a POST."""

    word: Affirmation


class Meet(msgspec.Struct, frozen=True):
    """`run_id`: of the Redis that was met, from `INFO server`; `before`: of the one before, or ''."""

    run_id: str
    before: str


class Answers(msgspec.Struct, frozen=True):
    """`stop_loss`: so many first jobs dead of one cause, and no other end, hold the batch back; 0: never."""

    stop_loss: int


class Answer(msgspec.Struct, frozen=True):
    """What came of a POST; the result goes for itself, to be sealed."""

    said: Answered
    result: Sealed


class Recorded(msgspec.Struct, frozen=True):
    """
    What became of a job by what was said of it.

    Attributes:
        state: where the job stands now; None if there is no job.
        reason: why.
    """

    how: How
    state: State | None
    reason: str

    @property
    def taken(self) -> bool:
        """Whether it was the caller's to say; otherwise nothing was done."""
        return self.how is not How.LOST

    @property
    def moved(self) -> bool:
        """Whether it has brought the job to `state`."""
        return self.how in (How.IN_TIME, How.LATE_MOVE)

    @property
    def late(self) -> bool:
        """Whether the job was not waiting for it any more; it is not the caller's to go on with."""
        return self.how in (How.LATE, How.LATE_MOVE)

    @property
    def goes_on(self) -> bool:
        """Whether it is in the caller's hands, to be tried again."""
        return self.how is How.IN_TIME and self.state is State.CLAIMED


class Deferral(msgspec.Struct, frozen=True):
    """A claimed job that its worker hands back, not to be started before `delay` seconds have passed."""

    number: Named
    token: int
    delay: Seconds
    reason: str


class Renewal(msgspec.Struct, frozen=True):
    """The head of `renew`."""

    lease: Seconds


class Held(msgspec.Struct, frozen=True):
    """A job in a worker's hands, under a token."""

    number: Named
    token: int


class RescueJobs(msgspec.Struct, frozen=True):
    """The head of `rescue`; see `transitions.rescue`."""

    most: int
    on_in_doubt: str
    attempts: int


class Lapse(msgspec.Struct, frozen=True):
    """A job whose lease has lapsed, where it stands now, and the worker that fell silent."""

    number: Named
    state: State
    key: str
    row: int | None
    worker: str


class Cancel(msgspec.Struct, frozen=True):
    """First and last number; `credential` '' for all."""

    first: int
    last: int
    who: str
    credential: str


class Matching(msgspec.Struct, frozen=True):
    """The head of `matching`: '' and None ask for anything; `key` may end in `*`."""

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
    A job that is meant, in short.

    Attributes:
        at: when it got into its state, Unix seconds.
        most: widgets that may exist for it.
    """

    number: Named
    reason: str
    at: Seconds
    most: int
    attempts: int

    @property
    def risky(self) -> bool:
        """Whether sending it again may make a second widget."""
        return self.most > 0


class Word(msgspec.Struct, frozen=True):
    """A row that is one word: another spelling of a key, a cause."""

    word: str


class Redrive(msgspec.Struct, frozen=True):
    """`because`: why a second widget is accepted; '' if it is not."""

    who: str
    because: str


class Number(msgspec.Struct, frozen=True):
    """A row that is the number of a job."""

    number: Named


class Resolve(msgspec.Struct, frozen=True):
    """A person's word on a doubt: the widget was found, or it was not."""

    number: int
    created: bool
    who: str
    result: Sealed


class Reap(msgspec.Struct, frozen=True):
    """The head of `reap`; see `transitions.reap`."""

    what: str
    sweep: str
    most: int
    ended_by: Seconds
    count_from: int | None


class Stretch(msgspec.Struct, frozen=True):
    """First and last number."""

    first: int
    last: int


class SumUp(msgspec.Struct, frozen=True):
    """Rank of the first batch, most batches, and most of which the jobs first in line are told."""

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
    """`read` is what is replaced by `new`, if `replace`; both may be empty, for nothing."""

    credential: str
    replace: bool
    read: bytes
    new: bytes


class PutHold(msgspec.Struct, frozen=True):
    """`hold` is a JSON object, `records.Hold`."""

    scope: str
    kind: HoldKind
    hold: bytes


class SetWebhook(msgspec.Struct, frozen=True):
    """
    The head of `set_webhook`.

    Attributes:
        on: id of a batch or job, or `owner:NAME`.
        before: the webhook that `webhook` takes the place of, or empty.
        events: of an owner's, what it is told of: words with a space around each, or `*`; else empty.
    """

    on: str
    before: bytes
    webhook: bytes
    events: str


class DueWebhooks(msgspec.Struct, frozen=True):
    """`most`: so many at once."""

    most: int


class TakeWebhook(msgspec.Struct, frozen=True):
    """`lease`: how long a try may last."""

    on: str
    lease: Seconds


class ToldWebhook(msgspec.Struct, frozen=True):
    """
    The head of `told_webhook`.

    Attributes:
        entry: id of the event that was told, or tried.
        webhook: who was told, as it is kept.
        done: it is not tried again.
        delay: before which nothing is tried.
        state: how the webhook goes now, as JSON.
        delivery: what came of it, as JSON; its times and attempts are added.
    """

    on: str
    entry: str
    webhook: bytes
    done: bool
    delay: Seconds
    state: bytes
    delivery: bytes


class WriteWebhook(msgspec.Struct, frozen=True):
    """The head of `write_webhook`; `entry` and `webhook` as in `ToldWebhook`."""

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
    """`webhook`: the one that is meant, as it is kept; empty for any."""

    on: str
    webhook: bytes


class Scope(msgspec.Struct, frozen=True):
    """A field of `keys.HOLDS`."""

    scope: str


class Tried(msgspec.Struct, frozen=True):
    """What a job has shown that was let through the brake on a scope."""

    scope: str
    shown: Shown


class Refuse(msgspec.Struct, frozen=True):
    """A message to keep, '' for none; most messages and bytes, and Unix seconds before which none is kept."""

    message: bytes
    most: int
    size: int
    before: int


@dataclass(frozen=True, slots=True)
class Script:
    """
    What crosses the line with one script of `lua/`.

    Attributes:
        head: its arguments; None if it has none.
        row: what follows them, any number of times; None if nothing does.
        reply: a row of its reply; None where it replies something else.
        durable: whether what it writes is to be where a failover cannot lose it, before anybody goes by it.
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
        Script("add_source", AddSource),
        Script("keep_batch", KeepBatch, HomeOf),
        Script("accept", Accept, HandedOver, Judged, durable=True),
        Script("claim", ClaimJobs, Room, Claimed),
        Script("sending", Send, Intent, Grant, durable=True),
        Script("answered", Answers, Answer, Recorded, durable=True),
        Script("affirm", Affirm, Sent, Affirmed, durable=True),
        Script("meet", Meet),
        Script("deferred", None, Deferral, Recorded),
        Script("renew", Renewal, Held),
        Script("rescue", RescueJobs, None, Lapse),
        Script("cancel", Cancel, durable=True),
        Script("matching", Matching, Word, Match),
        Script("redrive", Redrive, Number, durable=True),
        Script("resolve", Resolve, durable=True),
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
        Script("told_webhook", ToldWebhook),
        Script("redeliver", Redeliver),
        Script("remove_webhook", RemoveWebhook),
        Script("release", Scope),
        Script("tried", Tried),
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


# -- the same as Lua -----------------------------------------------------------------------------------

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
            "AFFIRMATION": Affirmation,
            "RELEASED": Released,
            "SHOWN": Shown,
            "SWEEP": Sweep,
            "HOLD_KIND": HoldKind,
            "HAPPENED": Happened,
            "DELIVERED": Delivered,
        }.items()
    },
    "KEY": keys.SHARED,
    "OF": keys.OF_BATCH,
    "SCOPE": scopes.KINDS,
}
_NAMED: Final = re.compile(rf"\b({'|'.join(_TEXTS)})\.(\w+)")


def lua(name: str, text: str) -> str:
    """
    The text of a script with all that it takes from here.

    Raises: ContractError if it names something that is not here.
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
            f"local WEBHOOKS_TELL = {{ {', '.join(f'[{str(word)!r}] = true' for word in WEBHOOK_EVENTS)} }}",
            f"local EVENTS_KEPT, TOKENS_SINCE = {EVENTS_KEPT}, {TOKENS_SINCE}",
            f"local SETTLING_MS = {SETTLING_MS}",
            f"local OF_OWNER, DEFAULT_OWNER = {scopes.OWNER!r}, {DEFAULT!r}",
            f"local OUTBOX_MOST = {OUTBOX_MOST}",
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
    `job_of` and `kept_of`, `attempt_of`: straight lines, since each stands in the way of every job.

    `word_of` and `number_of` are the prelude's.
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
    told = (attempt[kind].replace("%s", name) for name, kind in ATTEMPT.items())
    return "\n".join(
        [
            f"local PLACES = {len(JOB)}",
            f"local function job_of(batch, kept, word_of) return {{ {', '.join(unfolded)} }} end",
            f"local function kept_of(batch, job, number_of) return {{ {', '.join(folded)} }} end",
            "local function ms(seconds) return math.floor(seconds * 1000 + 0.5) end",
            f"local function attempt_of(batch, a, number_of) return {{ {', '.join(told)} }} end",
        ]
    )
