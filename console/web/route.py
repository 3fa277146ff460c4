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
from console.web.render import _N, language_of, page
from console.web.visitor import SignInError, Visitor, page_before, to_sign_in
from console.words import translate
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
                return error_page(request, 404, "not_found")
            except RequestValidationError:
                return error_page(request, 422, "invalid")
            except InvalidInputError as error:
                return error_page(request, 422, "invalid", translate(error.text, language_of(request)))
            except LedgerUnavailableError:
                return error_page(request, 503, "ledger")
            except ProblemError as problem:
                kind = "ledger" if problem.kind is Kind.NO_LEDGER else "refused"
                return error_page(request, problem.kind.status, kind, problem.detail)

        return answer


def error_page(request: Request, status: int, kind: str, detail: str = "") -> Response:
    """A page with what went wrong, and the way back to the page of a form."""
    back = page_before(request) if request.method != "GET" else ""
    return page(request, "error.html", status=status, kind=kind, detail=detail, back=back)


def pages() -> APIRouter:
    """A router for pages."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


async def form_of(request: Request, visitor: Visitor, scope: Scope) -> dict[str, str]:
    """
    The fields of a form that changes something.

    Raises: ProblemError if this person may not do it, or it is no form of this session.
    """
    check_scope(visitor, scope)
    return check_form(await read_form(request), visitor)


def check_scope(visitor: Visitor, scope: Scope) -> None:
    """Raises: ProblemError if this person may not do it."""
    if not visitor.may(scope):
        raise ProblemError(Kind.NO_SCOPE, _N("This takes a scope that you do not have: ask the operator."))


def check_form(form: dict[str, str], visitor: Visitor) -> dict[str, str]:
    """The fields without the form's token. Raises: ProblemError if it is no form of this session."""
    if not is_form_token(form.pop("form_token", ""), visitor.form_token):
        raise ProblemError(Kind.BAD_REQUEST, _N("The form is of another session: load its page again."))
    return form


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form. Raises: ProblemError if it cannot be read."""
    text = (await read_body(request, MOST_FORM)).decode("utf-8", "replace")
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
