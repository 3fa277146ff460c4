"""
The schemas of answers and webhook events, for OpenAPI; msgspec writes them from the ledger's own values.

Members may be added to any of them; none is renamed. A test compares real answers with these schemas.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provisioning.attempt import Evidence, Outcome
from provisioning.causes import Cause
from provisioning.job import Verdict
from provisioning.ledger.bulk_acts import Verb
from provisioning.ledger.schema import BulkState, Happened, HoldKind, Move, Reason
from provisioning.lifecycle import State

Number = Annotated[int, Field(ge=0)]
Time = Annotated[float, Field(description="Unix seconds.")]

# Any string fits as well: a generated client that knows only the words of its day must read newer ones.
AnyReason = Annotated[
    Reason | Cause | str,
    Field(
        description="Why the job is in its state. Words may be added: also reasons of workers, `http_` with "
        "a status (`http_500`) and the widget API's own error keys (`bot_not_found`) occur."
    ),
]


def _without_titles(schema: dict[str, Any]) -> None:
    """
    Leaves out what says nothing: a member's name in other letters.

    Generators would name types after such titles, and two members of one name would collide.
    """
    schema.pop("additionalProperties", None)  # JSON Schema's default, without a type for misspelt members
    for member in schema.get("properties", {}).values():
        member.pop("title", None)
        member.pop("default", None)  # a member that is left out says nothing, and no other thing


class Shape(BaseModel):
    """An object that may get further members."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_without_titles)


class RowProblem(Shape):
    """A problem in a row or parameter; the values that were sent are not included."""

    row: int | None = Field(
        description="Row as a spreadsheet counts, or line, from 1; null if it is not of a row."
    )
    field: str = Field(description="Column, path in the body or parameter; empty if it is of none.")
    problem: str = Field(description="What is wrong, for people.")
    hint: str = Field(description="The way out, for people; may be empty.")


class Problem(Shape):
    """An error (RFC 9457)."""

    type: str = Field(
        description="What kind of error: programs compare this. Types may be added.",
        examples=["urn:widget-provisioner:problem:not-found"],
    )
    title: str = Field(description="The kind of error in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, for people.")
    hint: str = Field("", description="The way out, for people.")
    notes: list[str] = Field([], description="Warnings about the batch; no row was refused because of them.")
    problem_count: Number = Field(0, description="Number of problems, of `bad-rows`.")
    problems: list[RowProblem] = Field(
        [], description="The first thousand problems, of `bad-rows` and `invalid`."
    )
    job: str = Field("", description="Id of the known job, of `not-accepted`.")
    batch: str = Field("", description="Id of its batch, of `not-accepted`.")
    key: str = Field("", description="Its key, of `not-accepted`.")
    verdict: Verdict | None = Field(None, description="Why it was not queued, of `not-accepted`.")


class Bounds(Shape):
    """How many widgets exist, at least and at most."""

    least: Number
    most: Number


class Hold(Shape):
    """A pause, brake or stop-loss: no job in its scope is sent."""

    scope: str = Field(
        description="What it holds back: `all`, `batch:ID`, `credential:NAME` or `target:URL`.",
        examples=["batch:b7k2m9qx"],
    )
    at: Time
    by: str = Field(description="Who set it: a person, or a worker.")
    why: str = Field(description="The reason given, or what happened and what to do.")
    kind: HoldKind
    trying: bool = Field(False, description="Whether it was resumed and one job is being sent to try.")
    first: Number = Field(
        0, description="Set after the first so many jobs were sent, as their submitter asked; else 0."
    )


class StateCounts(Shape):
    """Number of jobs in each state."""

    queued: Number
    claimed: Number
    sending: Number
    succeeded: Number
    dead: Number
    in_doubt: Number
    cancelled: Number


class Causes(Shape):
    """Number of jobs by cause; a state without jobs is left out."""

    dead: dict[str, Number] = Field({}, description="Of dead jobs.")
    in_doubt: dict[str, Number] = Field({}, description="Of jobs in doubt.")


