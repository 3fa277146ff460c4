"""
What Jelou documents about `POST /v1/widget/create`: valid requests, and all answers.

Pure: values in, values out, without socket, clock or random source. Where the documents permit two forms (a
message that is a string or an array, codes in either case), the caller passes a `form`, any whole number, and
both occur. What the documents do not define is marked "invented".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

PATH = "/v1/widget/create"

MAX_BODY_BYTES = 1024 * 1024
"""Largest body that is read. Invented: no limit is documented."""

MAGIC_BOTS = {
    "404": "404 BOT_NOT_FOUND: the bot is not assigned to the company",
    "403": "403 FORBIDDEN_BOT: the company may not use the bot",
    "422": "422 unprocessable_entity with a validationError for bot.id",
}
"""The fixed answer for bot ids that begin with these digits; nothing is created."""

MAGIC_CLIENT = "no-company"
"""A client id that begins with this has valid credentials and no company, the documented cause of a 500."""

JSON = {"Content-Type": "application/json; charset=utf-8"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
HTML = {"Content-Type": "text/html; charset=utf-8"}

_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whole: what a well-behaved server would send."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)


@dataclass(frozen=True, slots=True)
class Order:
    """
    A valid request for a widget.

    Attributes:
        bot_id: the existing bot; None asks for a new one.
        widget: the `widget` member as it came.
        misspelt: whether `credentials` spells the block list `blacKList`, as older pages do.
    """

    bot_id: str | None
    widget: Mapping[str, Any]
    misspelt: bool = False


@dataclass(frozen=True, slots=True)
class Widget:
    """
    One widget that exists.

    Attributes:
        number: 1 for the first one created.
        bot_id: its bot, made along with it if the order named none.
        key: for the owner's web page.
        created_at: ISO 8601 with milliseconds and `Z`, as other Jelou pages show dates.
    """

    number: int
    bot_id: str
    key: str
    created_at: str

    @property
    def id(self) -> str:
        return widget_id(self.number)


def widget_id(number: int) -> str:
    """Name of the `number`-th widget. The type is not documented; we answer a string."""
    return f"w-{number:06d}"


# Requests


def identify(authorization: str | None, clients: Mapping[str, str]) -> str | Answer:
    """
    The client id that the header proves, or the 401 that answers it.

    The three documented shapes of a 401 each have a cause of their own, so that a test can ask for one:
    no header → `message` only; a wrong pair → the envelope; anything that is no Basic pair → plain text.

    Args:
        authorization: the header's value; None if there is none.
        clients: secret by client id.
    """
    if not authorization:
        return unauthorized("message")
    client, secret = basic_pair(authorization)
    if client is None:
        return unauthorized("text")
    if clients.get(client) != secret:
        return unauthorized("envelope")
    return client


def basic_pair(authorization: str) -> tuple[str, str] | tuple[None, None]:
    """Client id and secret of a Basic header, unproven; (None, None) if it holds no such pair."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None, None
    client, colon, secret = pair.partition(":")
    return (client, secret) if colon else (None, None)


