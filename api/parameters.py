"""
A parameter or a body that the route does not take is refused, so that no part of a request is ignored.

With `?dryrun=true`, a misspelt parameter, a redrive would otherwise send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from fastapi.dependencies.models import Dependant
from starlette.requests import Request

from api.problem import Kind, ProblemError


async def check_parameters(request: Request) -> None:
    """Raises: ProblemError if the request has a query parameter, or a body, that its route does not take."""
    route = request.scope["route"]
    _check_query([name for name, _ in request.query_params.multi_items()], _known(route.dependant))
    if "requestBody" not in (route.openapi_extra or {}) and await _has_body(request):
        raise ProblemError(
            Kind.INVALID, "this route takes no body", hint="send no body; settings are query parameters"
        )


def _check_query(given: Iterable[str], known: Mapping[str, bool]) -> None:
    """
    Args:
        given: names, as often as they were given.
        known: names, each with whether it may be given more than once.
    """
    counts = Counter(given)
    problems = [_unknown(name, known) for name in counts if name not in known]
    problems += [
        {"row": None, "field": name, "problem": "given more than once", "hint": "send it once"}
        for name, several in known.items()
        if counts[name] > 1 and not several
    ]
    if problems:
        raise ProblemError(
            Kind.INVALID,
            f"{problems[0]['field'] or 'the request'}: {problems[0]['problem']}; nothing was done",
            hint=problems[0]["hint"],
            problems=problems,
        )


def _unknown(name: str, known: Mapping[str, bool]) -> dict[str, Any]:
    # Not repeated: it may be a secret in the wrong place. The hint gives the most similar known name.
    near = get_close_matches(name.lower().replace("-", "_"), known, n=1)
    taken = (
        "did you mean " + near[0]
        if near
        else ("known parameters: " + ", ".join(known) if known else "this route takes no parameters")
    )
    return {"row": None, "field": "", "problem": "unknown query parameter", "hint": taken}


def _known(dependant: Dependant) -> dict[str, bool]:
    """The query parameters of a route, each with whether it may be given more than once."""
    found = {field.alias: _is_list(field.field_info.annotation) for field in dependant.query_params}
    for part in dependant.dependencies:
        found |= _known(part)
    return found


def _is_list(annotation: Any) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


async def _has_body(request: Request) -> bool:
    async for part in request.stream():
        if part:
            return True
    return False
