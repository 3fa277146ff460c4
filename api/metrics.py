"""
`GET /metrics`: the ledger in numbers, read on request.

It needs a token like every route that shows jobs; a token with the scope `metrics` can do nothing else.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from starlette.requests import Request
from starlette.responses import Response

from api.answers import refusals
from api.gauges import Collected, samples
from api.problem import Kind, ProblemError
from api.request import admit, bearer, state_of
from provisioning.ledger.tokens import Scope, Token
from provisioning.owner import DEFAULT

router = APIRouter(tags=["Look"])


async def _scraper(request: Request) -> Token:
    token = await admit(request, bearer(request))
    # The figures are those of all owners.
    reads_all = Scope.READ in token.scopes and token.sees in (None, DEFAULT)
    if not reads_all and Scope.METRICS not in token.scopes:
        raise ProblemError(Kind.NO_SCOPE, "the token lacks the scope metrics")
    return token


Scraper = Annotated[Token, Depends(_scraper)]

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "application/openmetrics-text": {"schema": {"type": "string"}},
        },
        "description": "Metrics in the Prometheus text format, or as OpenMetrics if that is asked for.",
    }
}


@router.get("/metrics", response_class=Response, responses={**_TEXT, **refusals()})
async def metrics(request: Request, caller: Scraper) -> Response:  # noqa: ARG001
    """Metrics of the ledger, for Prometheus."""
    app_state = state_of(request)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Collected(samples(await app_state.readings.latest(), app_state.settings)))
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=content_type)