class Batch(Shape):
    """Status of a batch; the counts in `states` add up to `accepted`."""

    batch: str = Field(description="Id.", examples=["b7k2m9qx"])
    name: str = Field(description="The name given, or one after its contents; unique for its owner.")
    owner: str = Field(description="Whose it is; `default` unless another was named.")
    accepted: Number = Field(description="Number of jobs.")
    elsewhere: dict[str, Number] = Field(
        description="Other batches that have jobs which were submitted with this one, with how many."
    )
    states: StateCounts
    bounds: Bounds
    attempts: Number = Field(description="POSTs begun.")
    causes: Causes
    first: Number | None = Field(
        description="Highest number of the jobs that are sent before it is paused; null without such a limit."
    )
    paused: bool = Field(description="Whether it is held until a person decides: by a pause or a stop-loss.")
    brakes: list[Hold] = Field(description="The brakes among `holds`.")
    holds: list[Hold] = Field(description="The first twenty holds, pauses before brakes.")
    hold_count: Number = Field(description="Number of all holds.")
    settled: bool = Field(description="Whether all jobs have ended or wait for a person.")
    opened_at: Time
    settled_at: Time | None = Field(description="Unix seconds; null until it has settled.")
    primary_changed_at: Time | None = Field(
        description="Last time Redis was restarted or replaced and may have lost writes; null for never."
    )


class BatchPage(Shape):
    """A page of batches, the newest first."""

    batches: list[Batch]
    next: str | None = Field(description="The `cursor` of the next page; null if there is none.")


class Attempt(Shape):
    """One POST to the widget API."""

    drive: int = Field(ge=1, description="1, and one more after each redrive.")
    n: int = Field(ge=1, description="Number within its drive: a redrive counts anew.")
    at: Time
    seconds: float = Field(description="From the intent to send until the answer, or until it was given up.")
    outcome: Outcome
    evidence: Evidence
    status: int | None = Field(description="HTTP status; null if none was seen.")
    error: Cause | str = Field(
        description="The cause; empty if the widget was created. Words may be added: also `http_` with a "
        "status (`http_500`) and the widget API's own error keys (`bot_not_found`) occur."
    )
    message: str = Field(description="The widget API's own explanation, shortened; may be empty.")
    next_delay: float | None = Field(description="Seconds until the next attempt; null if there is none.")
    worker: str = Field(description="The worker that sent it.")
    late: bool = Field(description="Whether the answer came when the worker no longer had the job.")


class JobMove(Shape):
    """A change in the history of a job that is no attempt."""

    move: Move
    at: Time
    by: str = Field(description="Who did it: a person or token.")
    was: AnyReason = Field(
        description="The reason before; may be empty. Words may be added, as to a job's `reason`."
    )
    why: str = Field(description="The reason given; may be empty.")


class Job(Shape):
    """A job with its history."""

    job: str = Field(description="Id.", examples=["b7k2m9qx.17"])
    batch: str = Field(description="Id of its batch.")
    key: str = Field(description="The tenant's own reference, as submitted.")
    row: int | None = Field(description="Row of the file, as a spreadsheet counts; null if there is none.")
    label: str = Field(description="Words for people; may be empty.")
    credential: str = Field(description="Name of the company's credential.")
    state: State
    reason: AnyReason
    at: Time = Field(description="Since when it is in this state; Unix seconds.")
    attempts: list[Attempt] = Field(description="The oldest first.")
    moves: list[JobMove] = Field(description="The oldest first.")
    bounds: Bounds
    worker: str | None = Field(description="The worker that has it now.")
    not_before: Time | None = Field(description="Its earliest next attempt; Unix seconds.")
    widget_id: str | None = Field(description="Id of its widget; null if none is known.")
    bot_id: str | None = Field(description="Bot of its widget, as the widget API wrote it.")
    created_at: str | None = Field(description="When the widget was created, as the widget API wrote it.")
    late_widget_ids: list[str] = Field(description="Further widgets, known from late answers.")
    widget_key: str | None = Field(None, description="Only for a token with the scope `keys`.")


class JobPage(Shape):
    """A page of jobs; it may hold fewer than `limit` although `next` shows that there are more."""

    jobs: list[Job]
    next: str | None = Field(description="The `cursor` of the next page; null if there is none.")


class DeletedJob(Shape):
    """What is still known of a job whose batch is past its retention."""

    job: str = Field(description="Id.")
    key: str
    credential: str
    state: State = Field(description="In which it ended.")


