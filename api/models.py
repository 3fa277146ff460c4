"""
The schemas of answers, for OpenAPI; msgspec writes the answers from the ledger's own values.

Members may be added to any answer; none is renamed.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[int, Field(ge=0)]
Time = Annotated[float, Field(description="Unix seconds.")]


class Shape(BaseModel):
    """An object that may get further members."""

    model_config = ConfigDict(extra="allow")


class RowProblem(Shape):
    """A problem in a row; the values of the row are not included."""

    row: int | None
    field: str
    problem: str
    hint: str


class Problem(Shape):
    """An error (RFC 9457)."""

    type: str = Field(examples=["urn:widget-provisioner:problem:not-found"])
    title: str
    status: int
    detail: str
    hint: str = ""
    notes: list[str] = Field([], description="Warnings about the batch; no row was refused because of them.")


class BoundsShape(Shape):
    """How many widgets exist, at least and at most."""

    least: int
    most: int


class HoldShape(Shape):
    """A pause, brake or stop-loss: no job in its scope is sent."""

    scope: str
    at: Time
    by: str
    why: str
    kind: str


class Batch(Shape):
    """Status of a batch; the counts in `states` add up to `accepted`."""

    batch: str = Field(examples=["b7k2m9qx"])
    name: str
    owner: str
    accepted: Number
    elsewhere: dict[str, Number] = Field(
        description="Other batches that have jobs which were submitted with this one, with how many."
    )
    states: dict[str, Number]
    bounds: BoundsShape
    attempts: Number
    causes: dict[str, dict[str, int]]
    paused: bool
    brakes: list[HoldShape]
    holds: list[HoldShape] = Field(description="The first twenty holds.")
    hold_count: Number
    settled: bool
    opened_at: Time
    settled_at: Time | None
    primary_changed_at: Time | None = Field(
        description="Last time Redis was restarted or replaced and may have lost writes."
    )


class Batches(Shape):
    """A page of batches, the newest first; `next` is the cursor of the page after it."""

    batches: list[Batch]
    next: str | None


class Job(Shape):
    """A job with its history."""

    job: str = Field(examples=["b7k2m9qx.17"])
    batch: str
    key: str
    row: int | None
    label: str
    credential: str
    state: str
    reason: str
    at: Time
    attempts: list[dict[str, Any]]
    moves: list[dict[str, Any]]
    bounds: BoundsShape
    worker: str | None
    not_before: Time | None
    widget_id: str | None
    bot_id: str | None
    created_at: str | None
    late_widget_ids: list[str]
    widget_key: str | None = Field(None, description="Only for a token with the scope `keys`.")


class Jobs(Shape):
    """A page of jobs; it may hold fewer than `limit` although `next` shows that there are more."""

    jobs: list[Job]
    next: str | None


class TakenJob(Shape):
    """A submitted row and its verdict."""

    row: int | None
    key: str
    job: str
    verdict: str


class TakenBatch(Shape):
    """
    Result of an upload.

    `jobs` and `problems` hold the first thousand each; the counts hold all.
    """

    batch: str = Field(description="Exists also if the upload contained nothing new.")
    name: str
    rows: Number
    accepted: Number = Field(description="Number of jobs that this upload queued.")
    bad_rows: Number
    verdicts: dict[str, Number]
    jobs: list[TakenJob]
    truncated: bool = Field(
        description="Whether jobs or problems were left out; GET /v1/batches/{batch}/jobs lists all jobs."
    )
    problem_count: Number
    problems: list[RowProblem]
    elsewhere: dict[str, Number] = Field(
        description="Other batches that have jobs of this upload, because they were known, with how many."
    )
    others: dict[str, Number] = Field(
        description="Other batches in which this upload queued known jobs again."
    )
    notes: list[str] = Field(description="Warnings; no row was refused because of them.")


class TakenOne(Shape):
    """A job in the ledger."""

    job: str = Field(examples=["b7k2m9qx.17"])
    batch: str
    key: str
    verdict: str = Field(description="One of new, redriven, replaced, queued or succeeded.")


class Changed(Shape):
    """Result of an operation."""

    batch: str
    done: str
    jobs: Number | None = None
    risky: Number | None = Field(
        None, description="Jobs among these that may already have a widget (redrive)."
    )
    left: Number | None = Field(
        None, description="Jobs not queued because they may already have a widget (redrive)."
    )


class Resolved(Shape):
    """A job in doubt that was resolved."""

    job: str
    state: str


class NewWebhook(Shape):
    """A webhook, with the secret that signs its notifications."""

    batch: str
    secret: str = Field(examples=["whsec_…"])


class NewJobWebhook(Shape):
    """A job's webhook, with the secret that signs its notifications."""

    job: str
    secret: str = Field(examples=["whsec_…"])


class _WebhookGoes(Shape):
    url: str = Field(description="Scheme, host and port only.", examples=["https://crm.example/…"])
    tries: Number
    failure: str
    given_up: Number
    former_until: Time | None = Field(description="Until then the former secret signs as well.")


class WebhookState(_WebhookGoes):
    """
    Status of a webhook. `failure` is empty unless the last delivery failed: then it is the HTTP status, or
    `unreachable` if there was no answer.
    """

    batch: str


class JobWebhookState(_WebhookGoes):
    """Status of a job's webhook."""

    job: str


class RefusedMessage(Shape):
    """A message that the Celery intake refused."""

    at: Time
    reason: str
    task: str
    batch: str
    owner: str
    keys: list[str] = Field(description="Keys of its refused jobs, a hundred at most.")


class RefusedMessages(Shape):
    """The latest refused messages, newest first."""

    messages: list[RefusedMessage]


class Health(Shape):
    """Health status."""

    status: str


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
