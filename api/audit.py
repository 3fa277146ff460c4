"""
The audit: which acts somebody may see, for the HTTP API and for pages, and the route that lists them.

An owner's token sees the acts on its own things, and those on what all owners share: credentials, addresses,
everything at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import NOT_MODIFIED, json_answer, next_page, refusals
from api.conditional import REVALIDATE
from api.models import ActPage
from api.openapi_headers import headers
from api.request import Reader, state_of
from provisioning import scopes
from provisioning.ledger import Act, AuditPage, Ledger
from provisioning.ledger.records import UNREADABLE

router = APIRouter(tags=["Look"])

PAGES = 10
"""Most pages of the ledger read for one page of acts: those that a filter excludes cost time as well."""

ENTRY = "^[0-9]{1,15}-[0-9]{1,15}$"
"""Where a page of the audit ends."""


@dataclass(frozen=True, slots=True)
class ActFilter:
    """
    Selects acts. Empty fields mean any.

    Attributes:
        on: `batch:b7k2m9qx` and the like, or what comes after the colon alone.
        since, until: Unix seconds by the ledger's clock; at or after, and before.
    """

    act: str = ""
    by: str = ""
    on: str = ""
    since: float | None = None
    until: float | None = None

    def fits(self, act: Act) -> bool:
        """Whether an act is selected; its time is the ledger's to look at."""
        names = ("", act.on, act.on.partition(":")[2])
        return self.act in ("", act.act) and self.by in ("", act.by) and self.on in names


def batch_of_act(act: Act) -> str | None:
    """Id of the batch that an act is on, or on a job of; None if it is on neither."""
    kind, _, name = act.on.partition(":")
    if kind == "job":
        return name.rpartition(".")[0]
    return name if kind == "batch" else None


def is_shown(act: Act, sees: str | None, owners: Mapping[str, str]) -> bool:
    """
    Whether somebody may see an act.

    Args:
        sees: the only owner whose things this one may see; None for all.
        owners: whose the batches are.
    """
    kind, _, name = act.on.partition(":")
    if sees is None:
        return True
    if (batch := batch_of_act(act)) is not None:
        return owners.get(batch) == sees
    if kind == "owner":
        return name == sees
    # What a hold may be on is shared. A token or user is its owner's, and an act does not say whose it is.
    return kind in scopes.KINDS or act.act == UNREADABLE


async def shown_acts(
    ledger: Ledger, sees: str | None, wanted: ActFilter, after: str = ""
) -> AsyncIterator[AuditPage]:
    """The selected acts that somebody may see, the newest first; a page is read from some hundred entries."""
    async for page in ledger.queries.audit_pages(after, since=wanted.since, until=wanted.until):
        fitting = [each for each in page.acts if wanted.fits(each[1])]
        batches = [batch for _, act in fitting if sees is not None and (batch := batch_of_act(act))]
        owners = await ledger.queries.owners_of(batches)
        yield AuditPage([each for each in fitting if is_shown(each[1], sees, owners)], page.end)


async def page_of_acts(
    ledger: Ledger, sees: str | None, wanted: ActFilter, limit: int, after: str = ""
) -> AuditPage:
    """At most `limit` selected acts; it may have fewer although there are more, since its work is limited."""
    acts: list[tuple[str, Act]] = []
    pages, end = 0, ""
    async for page in shown_acts(ledger, sees, wanted, after):
        some = page.acts[: limit - len(acts)]
        acts += some
        end = some[-1][0] if len(some) < len(page.acts) else page.end
        pages += 1
        if len(acts) == limit or pages == PAGES:
            break
    return AuditPage(acts, end)


def _name(what: str) -> object:
    return Query(min_length=1, max_length=200, description=what)


def _time(what: str) -> object:
    return Query(ge=0, le=1e11, description=f"Only acts {what} this time; Unix seconds.")


@router.get(
    "/v1/audit",
    response_class=Response,
    responses={
        200: {
            "model": ActPage,
            "description": "One page of the list.",
            "headers": headers("ETag", "Link"),
        },
        304: NOT_MODIFIED,
        **refusals(),
    },
)
async def list_acts(
    request: Request,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=1000, description="Maximum number of entries on a page.")] = 100,
    cursor: Annotated[
        str | None, Query(pattern=ENTRY, description="The `next` value of the previous page.")
    ] = None,
    act: Annotated[str, _name("Only this action: `pause`, `redrive`, ….")] = "",
    by: Annotated[str, _name("Only of this person or token.")] = "",
    on: Annotated[
        str, _name("Only on this: `batch:ID`, `job:ID`, `credential:NAME`, …; or what is after the `:`.")
    ] = "",
    since: Annotated[float | None, _time("at or after")] = None,
    until: Annotated[float | None, _time("before")] = None,
) -> Response:
    """
    List what people and services did, newest first: pauses, redrives, resolved jobs, and so on.

    A token of an owner gets the acts on this owner's things, and on what all owners share. About 10,000 acts
    are kept.
    """
    wanted = ActFilter(act, by, on, since, until)
    page = await page_of_acts(state_of(request).ledger, caller.sees, wanted, limit, cursor or "")
    shown = {"acts": [each.public() for _, each in page.acts], "next": page.end or None}
    return json_answer(shown, headers={"Cache-Control": REVALIDATE, **next_page(request, page.end)})
