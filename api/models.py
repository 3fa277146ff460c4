"""
The shapes of answers, for OpenAPI; the answers are written by msgspec from the ledger's own values.

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
    """What is wrong with a row, without what stands in it."""

    row: int | None
    field: str
    problem: str
    hint: str


class Problem(Shape):
    """A refusal (RFC 9457)."""

    type: str = Field(examples=["urn:widget-provisioner:problem:not-found"])
    title: str
    status: int
    detail: str
    hint: str = ""
    notes: list[str] = Field(
        [], description="Of a batch: what a person should know and nothing was refused for."
    )


class BoundsShape(Shape):
    """How many widgets exist, at least and at most."""

    least: int
    most: int


class HoldShape(Shape):
    """Something that keeps jobs back."""

    scope: str
    at: Time
    by: str
    why: str
    kind: str


class Batch(Shape):
    """A batch in numbers; the states add up to `accepted`."""

    batch: str = Field(examples=["b7k2m9qx"])
    name: str
    accepted: Number
    states: dict[str, Number]
    bounds: BoundsShape
    attempts: Number
    causes: dict[str, dict[str, int]]
    paused: bool
    brakes: list[HoldShape]
    holds: list[HoldShape] = Field(description="The first twenty.")
    hold_count: Number
    settled: bool
    opened_at: Time
    settled_at: Time | None
    primary_changed_at: Time | None = Field(
        description="When Redis was last found restarted or replaced, and may have lost writes."
    )


class Batches(Shape):
    """A page of batches, the newest first; `next` is the cursor of the page after it."""

    batches: list[Batch]
    next: str | None


class Job(Shape):
    """A job with its story."""

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
    """A page of jobs; it may hold fewer than asked for although `next` says that there are more."""

    jobs: list[Job]
    next: str | None


class TakenJob(Shape):
    """A row that was handed over, and the ledger's word on it."""

    row: int | None
    key: str
    job: str
    verdict: str


class TakenBatch(Shape):
    """
    What became of an upload.

    `jobs` and `problems` hold the first thousand each; the counts hold all.
    """

    batch: str | None = Field(description="Null if nothing in it was new.")
    name: str
    rows: Number
    accepted: Number = Field(description="Jobs that will be sent because of this upload.")
    bad_rows: Number
    verdicts: dict[str, Number]
    jobs: list[TakenJob]
    problem_count: Number
    problems: list[RowProblem]
    others: dict[str, Number] = Field(description="Other batches in which known jobs were queued again.")
    notes: list[str] = Field(description="What a person should know and nothing was refused for.")


class TakenOne(Shape):
    """A job that is in the ledger."""

    job: str = Field(examples=["b7k2m9qx.17"])
    batch: str
    key: str
    verdict: str = Field(description="new, redriven, replaced, queued or succeeded.")


class Changed(Shape):
    """What an act of the operator came to."""

    batch: str
    done: str
    jobs: Number | None = None
    risky: Number | None = Field(None, description="Of these, jobs for which a widget may exist (redrive).")
    left: Number | None = Field(None, description="Jobs left as they are because one may exist (redrive).")


class Resolved(Shape):
    """A doubt that was settled."""

    job: str
    state: str


class NewWebhook(Shape):
    """A webhook, with the secret that signs what it is told."""

    batch: str
    secret: str = Field(examples=["whsec_…"])


class NewJobWebhook(Shape):
    """A single job's webhook, with the secret that signs what it is told."""

    job: str
    secret: str = Field(examples=["whsec_…"])


class _WebhookGoes(Shape):
    url: str = Field(
        description="Scheme, host and port; the rest is not shown.", examples=["https://crm.example/…"]
    )
    tries: Number
    failure: str
    given_up: Number


class WebhookState(_WebhookGoes):
    """
    How a webhook goes; `failure` is empty unless the last try failed. It is then the HTTP status, or
    `unreachable` where no answer came, for whatever reason.
    """

    batch: str


class JobWebhookState(_WebhookGoes):
    """How a single job's webhook goes, likewise."""

    job: str


class RefusedMessage(Shape):
    """A message that the Celery intake refused."""

    at: Time
    reason: str
    task: str
    batch: str


class RefusedMessages(Shape):
    """The latest refused messages, newest first."""

    messages: list[RefusedMessage]


class Health(Shape):
    """How the server feels."""

    status: str
