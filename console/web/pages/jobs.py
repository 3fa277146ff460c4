"""One job: its whole history, its body with secrets masked, and how to install its widget."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api.owned import job_of
from api.request import state_of
from console.web.pages.dead_letters import Cursor, jobs_of
from console.web.render import page
from console.web.route import pages
from console.web.visitor import Visiting, batch_of
from console.web.widget_drawing import drawing_of
from outcomes.story import story_of
from provisioning.causes import explained
from provisioning.ledger import Selection
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import State

router = pages()

LOADER = "https://cdn.jelou.ai/widgets/loader.js"
"""Script that shows a widget on a site (the widget API's own documentation)."""


@router.get("/batches/{batch}/jobs")
async def of_batch(
    request: Request,
    visitor: Visiting,
    batch: str,
    state: Annotated[State | None, Query()] = None,
    after: Cursor = "",
) -> Response:
    """The jobs of a batch, of one state if one is asked for, in the order of its file."""
    ledger = state_of(request).ledger
    found = await batch_of(request, visitor, batch)
    status = await ledger.queries.status(found)
    jobs, more = await jobs_of(ledger, found, Selection(state), after)
    return page(request, "jobs.html", visitor, batch=status, state=state, jobs=jobs, after=more)


@router.get("/jobs/{job}")
async def job(request: Request, visitor: Visiting, job: str) -> Response:
    """The history of one job on one screen."""
    ledger = state_of(request).ledger
    story = await story_of(ledger, await job_of(request, visitor.token, job))
    key = story.job.result.key if story.job.result and visitor.may(Scope.KEYS) else ""
    return page(
        request,
        "job.html",
        visitor,
        job=story.job,
        story=story,
        body=indented(story.body),
        drawing=drawing_of(story.body.encode(), story.job.label or story.job.key) if story.body else None,
        explained=explained(story.job.reason) if story.job.state in (State.DEAD, State.IN_DOUBT) else None,
        key=key,
        snippet=f'<script src="{LOADER}" data-api-key="{key}" data-init="true"></script>' if key else "",
    )


def indented(body: str | None) -> str | None:
    """The JSON of a body, a member a line; as it is if it is none."""
    if body is None:
        return None
    try:
        # Numbers as they stand: an id must not lose digits on its way to the page.
        return (
            json.dumps(json.loads(body, parse_int=_Number, parse_float=_Number), indent=2, ensure_ascii=False)
            .replace('"\ue000', "")
            .replace('\ue001"', "")
        )
    except ValueError:
        return body


class _Number(str):
    """A number that is written again as it was read."""

    def __new__(cls, text: str) -> _Number:
        return super().__new__(cls, f"\ue000{text}\ue001")