class FoundJobs(Shape):
    """The jobs of a tenant."""

    jobs: list[Job]
    deleted: list[DeletedJob]
    truncated: bool = Field(description="Whether there are more than `limit`.")


class TakenJob(Shape):
    """A submitted row and its verdict."""

    row: int | None = Field(description="Row or line of the upload; null in a JSON body.")
    key: str
    job: str = Field(description="Id of the job.")
    verdict: Verdict


class TakenBatch(Shape):
    """
    Result of an upload.

    `jobs` and `problems` hold the first thousand each; the counts hold all.
    """

    batch: str = Field(description="Id; exists also if the upload contained nothing new.")
    name: str
    rows: Number = Field(description="Number of rows that are not blank, invalid ones included.")
    accepted: Number = Field(description="Number of jobs that this upload queued.")
    bad_rows: Number = Field(description="Number of invalid rows.")
    verdicts: dict[Verdict, Number] = Field(description="Number of rows by verdict.")
    jobs: list[TakenJob] = Field(description="The first thousand.")
    truncated: bool = Field(
        description="Whether jobs or problems were left out; GET /v1/batches/{batch}/jobs lists all jobs."
    )
    problem_count: Number = Field(description="Number of all problems; a row may have several.")
    problems: list[RowProblem] = Field(description="The first thousand.")
    elsewhere: dict[str, Number] = Field(
        description="Other batches that have jobs of this upload, because they were known, with how many."
    )
    others: dict[str, Number] = Field(
        description="Other batches in which this upload queued known jobs again."
    )
    notes: list[str] = Field(description="Warnings; no row was refused because of them.")


class TakenOne(Shape):
    """A job in the ledger."""

    job: str = Field(description="Id.", examples=["b7k2m9qx.17"])
    batch: str = Field(description="Id of its batch.")
    key: str
    verdict: Verdict = Field(description="One of new, redriven, replaced, queued or succeeded.")


class Done(StrEnum):
    """What an operation on a batch has done."""

    PAUSED = "paused"
    HELD_ALREADY = "held already"
    NOT_HELD = "not held"
    GOES_ON = "goes on"
    PROBE = "one job is sent to try"
    CANCELLED = "cancelled"
    NOTHING = "nothing"
    QUEUED_AGAIN = "queued again"


class Changed(Shape):
    """Result of an operation."""

    batch: str = Field(description="Id.")
    done: Done
    jobs: Number | None = Field(None, description="Jobs that were cancelled or queued again.")
    risky: Number | None = Field(
        None, description="Jobs among these that may already have a widget (redrive)."
    )
    left: Number | None = Field(
        None, description="Jobs not queued because they may already have a widget (redrive)."
    )


class Resolved(Shape):
    """A job in doubt that was resolved."""

    job: str = Field(description="Id.")
    state: Literal[State.SUCCEEDED, State.QUEUED] = Field(description="Where it is now.")


class NewWebhook(Shape):
    """A webhook, with the secret that signs its notifications."""

    batch: str = Field(description="Id.")
    secret: str = Field(description="Shown only here.", examples=["whsec_…"])


class NewJobWebhook(Shape):
    """A job's webhook, with the secret that signs its notifications."""

    job: str = Field(description="Id.")
    secret: str = Field(description="Shown only here.", examples=["whsec_…"])


class _WebhookGoes(Shape):
    url: str = Field(description="Scheme, host and port only.", examples=["https://crm.example/…"])
    tries: Number = Field(description="Failed deliveries of the next event.")
    failure: str = Field(
        description="Empty unless the last delivery failed: then the HTTP status, or `unreachable`."
    )
    given_up: Number = Field(description="Events that were dropped after the last delivery failed.")
    former_until: Time | None = Field(description="Until then the former secret signs as well.")


class WebhookState(_WebhookGoes):
    """
    Status of a webhook. `failure` is empty unless the last delivery failed: then it is the HTTP status, or
    `unreachable` if there was no answer.
    """

    batch: str = Field(description="Id.")


class JobWebhookState(_WebhookGoes):
    """Status of a job's webhook."""

    job: str = Field(description="Id.")


EventTime = Annotated[
    str, Field(description="When it happened (ISO 8601, UTC).", examples=["2026-11-23T03:02:11Z"])
]


