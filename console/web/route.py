"""Routes of pages: what goes wrong becomes a page with a sentence, a way out and the id of the request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api.problem import Kind, ProblemError
from api.request import read_body
from console.web.guard import is_form_token
from console.web.render import page
from console.web.visitor import SignInError, Visitor, to_sign_in
from provisioning.errors import InvalidInputError, LedgerUnavailableError, NotFoundError
from provisioning.ledger.tokens import Scope

MOST_FORM = 64 * 1024
"""Bytes of a form."""


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInError:
                return to_sign_in(request)
            except NotFoundError:
                return page(request, "error.html", status=404, kind="not_found", detail="")
            except (RequestValidationError, InvalidInputError) as error:
                detail = error.message if isinstance(error, InvalidInputError) else ""
                return page(request, "error.html", status=422, kind="invalid", detail=detail)
            except LedgerUnavailableError:
                return page(request, "error.html", status=503, kind="ledger", detail="")
            except ProblemError as problem:
                kind = "ledger" if problem.kind is Kind.NO_LEDGER else "refused"
                return page(
                    request, "error.html", status=problem.kind.status, kind=kind, detail=problem.detail
                )

        return answer


def pages() -> APIRouter:
    """A router for pages."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


async def form_of(request: Request, visitor: Visitor, scope: Scope) -> dict[str, str]:
    """
    The fields of a form that changes something.

    Raises: ProblemError if this person may not do it, or it is no form of this session.
    """
    if not visitor.may(scope):
        raise ProblemError(Kind.NO_SCOPE, f"this needs the scope {scope}, which you do not have")
    form = await read_form(request)
    if not is_form_token(form.pop("form_token", ""), visitor.form_token):
        raise ProblemError(Kind.BAD_REQUEST, "the form is not of this session: go back, load the page again")
    return form


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form. Raises: ProblemError if it cannot be read."""
    text = (await read_body(request, MOST_FORM)).decode("utf-8", "replace")
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