def read(content_type: str | None, body: bytes) -> Order | Answer:
    """
    The order that a request carries, or the answer that refuses it.

    A body of another media type counts as no body, as common frameworks do: the members are missing, 422.
    JSON that cannot be parsed is a 400. Unknown members pass, on every level.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/json" or not body.strip():
        return unprocessable({"bot": "is required", "widget": "is required"})
    try:
        request = _from_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return bad_request("The body is not valid JSON")
    problems = _problems(request)
    if problems:
        return unprocessable(problems)
    credentials = request.get("credentials", {})
    return Order(
        bot_id=request["bot"].get("id"),
        widget=request["widget"],
        misspelt="blacKList" in credentials,
    )


def _problems(request: Any) -> dict[str, str]:
    """What is wrong, by dotted path of the member; empty if the request fits the OpenAPI schema."""
    if not isinstance(request, dict):
        return {"body": "must be an object"}
    problems = {}
    for name in ("bot", "widget"):
        if name not in request:
            problems[name] = "is required"
    for name in ("bot", "widget", "credentials"):
        if not isinstance(request.get(name, {}), dict):
            problems[name] = "must be an object"
    if problems:
        return problems
    if not isinstance(request["bot"].get("id", ""), str):
        problems["bot.id"] = "must be a string"
    for name in ("properties", "theme"):
        if not isinstance(request["widget"].get(name, {}), dict):
            problems[f"widget.{name}"] = "must be an object"
    for name in ("blackList", "whiteList"):
        listed = request.get("credentials", {}).get(name, [])
        if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
            problems[f"credentials.{name}"] = "must be an array of strings"
    return problems


def magic(bot_id: str | None, form: int) -> Answer | None:
    """The refusal that a magic bot id asks for; None for every other bot. An empty id names no bot: 404."""
    if bot_id is None:
        return None
    if bot_id == "" or bot_id.startswith("404"):
        return bot_not_found(form)
    if bot_id.startswith("403"):
        return forbidden_bot(form)
    if bot_id.startswith("422"):
        return unprocessable({"bot.id": "is not a valid bot id"}, form)
    return None


# Answers


def created(order: Order, widget: Widget) -> Answer:
    """The documented 200. `data.Bot` and `data.Widget` are opaque in the documents; we echo the order."""
    return _json(200, success_envelope(order, widget))


def success_envelope(order: Order, widget: Widget) -> dict[str, Any]:
    """The members of the documented 200, for those who mean to spoil one."""
    return {
        "message": ["Widget was created successfully!"],
        "statusMessage": "success",
        "status": 1,
        "data": {
            "Bot": {"id": widget.bot_id},
            "Widget": {**order.widget, "id": widget.id},
            "ApiKey": {
                "id": 500 + widget.number,
                "state": 1,
                "key": widget.key,
                "widgetId": widget.id,
                "createdAt": widget.created_at,
                "updatedAt": widget.created_at,
            },
        },
    }


def unauthorized(shape: str) -> Answer:
    """
    A 401 in one of the three shapes seen in the wild.

    Args:
        shape: `envelope` (JSON with `error`), `message` (JSON with a message only) or `text` (not JSON).
    """
    if shape == "text":
        return Answer(401, b"Unauthorized", TEXT)
    if shape == "message":
        return _json(401, {"message": "Authentication failed"})
    return _error(401, "unauthorized", "UNAUTHORIZED", "The credentials are invalid", form=0)


def forbidden_bot(form: int) -> Answer:
    """403: the company may not use this bot. The number of the upper-case code is invented."""
    if form % 2:
        return _error(403, "forbidden_bot", "forbidden_bot", "Bot is forbidden for the company", form)
    return _error(403, "E1018", "FORBIDDEN_BOT", "Bot is forbidden for the company", form)


def bot_not_found(form: int) -> Answer:
    """404 with a code: this bot is not the company's. Upper case comes without `status`, as documented."""
    if form % 2:
        return _error(404, "bot_not_found", "bot_not_found", "Bot is not assigned to the company", form)
    return _error(404, "E1019", "BOT_NOT_FOUND", "Bot is not assigned to the company", form)


def unprocessable(problems: Mapping[str, str], form: int = 0) -> Answer:
    """422: which members are missing or wrong, each with its texts by language."""
    return _error(
        422,
        "E0422",
        "unprocessable_entity" if form % 2 else "UNPROCESSABLE_ENTITY",
        "A member is missing or wrong",
        form,
        validationError={path: [{"en": f"{path} {problem}"}] for path, problem in problems.items()},
    )


def bad_request(reason: str) -> Answer:
    """400: nothing could be made of the request. Invented: no 400 is documented for this endpoint."""
    return _error(400, "E0400", "BAD_REQUEST", reason, form=0)


def too_large() -> Answer:
    """413, without an envelope. Invented."""
    return _json(413, {"message": "request entity too large"})


def too_many(retry_after: int | None) -> Answer:
    """429. Invented: neither its body nor `Retry-After` is documented; None leaves the header out."""
    headers = JSON if retry_after is None else {**JSON, "Retry-After": str(retry_after)}
    return _json(429, {"message": "Too Many Requests", "statusMessage": "failed"}, headers)


def internal_error(form: int) -> Answer:
    """500: something broke, and whether the widget exists is anybody's guess."""
    return _error(500, "E0500", "internal_server_error", "Something went wrong, try again later", form)


def no_company(form: int) -> Answer:
    """500 as the documents' own table explains the code: the token has no company assigned."""
    return _error(500, "E0500", "internal_server_error", "The token has no company assigned", form)


def gateway_error(status: int, phrase: str, retry_after: int | None = None) -> Answer:
    """502, 503 or 504 from something in front of the API: a page of HTML, not an envelope."""
    title = f"{status} {phrase}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
    headers = HTML if retry_after is None else {**HTML, "Retry-After": str(retry_after)}
    return Answer(status, page.encode(), headers)


def no_such_path() -> Answer:
    """404 without an envelope: the address is wrong, not the bot."""
    return Answer(404, b"Not Found", TEXT)


def wrong_method() -> Answer:
    """405: the address is right and the verb is not."""
    return Answer(405, b"Method Not Allowed", {**TEXT, "Allow": "POST"})


def _error(status: int, code: str, key: str, description: str, form: int, **more: object) -> Answer:
    """The error envelope; `message` is an array in even forms, which also lack `status`, else a string."""
    envelope: dict[str, object] = {"message": description if form % 2 else [description]}
    envelope["statusMessage"] = "failed"
    if form % 2:
        envelope["status"] = 0
    envelope["error"] = {
        "code": code,
        "key": key,
        "description": description,
        "developerMessages": {"en": description},
        "clientMessages": {"en": description},
    }
    return _json(status, {**envelope, **more})


def _json(status: int, body: Mapping[str, object], headers: Mapping[str, str] = JSON) -> Answer:
    return Answer(status, _to_json(body), headers)
