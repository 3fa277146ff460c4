"""
Whether a reply proves that the widget was created.

Pure: a value in, a value out; the clock is an argument. docs/explanation/retries.md has the table; comments
below explain its choices. A reply is matched by HTTP status first, then by the body's `error.key` and
`error.code`, ignoring case. Any body is accepted: one that cannot be read proves nothing, and without proof
the job is in doubt. `policy` decides what follows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from provisioning.attempt import Evidence, Outcome, Result
from provisioning.causes import Cause, http_status
from worker.classification import Classification
from worker.execution.reply import Answer, NoAnswer, Reply

MESSAGE_LENGTH: Final = 300
LONGEST_RETRY_AFTER_SECONDS: Final = 7 * 24 * 3600.0
"""A longer `Retry-After` is cut to this, a week: it is an error of the server, or the service has ended."""


def classify(reply: Reply, now: float) -> Classification:
    """
    What `reply` proves about the widget.

    Args:
        now: Unix seconds; a `Retry-After` date is measured from it.
    """
    if isinstance(reply, NoAnswer):
        return _no_answer(reply)
    if 200 <= reply.status < 300:
        return _successful(reply)
    return _unsuccessful(reply, now)


# 408: the server stopped waiting for the request. 425: it refuses to process what might be a replay.
# 429: refused before work begins.
_UNPROCESSED: Final = frozenset({408, 425, 429})

# The request was refused because of its address, method or version, before the row was read, and so would be
# every other row. 407 and 511 are a proxy's or a captive portal's; 421 is the wrong host; 501 and 505 are by
# definition about method and version (RFC 9110 §15.6.2, §15.6.6), like 405.
_MISDIRECTED: Final = frozenset({405, 407, 421, 501, 505, 511})

# Retried although a widget may exist. All other 5xx are in doubt: 504 means that a server behind the gateway
# was still working; 520 to 527 (Cloudflare) and the rest mix "never arrived" with "no answer came back".
_FAILED: Final = frozenset({500, 502, 503})

# Members of the API's own envelope; a gateway's page is HTML, and a framework's JSON has other members.
_ENVELOPE: Final = frozenset({"statusMessage", "error", "data", "validationError"})

# Words for a bot that this company cannot use. A 404 with such a word is about the row; without, it is about
# the address.
_BOT_CODES: Final = frozenset({"e1019"})

# Messages that the credential belongs to no company, in the API's three languages. "The bot is not assigned
# to the company" must not match: that is an error of the row, not of the credential.
_COMPANY: Final = "(?:company|compañ[ií]a|empresa)"
_NO_COMPANY: Final = re.compile(
    r"\b(?:no|without|not have|n['’]t have|sin|ninguna|no tiene|sem|nenhuma|não tem)"
    rf" (?:(?:an?|any|una|ninguna|uma|nenhuma) )?{_COMPANY}\b"
    rf"|\b{_COMPANY} (?:is |was |has )?(?:not|no|não) (?:been |está )?"
    r"(?:assigned|associated|found|asignada|asociada|encontrada|atribu[ií]da|associada)\b"
    r"|\b(?:no_company|company_not_)",
    re.IGNORECASE,
)

_AUTHORIZATION: Final = re.compile(r"\b(Basic|Bearer)\s+[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_TITLE: Final = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def _no_answer(reply: NoAnswer) -> Classification:
    # An incomplete answer is in doubt whatever its status: the words that would decide (a bot code, a missing
    # company) were in the part that never arrived.
    proven_unsent = reply.evidence is Evidence.NOTHING_SENT
    outcome = Outcome.UNPROCESSED if proven_unsent else Outcome.IN_DOUBT
    return Classification(outcome, reply.error, _shorten(reply.message), alive=False)


def _successful(reply: Answer) -> Classification:
    body = _json_object(reply.body)
    if body is None:
        # Never quoted: an incomplete body may hold the widget's key.
        kind = reply.content_type or "no content type"
        return Classification(Outcome.IN_DOUBT, Cause.NOT_JSON, _shorten(f"{len(reply.body)} bytes, {kind}"))
    data = _mapping(body.get("data"))
    api_key = _mapping(data.get("ApiKey"))
    key = api_key.get("key")
    message = _explanation(body)
    if isinstance(key, str) and key:
        message = message.replace(key, "***")
    if reply.status != 200:
        # Success is documented as 200 only. A 202 only announces, a 204 contains nothing, and a 201 is not in
        # the contract: a person decides.
        return Classification(Outcome.IN_DOUBT, http_status(reply.status), message, alive=True)
    if not _is_one(body.get("status")) or _lower(body.get("statusMessage")) != "success":
        return Classification(Outcome.IN_DOUBT, Cause.STATUS_NOT_1, message, alive=True)
    if not isinstance(key, str) or not key.strip() or _ILLEGIBLE in key:
        return Classification(Outcome.IN_DOUBT, Cause.KEY_MISSING, message, alive=True)
    return Classification(Outcome.CREATED, result=_created(data, api_key, key), alive=True)


def _created(data: Mapping[str, Any], api_key: Mapping[str, Any], key: str) -> Result:
    return Result(
        widget_id=_identifier(api_key.get("widgetId")) or _identifier(_mapping(data.get("Widget")).get("id")),
        key=key,
        api_key_id=_identifier(api_key.get("id")),
        bot_id=_identifier(_mapping(data.get("Bot")).get("id")),
        created_at=_identifier(api_key.get("createdAt")),
    )


def _unsuccessful(reply: Answer, now: float) -> Classification:
    body = _json_object(reply.body) or {}
    words = _error_words(body)
    message = _explanation(body) or _plain_text(reply)
    outcome, cause = _meaning(reply.status, words, message)
    if outcome is Outcome.MISDIRECTED and reply.location:
        message = f"{message} → {reply.location}".strip()
    retry_after = (
        _retry_after(reply.retry_after, now) if outcome in (Outcome.UNPROCESSED, Outcome.FAILED) else None
    )
    return Classification(
        outcome, cause, _shorten(message), retry_after, alive=_shows_life(reply.status, outcome, body)
    )


def _shows_life(status: int, outcome: Outcome, body: Mapping[str, Any]) -> bool | None:
    """
    Whether an answer that is no success shows that the API works.

    A 500 in the API's own envelope does: the API failed on one row. Without the envelope a 500 proves
    neither, because a row may crash the code that should have answered. Any other 5xx, whatever its body,
    stands for an unavailable server. A wrong address proves nothing.
    """
    if outcome is Outcome.MISDIRECTED:
        return None
    if status < 500 or outcome is Outcome.DENIED:
        return True
    if status == 500:
        return None if body.keys().isdisjoint(_ENVELOPE) else True
    return False


def _meaning(status: int, words: list[str], message: str) -> tuple[Outcome, str]:
    about_bot = any("bot" in word.split("_") or word in _BOT_CODES for word in words)
    if status == 401:
        return Outcome.DENIED, Cause.UNAUTHORIZED
    if status >= 400 and not about_bot:
        if Cause.UNAUTHORIZED in words:
            return Outcome.DENIED, Cause.UNAUTHORIZED
        if _means_no_company(words, message):
            return Outcome.DENIED, Cause.NO_COMPANY
    if 300 <= status < 400:
        return Outcome.MISDIRECTED, Cause.REDIRECTED
    if status in _MISDIRECTED:
        return Outcome.MISDIRECTED, Cause.METHOD_NOT_ALLOWED if status == 405 else http_status(status)
    if status == 404 and not about_bot:
        return Outcome.MISDIRECTED, Cause.NOT_THE_API
    if status in _UNPROCESSED:
        return Outcome.UNPROCESSED, Cause.RATE_LIMITED if status == 429 else http_status(status)
    if status in _FAILED:
        return Outcome.FAILED, http_status(status)
    if 400 <= status < 500:
        return Outcome.REJECTED, _own_word(status, words)
    return Outcome.IN_DOUBT, http_status(status)


def _own_word(status: int, words: list[str]) -> str:
    if "e1019" in words and "bot_not_found" not in words:
        return "bot_not_found"
    return words[0] if words else http_status(status)


def _means_no_company(words: list[str], message: str) -> bool:
    return any(_NO_COMPANY.search(text) for text in (*words, message))


# --- Reading a body of any content ---


LONGEST_MENDED_BODY: Final = 1 << 20
"""An invalid body above this size is not repaired; the transport accepts none."""

_LONGEST_INTEGER: Final = 64
_ILLEGIBLE: Final = "\ufffd"


def _json_object(body: bytes) -> dict[str, Any] | None:
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _mended(body)
    return value if isinstance(value, dict) else None


def _mended(body: bytes) -> Any:
    """
    A body with valid structure and invalid characters or numbers; None if its structure is invalid too.

    The widget of a success exists, and its key is nowhere else: a stray Latin-1 byte, half a surrogate pair
    or an endless number in another member must not lose it. An invalid character becomes U+FFFD; a number
    that is too long becomes null.
    """
    if len(body) > LONGEST_MENDED_BODY:
        return None
    try:
        value = _lenient(body.decode("utf-8", "replace"))
        # Half a surrogate pair is legal JSON, but not UTF-8, and the ledger cannot store it.
        whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return _lenient(whole.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _lenient(text: str) -> Any:
    return json.loads(text, parse_int=_integer, parse_constant=_nothing)


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else None


def _nothing(_: str) -> None:
    """NaN and Infinity are not JSON."""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_one(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 1


def _lower(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _identifier(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _error_words(body: Mapping[str, Any]) -> list[str]:
    """`error.key` and `error.code` as words, the key first; values that are no words are left out."""
    error = _mapping(body.get("error"))
    found = (_lower(error.get(name)).replace("-", "_").replace(" ", "_") for name in ("key", "code"))
    return [word for word in found if _WORD.fullmatch(word)]


def _explanation(body: Mapping[str, Any]) -> str:
    """The text of the envelope: its message, else its description; then the error of each field."""
    error = _mapping(body.get("error"))
    candidates = (
        body.get("message"),
        error.get("description"),
        error.get("clientMessages"),
        error.get("developerMessages"),
        body.get("statusMessage"),
    )
    summary = next((text for text in map(_text, candidates) if text), "")
    complaints = (
        f"{field}: {text}"
        for field, value in _mapping(body.get("validationError")).items()
        if (text := _text(value))
    )
    return _shorten("; ".join((*([summary] if summary else []), *complaints)))


def _text(value: Any) -> str:
    return ", ".join(_texts(value))


def _texts(value: Any, depth: int = 3) -> Iterator[str]:
    """The texts in a string, a list of such, or an object keyed by language, of which one is taken."""
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _texts(item, depth - 1)
    elif isinstance(value, dict) and depth:
        languages = (value.get("en"), value.get("es"), value.get("pt"), *value.values())
        yield from next((found for item in languages if (found := [*_texts(item, depth - 1)])), [])


def _plain_text(reply: Answer) -> str:
    """A short quotation of a body without an envelope."""
    text = " ".join(reply.body[:4000].decode("utf-8", "replace").split())
    if text.startswith("<"):
        title = _TITLE.search(text)
        return f"an HTML page: {title[1].strip()}" if title else "an HTML page"
    # Broken JSON is not quoted: a 500 after the creation may hold the widget's key.
    return "" if text.startswith(("{", "[")) else text


def _shorten(text: str) -> str:
    text = _AUTHORIZATION.sub(r"\1 ***", " ".join(text.split()))
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"


def _retry_after(value: str, now: float) -> float | None:
    """Seconds from now, whether given as seconds or as a date (RFC 9110 §10.2.3); None if it is neither."""
    value = value.strip()
    if not value:
        return None
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