class BatchEvent(Shape):
    """The body of a webhook of a batch."""

    type: Literal[Happened.BATCH_SETTLED, Happened.BATCH_STOPPED, Happened.BATCH_BRAKED] = Field(
        description="The event."
    )
    timestamp: EventTime
    data: Batch = Field(description="The batch at the first delivery.")


class JobEvent(Shape):
    """The body of a webhook of a single job."""

    type: Literal[
        Happened.JOB_SUCCEEDED, Happened.JOB_DEAD, Happened.JOB_IN_DOUBT, Happened.JOB_CANCELLED
    ] = Field(description="The event.")
    timestamp: EventTime
    data: Job = Field(description="The job at the first delivery; without the key of its widget.")


class StreamEvent(Shape):
    """A server-sent event about a batch."""

    id: str = Field(description="What Last-Event-ID takes.", examples=["1795404131000-0"])
    event: Literal[
        "batch.progressed",
        Happened.BATCH_SETTLED,
        Happened.BATCH_PAUSED,
        Happened.BATCH_BRAKED,
        Happened.BATCH_STOPPED,
        Happened.BATCH_RELEASED,
    ] = Field(description="What happened; `batch.progressed` means other counts.")
    data: str = Field(
        description="The whole batch as JSON, in one line.",
        json_schema_extra={
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Batch"},
        },
    )


class OutcomeFile(Shape):
    """An outcome file."""

    rows: Number
    sha256: str = Field(description="Of the file, hexadecimal.")


class SourceFile(Shape):
    """A file whose rows were all submitted to the batch."""

    name: str
    sha256: str = Field(description="Of the file, hexadecimal.")
    rows: Number
    by: str = Field(description="Who submitted it first.")
    at: Time


class Manifest(Shape):
    """The file manifest.json: the batch and its outcome files."""

    schema_: Literal[1] = Field(alias="schema", description="Version of this shape.")
    batch: str = Field(description="Id.")
    name: str
    written_at: str = Field(description="ISO 8601, UTC.")
    settled: bool = Field(description="Whether all jobs had ended or waited for a person.")
    accepted: Number = Field(description="Rows in all files together.")
    bounds: Bounds
    source: dict[str, str] = Field(description="What opened the batch: of a file `source`, `sha256`, `by`.")
    sources: list[SourceFile]
    files: dict[str, OutcomeFile] = Field(description="By name.")


class RefusedMessage(Shape):
    """A message that the Celery intake refused."""

    at: Time
    reason: str = Field(description="Why, for people.")
    task: str = Field(description="Id of the message.")
    batch: str = Field(description="Name of the batch in the message; may be empty.")
    owner: str = Field(description="For whom it was to submit; empty if it named none that could be one.")
    keys: list[str] = Field(description="Keys of its refused jobs, a hundred at most.")


class RefusedMessages(Shape):
    """The latest refused messages, newest first."""

    messages: list[RefusedMessage]


class CauseCount(Shape):
    """Jobs of a batch that ended alike."""

    batch: str = Field(description="Id.")
    name: str
    state: Literal[State.DEAD, State.IN_DOUBT]
    cause: AnyReason
    count: Number
    risky: Number = Field(description="Of these, jobs that may have a widget.")
    first: Time = Field(description="When the first of them got there; Unix seconds.")
    last: Time = Field(description="When the last of them got there; Unix seconds.")
    example: str = Field(description="Id of one of them, the first that was submitted.")
    message: str = Field(description="The widget API's own explanation to this one; may be empty.")
    meaning: str = Field(description="What happened, for people; empty if only the widget API knows.")
    advice: str = Field(
        description="What to do, for people. It names commands; operations of this API have the same names."
    )


class CausesOfBatch(Shape):
    """Why jobs of a batch are dead or in doubt, the most frequent cause first."""

    batch: str = Field(description="Id.")
    name: str
    state: Literal[State.DEAD, State.IN_DOUBT]
    causes: list[CauseCount]


class Ended(Shape):
    """Number of jobs by the state that they reached; a state that none reached is left out."""

    succeeded: Number = 0
    dead: Number = 0
    in_doubt: Number = 0
    cancelled: Number = 0


