"""What a webhook is on, a batch, a job or an owner; who may manage it; the note on what was done with it."""

from __future__ import annotations

import msgspec
from fastapi import Depends
from starlette.requests import Request

from api.owned import batch_of, check_job
from api.problem import Kind, ProblemError
from api.request import Submitter, Watcher, state_of
from provisioning import scopes
from provisioning.ledger.tokens import Scope, Token
from provisioning.ledger.webhooks import Webhook, WebhookState


class Subject(msgspec.Struct, frozen=True):
    """
    What a webhook is on.

    Attributes:
        on: as the ledger names it.
        scope: as the audit names it.
        named: the member of an answer that names it, such as `{"batch": "b1"}`.
    """

    on: str
    scope: str
    named: dict[str, str]


def on_batch(batch_id: str) -> Subject:
    return Subject(batch_id, scopes.of_batch(batch_id), {"batch": batch_id})


def on_job(job_id: str) -> Subject:
    return Subject(job_id, scopes.of_job(job_id), {"job": job_id})


def on_owner(name: str) -> Subject:
    scope = scopes.of_owner(name)
    return Subject(scope, scope, {"owner": name})


async def _find_batch(request: Request, caller: Submitter, batch: str) -> None:
    request.state.webhook = caller, on_batch(await batch_of(request, caller, batch))


async def _find_job(request: Request, caller: Submitter, job: str) -> None:
    await check_job(request, caller, job)
    request.state.webhook = caller, on_job(job)


async def _find_owner(request: Request, caller: Watcher) -> None:
    request.state.webhook = caller, on_owner(caller.owner)


EACH = (
    ("batch", "/v1/batches/{batch}/webhook", Depends(_find_batch)),
    ("job", "/v1/jobs/{job}/webhook", Depends(_find_job)),
    ("owner", "/v1/webhook", Depends(_find_owner)),
)
"""
What a webhook may be on: its name, the path of the webhook, and the dependency that finds what is asked for.
A route that does the same for each takes what was found from `found`.
"""


def found(request: Request) -> tuple[Token, Subject]:
    """The caller, and what it asks for, as the dependency of its route has found it."""
    caller, subject = request.state.webhook
    if not isinstance(caller, Token) or not isinstance(subject, Subject):
        raise TypeError("the route has no dependency of EACH")
    return caller, subject


async def webhook_of(request: Request, caller: Token, subject: Subject) -> tuple[Webhook, WebhookState]:
    """The webhook of this. Raises: ProblemError if there is none that this caller may manage."""
    kept = await state_of(request).webhooks.get(subject.on)
    if kept is None:
        raise no_webhook()
    if kept[0].by != caller.id and not may_all(caller):
        raise not_yours("another token set this webhook")
    return kept


def may_all(caller: Token) -> bool:
    """Whether this caller may manage the webhooks of other tokens."""
    return Scope.OPERATE in caller.scopes


def no_webhook() -> ProblemError:
    return ProblemError(Kind.NOT_FOUND, "no webhook is set")


def not_yours(hint: str) -> ProblemError:
    return ProblemError(Kind.NO_SCOPE, "the token lacks the scope operate", hint=hint)


async def note(request: Request, caller: Token, subject: Subject, done: str, webhook: Webhook) -> None:
    """Adds what was done to the audit, with the host of the address and nothing else of it."""
    facts: dict[str, str | int] = {"done": done, "address": webhook.address}
    await state_of(request).ledger.operations.note(
        "webhook", actor=caller.name, on=subject.scope, facts=facts
    )
