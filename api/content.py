"""The media type and the text encoding of a request body."""

from __future__ import annotations

from email.message import Message

from starlette.requests import Request

from api.problem import Kind, ProblemError

_UTF_8 = frozenset(["utf-8", "utf8", "us-ascii", "ascii"])


def media_type(request: Request) -> str:
    """The Content-Type without its parameters, in small letters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def charset(request: Request) -> str | None:
    """
    The text encoding, if the Content-Type names one.

    Raises: ProblemError if the name is unknown, or the Content-Type declares a table without headers.
    """
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    if header.get_param("header") == "absent":
        raise ProblemError(
            Kind.WRONG_TYPE, "a table needs a header row", hint="the first row must hold the headers"
        )
    named = header.get_content_charset()
    if named is None:
        return None
    try:
        b"text".decode(named)
    except (LookupError, UnicodeError, ValueError):
        raise ProblemError(
            Kind.WRONG_TYPE, "unknown charset in Content-Type", hint="for example charset=utf-8"
        ) from None
    return named


def check_json(request: Request) -> None:
    """Raises: ProblemError if a JSON body is declared in another encoding than JSON's (RFC 8259 §8.1)."""
    if (charset(request) or "utf-8") not in _UTF_8:
        raise ProblemError(Kind.WRONG_TYPE, "JSON must be UTF-8", hint="omit charset")