class Span(Shape):
    """The results of a batch in one span of time."""

    at: Time = Field(description="Its begin; Unix seconds.")
    seconds: Number = Field(description="Its length.")
    attempts: Number = Field(description="POSTs begun in it.")
    ended: Ended


class BatchHistory(Shape):
    """A batch over time, oldest first; spans without events are left out."""

    batch: str = Field(description="Id.")
    spans: list[Span]


class Act(Shape):
    """What a person or service did."""

    act: str = Field(
        description="`pause`, `resume`, `cancel`, `redrive`, `resolve`, `pace`, `webhook`, …. Words may be "
        "added; an entry that this version cannot read is `unreadable`."
    )
    at: Time
    by: str = Field(description="Person or token.")
    on: str = Field(
        description="`all`, `batch:ID`, `job:ID`, `credential:NAME`, `target:URL`, `owner:NAME`, "
        "`token:NAME` or `user:NAME`.",
        examples=["batch:b7k2m9qx"],
    )
    why: str = Field(description="The reason given; may be empty.")
    facts: dict[str, str | float | bool | None] = Field(description="The result, in words and numbers.")


class ActPage(Shape):
    """A page of acts, the newest first; it may hold fewer than `limit` although there are more."""

    acts: list[Act]
    next: str | None = Field(description="The `cursor` of the next page; null if there is none.")


class Outage(Shape):
    """An outage of the widget API that a worker suspects."""

    certain: bool = Field(description="Whether a probe has failed as well.")
    since: Time = Field(description="The first failure; Unix seconds.")
    cause: str = Field(description="Of the last failure.")
    next_probe: Time = Field(description="The next probes; Unix seconds.")


class Worker(Shape):
    """A worker at its last sign of life."""

    name: str
    at: Time = Field(description="Its last sign of life; Unix seconds.")
    in_flight: Number = Field(description="POSTs in flight.")
    limit: Number = Field(description="Its limit of POSTs in flight.")
    in_hand: Number = Field(description="Jobs that it holds, those that wait for another attempt included.")
    refused: float = Field(description="Share of its last answers that pushed back; 0 to 1.")
    outage: Outage | None = Field(description="Null if it suspects none.")
    rates: dict[str, float] = Field(description="Learned rates in use, by credential; POSTs per second.")
    credentials: list[str] = Field(description="Names of the credentials that it has.")
    settings: dict[str, str] = Field(description="Settings that should be equal on all workers.")
    skew: float = Field(description="Seconds by which its clock is ahead of that of Redis.")


class SendingLimit(Shape):
    """One thing that limits sending; members that do not apply are left out."""

    kind: Literal["outage", "learned_rate", "pace", "concurrency"]
    on: str = Field("", description="The credential; of `concurrency` the worker.")
    per_second: float | None = Field(None, description="Of a rate: POSTs per second.")
    at_once: int | None = Field(None, description="Of `concurrency`: the limit of POSTs in flight.")
    refused: float | None = Field(
        None, description="Of `concurrency`: share of the last answers that pushed back; 0 to 1."
    )
    since: Time | None = Field(None, description="Begin of an outage or a learned rate; Unix seconds.")
    certain: bool | None = Field(None, description="Of an outage: whether a probe has failed as well.")
    cause: str | None = Field(None, description="Of an outage: its last failure.")
    next_probe: Time | None = Field(None, description="Of an outage: the next probes; Unix seconds.")
    workers: int | None = Field(None, description="Of an outage: how many workers have detected it.")


class CredentialPace(Shape):
    """How many POSTs per second a credential may start, over all workers and owners."""

    credential: str
    pace: str | None = Field(
        description="`5/s`, `300/m`, `1000/h` or `unlimited`; null if none is set, and the settings of the "
        "workers with this credential differ, or there is no such worker."
    )
    set: bool = Field(description="Whether a person has set it; else it is PROVISION_RATE of the workers.")
    workers: Number = Field(description="Workers alive that have this credential.")


class LearnedRate(Shape):
    """What the widget API accepts for a credential, learned from its answers of 429."""

    credential: str
    per_second: float
    since: Time


