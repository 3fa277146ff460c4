"""What people did: who, when, what, on what, why; as a page, and as a file for a spreadsheet."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.audit import ActFilter, page_of_acts, shown_acts
from api.request import state_of
from console.web.render import page
from console.web.route import pages
from console.web.visitor import Visiting
from producers.files.cells import csv_line, escape, inert
from provisioning.errors import InvalidInputError
from provisioning.ledger import Act, AuditPage

router = pages()

SHOWN = 100
"""Acts on the page."""

COLUMNS: Final = ("at", "act", "by", "on", "why", "result")
"""Of the file."""

Text = Annotated[str, Query(max_length=200)]
When = Annotated[str, Query(max_length=30)]


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of the form as they were sent; times are of the server's clock, as the page shows them."""

    act: str = ""
    by: str = ""
    on: str = ""
    since: str = ""
    until: str = ""

    @property
    def wanted(self) -> ActFilter:
        """The acts that are meant. Raises: InvalidInputError."""
        times = _moment(self.since), _moment(self.until)
        return ActFilter(self.act.strip(), self.by.strip(), self.on.strip(), *times)

    @property
    def query(self) -> str:
        """The fields that are not empty, for an address."""
        return urlencode({name: value for name, value in asdict(self).items() if value})


def _asked(act: Text = "", by: Text = "", on: Text = "", since: When = "", until: When = "") -> Asked:
    return Asked(act, by, on, since, until)


Asking = Annotated[Asked, Depends(_asked)]


def _moment(text: str) -> float | None:
    """A time of the server's clock, as a browser sends it, in Unix seconds. Raises: InvalidInputError."""
    if not text.strip():
        return None
    try:
        return max(0.0, datetime.fromisoformat(text.strip()).timestamp())
    except (ValueError, OverflowError):
        raise InvalidInputError("a time is written as 2026-11-23T14:30") from None


@router.get("/audit")
async def audit(
    request: Request,
    visitor: Visiting,
    asked: Asking,
    after: Annotated[str, Query(pattern="^([0-9]{1,15}-[0-9]{1,15})?$")] = "",
) -> Response:
    """The latest acts that this person may see."""
    ledger = state_of(request).ledger
    found = await page_of_acts(ledger, visitor.token.sees, asked.wanted, SHOWN, after)
    return page(
        request, "audit.html", visitor, acts=[act for _, act in found.acts], asked=asked, after=found.end
    )


@router.get("/audit.csv")
async def audit_file(request: Request, visitor: Visiting, asked: Asking) -> Response:
    """All the acts that the page shows, page after page, as CSV."""
    found = shown_acts(state_of(request).ledger, visitor.token.sees, asked.wanted)
    first = await anext(found, None)  # before the head is sent: a ledger that is away is an error page
    return StreamingResponse(
        _lines(first, found),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.csv"', "Cache-Control": "no-store"},
    )


async def _lines(first: AuditPage | None, others: AsyncIterator[AuditPage]) -> AsyncIterator[str]:
    # The BOM is for spreadsheet programs, which take the file for Windows-1252 without it.
    yield "\ufeff" + csv_line(COLUMNS)
    if first is not None:
        yield "".join(_line(act) for _, act in first.acts)
    async for each in others:
        yield "".join(_line(act) for _, act in each.acts)


def _line(act: Act) -> str:
    result = ", ".join(f"{name}: {fact}" for name, fact in act.facts.items())
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(act.at))
    return csv_line(escape(inert(cell)) for cell in (at, act.act, act.by, act.on, act.why, result))
