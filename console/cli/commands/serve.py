"""`serve`, `token`, `refused-messages`: the HTTP API for other services, its tokens, and refused messages."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from enum import StrEnum
from typing import Annotated

import typer

from console.cli import person
from console.cli.display.standard_output import emit
from console.cli.language import tr, tr_plural
from console.cli.new_owner import warn_of_new_owner
from console.cli.selecting import age
from console.cli.shell import JsonFlag, cli, open_ledger, out, talk
from outcomes.words import clock, shown
from provisioning import scopes
from provisioning.embedded.workplace import local_worker, workplace
from provisioning.errors import InvalidInputError
from provisioning.ledger import Ledger
from provisioning.ledger.refused_messages import read as read_refused
from provisioning.ledger.tokens import Scope, Token
from provisioning.owner import DEFAULT
from provisioning.text import Text


@cli.command()
def serve(
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port; 0 for any free port.")
    ] = 8080,
) -> None:
    """
    Run the HTTP API for other services.

    Example: provision serve --port 8080
    """
    # FastAPI takes half a second to import, which no other command should spend.
    from api.server import serve as serve_door
    from console.web.site import add_pages
    from outcomes.outcome_files import export

    with contextlib.ExitStack() as stack:
        place = stack.enter_context(workplace())
        if place.embedded:
            stack.enter_context(local_worker(place))
        serve_door(
            place.settings,
            host,
            port,
            export=export,
            on_ready=lambda url: talk.print(tr("serving at {url}", url=url), soft_wrap=True, highlight=False),
            environ=os.environ,
            pages=add_pages,
        )


class TokenAction(StrEnum):
    """Actions on API tokens."""

    CREATE = "create"
    LIST = "list"
    REVOKE = "revoke"


@cli.command()
def token(
    action: Annotated[TokenAction, typer.Argument(metavar="create|list|revoke", help="Action.")],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of the caller; shown in every job history.")
    ] = None,
    scope: Annotated[list[Scope] | None, typer.Option("--scope", help="What the token permits.")] = None,
    owner: Annotated[
        str,
        typer.Option("--owner", metavar="OWNER", help="Service whose jobs it submits and sees; no others."),
    ] = DEFAULT,
    all_owners: Annotated[
        bool, typer.Option("--all-owners", help="Let it see and operate the jobs of all owners.")
    ] = False,
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="How long it is valid, such as 90d [for ever].")
    ] = "",
    json: JsonFlag = False,
) -> None:
    """
    Create, list or revoke API tokens for `serve`.

    Example: provision token create crm --owner crm --scope submit --scope read
    """
    if (name is None) != (action is TokenAction.LIST):
        raise InvalidInputError(
            "list takes no NAME; create and revoke need one",
            hint="provision token create onboarding --scope read",
        )
    if (action is TokenAction.CREATE) != bool(scope):
        raise InvalidInputError(
            "create needs at least one --scope; list and revoke take none",
            hint="--scope " + ", ".join(Scope),
        )
    if action is not TokenAction.CREATE and (owner != DEFAULT or all_owners or expires):
        raise InvalidInputError("--owner, --all-owners and --expires belong to create", hint="omit them")
    good_for = _seconds(expires) if expires else None

    async def work() -> None:
        async with open_ledger() as ledger:
            if action is TokenAction.CREATE:
                await warn_of_new_owner(ledger, owner)
                made = await ledger.tokens.create(
                    name or "", scope or [], owner=owner, all_owners=all_owners, good_for=good_for
                )
                facts = {"owner": "all" if all_owners else owner, "scopes": " ".join(sorted(scope or []))}
                await _note(ledger, name, "created", facts)
                _show(*made, json=json)
            elif action is TokenAction.REVOKE:
                await ledger.tokens.revoke(name or "")
                await _note(ledger, name, "revoked", {})
                out.print(tr("{name} revoked", name=name))
            else:
                for each in await ledger.tokens.all():
                    if json:
                        emit(each.public())
                    else:
                        out.print(_line(each), soft_wrap=True)

    asyncio.run(work())


async def _note(ledger: Ledger, name: str | None, done: str, facts: dict[str, str]) -> None:
    """Records in the audit who may do what from now on."""
    await ledger.operations.note(
        "token", actor=person.current_user(), on=scopes.of_token(name or ""), facts={"done": done, **facts}
    )


def _seconds(text: str) -> float:
    """Raises: InvalidInputError if it is no age."""
    if (seconds := age(text)) is None or not seconds:
        raise InvalidInputError(
            Text("--expires {text} is not a time", text=text), hint="for example --expires 90d"
        )
    return seconds


def _line(token: Token) -> str:
    owner = tr("all owners") if token.all_owners else token.owner
    until = ""
    if token.expires_at is not None:
        at = clock(token.expires_at)
        expired = token.expired(time.time())
        until = "  " + (tr("expired {time}", time=at) if expired else tr("expires {time}", time=at))
    return f"{token.name}  {owner}  {' '.join(sorted(token.scopes))}{until}"


def _show(made: Token, secret: str, *, json: bool) -> None:
    if json:
        emit({"token": secret, **made.public(), "preset": made.preset})
        return
    talk.print(tr("Copy it now; it is not shown again:"), soft_wrap=True)
    out.print(secret, soft_wrap=True)


@cli.command("refused-messages")
def refused_messages(json: JsonFlag = False) -> None:
    """
    List messages that the Celery intake refused, and why.

    Example: provision refused-messages
    """

    async def work() -> None:
        async with open_ledger() as ledger:
            kept = await read_refused(ledger)
            for each in kept:
                if json:
                    emit(each)
                else:
                    line = (shown(str(each[name])) for name in ("task", "batch", "reason"))
                    out.print("  ".join(line), soft_wrap=True)
            if not json:
                talk.print(tr_plural("{count:,} message refused", "{count:,} messages refused", len(kept)))

    asyncio.run(work())