class Sending(Shape):
    """The workers that are alive, and what limits sending; the same for all owners."""

    workers: list[Worker]
    differing_settings: list[str] = Field(
        description="Settings that differ between workers and should not, by name."
    )
    limits: list[SendingLimit] = Field(description="The most severe first.")
    paces: list[CredentialPace] = Field(description="Those that a person has set.")
    learned_rates: list[LearnedRate] = Field(description="Those in force, also where a pace is lower.")
    holds: list[Hold] = Field(description="Those that are not of one batch.")
    memory_share: float | None = Field(
        description="Used share of the memory that Redis may use, 0 to 1; null if it has no limit."
    )


class CredentialChanged(Shape):
    """Result of an operation on a credential."""

    credential: str
    done: Literal[Done.PAUSED, Done.HELD_ALREADY, Done.NOT_HELD, Done.GOES_ON, Done.PROBE]


class Health(Shape):
    """Health status."""

    status: Literal["alive", "ready"]


class RotatedWebhook(Shape):
    """The new secret of a webhook; until `former_until` deliveries are signed with the former one too."""

    batch: str | None = None
    job: str | None = None
    owner: str | None = None
    secret: str = Field(examples=["whsec_…"])
    former_until: Time


class TestedWebhook(Shape):
    """What came of a test event."""

    batch: str | None = None
    job: str | None = None
    owner: str | None = None
    id: str = Field(description="The `webhook-id` of the message.")
    accepted: bool
    status: int | None = Field(description="HTTP status; null if there was no answer.")
    failure: str = Field(description="Empty, the HTTP status, or `unreachable`.")
    milliseconds: int | None = Field(description="Until the answer; null if there was none.")


class WebhookDelivery(Shape):
    """The delivery of an event, with what came of the last attempt."""

    id: str = Field(description="The `webhook-id`, the same in each attempt.")
    event: str = Field(examples=["batch.settled"])
    outcome: str = Field(description="`accepted`, `waiting` or `given_up`.")
    attempts: Number
    at: Time = Field(description="The first attempt, Unix seconds.")
    last_at: Time = Field(description="The last attempt, Unix seconds.")
    status: int | None = Field(description="HTTP status; null if there was no answer.")
    failure: str = Field(description="Empty, the HTTP status, or `unreachable`.")
    milliseconds: int | None = Field(description="Until the answer; null if there was none.")


class WebhookDeliveries(Shape):
    """The last deliveries of a webhook, newest first."""

    batch: str | None = None
    job: str | None = None
    owner: str | None = None
    deliveries: list[WebhookDelivery]


class Redelivered(Shape):
    """A delivery that waits to be repeated."""

    batch: str | None = None
    job: str | None = None
    owner: str | None = None
    id: str
    outcome: str


class NewOwnerWebhook(Shape):
    """An owner's webhook, with the secret that signs its notifications."""

    owner: str
    secret: str = Field(examples=["whsec_…"])


class OwnerWebhookState(_WebhookGoes):
    """
    Status of an owner's webhook. `given_up` counts events of a full outbox too; `failure` may also be
    `deleted`: the batch or job of the event was deleted before it was delivered.
    """

    owner: str
    events: list[str] = Field(description="The types of events that it gets.")


class BulkActSelection(Shape):
    """Which jobs a bulk act is for; empty and null members mean any."""

    state: State | None
    reason: str
    credential: str
    key: str
    since: Time | None
    until: Time | None = Field(description="Jobs that reached the state later are left out.")


class BulkActState(Shape):
    """A bulk act, and how far it is."""

    id: str
    act: Verb
    batch: str = Field(description="Id.")
    owner: str
    by: str = Field(description="The person or service that asked for it.")
    because: str
    selection: BulkActSelection
    state: BulkState = Field(description="`stopping`: it is cancelled, and a step may still be under way.")
    expected: Number = Field(description="Jobs that were selected when it was asked for.")
    seen: Number = Field(description="Jobs that it has looked at.")
    changed: Number = Field(description="Jobs that it has queued again, cancelled or resolved.")
    risky: Number = Field(description="Of a redrive: those of them that may already have a widget.")
    left: Number = Field(description="Of a redrive: jobs not queued because they may already have a widget.")
    queued: Number = Field(description="Of a resolution: jobs without a widget, which are sent again.")
    asked_at: Time
    ended_at: Time | None


class BulkActList(Shape):
    """The latest bulk acts, newest first."""

    bulk_acts: list[BulkActState]
