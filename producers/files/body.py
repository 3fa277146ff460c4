"""
What a body must be before it may become a job: the one set of rules for every door (CSV, JSON lines, HTTP).

Pure: JSON values in, problems out. Messages name the field by its dotted path, the value shortened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from producers.files.fields import FIELDS, Kind, documented_spelling, nearest
from producers.files.identifiers import (
    EXPORT_ANEW,
    LOST_CHARACTER,
    lost_digits,
    not_an_id,
    not_meant,
)
from producers.files.plain_numbers import plain
from provisioning.errors import InvalidJobError
from provisioning.job import MAX_BODY_BYTES, MAX_KEY_LENGTH, NewJob, fingerprint
from provisioning.printable import is_shown
from provisioning.text import AnyText, Text

MAX_DEPTH = 32
"""Levels of nesting. The documented example has five; this bounds every recursion over a stranger's JSON."""

MAX_LABEL_LENGTH = 500
"""Characters in a label: it is for people and for one line of a table."""

MAX_CREDENTIAL_LENGTH = 100
"""Characters in the *name* of a company's credentials."""

AS_TEXT_HINT = Text(
    "a spreadsheet changed this value: format the column as text, enter the value again and export again"
)

_encode = msgspec.json.Encoder().encode

# A sign after the E is asked for, because spreadsheets always write one and references such as 7E2 exist.
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]\d+")
_FLOAT = re.compile(r"[+-]?\d+\.0+")
# English and Spanish: #REF!, #N/A, #N/D, #¡VALOR!, #¿NOMBRE?, and the ##### of a column too narrow.
_ERROR_VALUE = re.compile(r"#(?:N/[AD]|[¡¿]?[A-ZÁÉÍÓÚ_]+(?:/0)?[!?]|#{2,})")
# All of C0 but tab, line feed and carriage return, which a tooltip may well contain; DEL; all of C1, which is
# what Windows-1252 text looks like when somebody read it as Latin-1.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ESCAPED_BYTE = re.compile(r"[\ud800-\udfff]")


def shorten(value: object, width: int = 60) -> str:
    """The value on one line, at most `width` characters, fit for a message."""
    text = value if isinstance(value, str) else _as_json(value)
    text = text if is_shown(text) else ascii(text)[1:-1]
    return text if len(text) <= width else text[: width - 1] + "…"


def quoted(value: object) -> str:
    """The value as `shorten` has it, in quotes."""
    return f"'{shorten(value)}'"


def _as_json(value: object) -> str:
    try:
        return _encode(value).decode()
    except (RecursionError, UnicodeEncodeError):
        return "…"


def spreadsheet_damage(text: str) -> Text | None:
    """What a spreadsheet did to an identifier, in words; None when it looks unharmed."""
    if text[:1].isalpha():
        return None
    text = plain(text)
    if _SCIENTIFIC.fullmatch(text):
        return Text("is a number in scientific notation: digits have been lost")
    if _FLOAT.fullmatch(text):
        return Text("ends in .0: a spreadsheet or script took it for a number")
    if is_error_value(text):
        return Text("is a spreadsheet's error value")
    return None


def is_error_value(text: str) -> bool:
    """Whether the text is what a spreadsheet shows in place of a broken formula's result."""
    return text.startswith("#") and _ERROR_VALUE.fullmatch(text) is not None


def is_rounded(text: str) -> bool:
    """Whether a text is nothing but a number of which a spreadsheet may have lost digits."""
    return lost_digits(text) > 0 or _SCIENTIFIC.fullmatch(plain(text)) is not None


def bad_character(text: str) -> Text | None:
    """The first character that no text of a job may hold, in words; None if there is none."""
    if text.isprintable():
        return None
    if found := _ESCAPED_BYTE.search(text):
        code = ord(found[0])
        if 0xDC80 <= code <= 0xDCFF:
            return Text(
                "holds the byte 0x{code:02X}, which is not valid in the file's encoding", code=code - 0xDC00
            )
        return Text("holds half of a surrogate pair (U+{code:04X})", code=code)
    if found := _CONTROL.search(text):
        return Text("holds a control character (U+{code:04X})", code=ord(found[0]))
    return None


def bad_character_in_name(text: str) -> Text | None:
    """As `bad_character`, and stricter: nothing invisible may hide in an identifier, no line break either."""
    if text.isprintable():
        return None
    worse = bad_character(text)
    if worse is not None:
        return worse
    hidden = next(char for char in text if not char.isprintable())
    name = unicodedata.name(hidden, "a control character").lower()
    return Text("holds an invisible character (U+{code:04X}, {name})", code=ord(hidden), name=name)


def check_name(text: str, limit: int) -> Text | None:
    """What is wrong with an identifier (key, bot id, name of credentials), in words; None if nothing is."""
    if text != text.strip():
        return Text("has spaces around it")
    if len(text) > limit:
        return Text("has {count} characters; at most {limit} are allowed", count=len(text), limit=limit)
    return bad_character_in_name(text)


def check_key(key: str, *, as_is: bool = False) -> tuple[AnyText, AnyText] | None:
    """What is wrong with a job's key, and the way out; None if nothing is. `as_is`: it is meant so."""
    if not key:
        return (
            Text("the key is empty"),
            Text("give every row the tenant's own reference, or remove the column"),
        )
    if wrong := check_name(key, MAX_KEY_LENGTH):
        return Text("the key {wrong}", wrong=wrong), Text("use the tenant's own reference, as plain text")
    if damage := spreadsheet_damage(key):
        return Text("the key {damage}", damage=damage), AS_TEXT_HINT
    if not as_is and (odd := not_meant(key)):
        return Text("the key {odd}", odd=odd[0]), _or_as_is(odd[1], "key")
    return None


def check_credential(name: str) -> tuple[AnyText, AnyText] | None:
    """What is wrong with the name of a company's credentials, and the way out; None if nothing is."""
    if ":" in name:
        # Refused before it can be stored or shown: this is what clientId:clientSecret looks like.
        return (
            Text("the credential looks like a secret, not like a name"),
            Text("name the credentials here and keep their secret in PROVISION_CREDENTIALS_FILE"),
        )
    if not name:
        return Text("the name of the credentials is empty"), Text(
            "remove the column to use the default credential"
        )
    if wrong := check_name(name, MAX_CREDENTIAL_LENGTH):
        return Text("the name of the credentials {wrong}", wrong=wrong), Text(
            "use the name they have in the credentials file"
        )
    return None


def check_label(label: str) -> tuple[AnyText, AnyText] | None:
    """What is wrong with a label, and the way out; None if nothing is."""
    if len(label) > MAX_LABEL_LENGTH:
        return Text(
            "the label has {count} characters; at most {max_label_length} are allowed",
            count=len(label),
            max_label_length=MAX_LABEL_LENGTH,
        ), Text("shorten it")
    if wrong := bad_character(label):
        return Text("the label {wrong}", wrong=wrong), ""
    if "\ufffd" in label:
        return Text("the label {lost_character}", lost_character=LOST_CHARACTER), EXPORT_ANEW
    return None


def _or_as_is(way_out: AnyText, path: str) -> Text:
    return Text("{way_out}; if it is correct, use --as-is {path}", way_out=way_out, path=path)


def check_bot_id(bot_id: str, *, as_is: bool = False) -> tuple[AnyText, AnyText] | None:
    """What is wrong with a bot's id that is not empty, and the way out. `as_is`: it is meant so."""
    if wrong := check_name(bot_id, MAX_KEY_LENGTH):
        return Text("the bot id {wrong}", wrong=wrong), Text("copy the id again, as plain text")
    if damage := spreadsheet_damage(bot_id):
        return Text("the bot id {damage}", damage=damage), AS_TEXT_HINT
    if not as_is and (odd := not_an_id(bot_id)):
        return Text("the bot id {odd}", odd=odd[0]), _or_as_is(odd[1], "bot.id")
    return None


def check_item(item: str, path: str, *, as_is: bool = False) -> tuple[AnyText, AnyText] | None:
    """What is wrong with an item of a list of credentials, and the way out. `as_is`: it is meant so."""
    if wrong := bad_character_in_name(item):
        return Text("the item {item} {wrong}", item=quoted(item), wrong=wrong), Text(
            "each item is one line of plain text"
        )
    if damage := spreadsheet_damage(item):
        return Text("the item {item} {damage}", item=quoted(item), damage=damage), AS_TEXT_HINT
    # An empty item is nobody's reference, and was never refused.
    if item.strip() and not as_is and (odd := not_meant(item)):
        return Text("the item {item} {odd}", item=quoted(item), odd=odd[0]), _or_as_is(odd[1], path)
    return None


NO_BOT = (
    Text("no bot id: this would create a new bot"),
    Text("fill it in; to create a new bot, use --new-bots"),
)


def check_body(
    body: Any, *, new_bots: bool = False, row: int | None = None, as_is: Collection[str] = ()
) -> list[InvalidJobError]:
    """
    All that is wrong with a body; an empty list means that it may be sent.

    Args:
        body: decoded JSON, of any type.
        new_bots: whether `bot: {}`, which makes a new bot, is wanted.
        row: row or line that the problems shall name.
        as_is: paths whose identifiers are meant as they stand, however odd.
    """
    return list(_problems(body, new_bots, row, as_is))


def _problems(
    body: Any, new_bots: bool, row: int | None, as_is: Collection[str]
) -> Iterator[InvalidJobError]:
    if not isinstance(body, dict):
        yield InvalidJobError(
            Text("the body is {found}, not a JSON object", found=_article(body)),
            row=row,
            value=shorten(body),
        )
        return
    for required in ("bot", "widget"):
        if required not in body:
            yield InvalidJobError(
                Text("{required!r} is missing", required=required),
                row=row,
                field=required,
                hint="it may be {}",
            )
    for name, value in body.items():
        kind = FIELDS.get(name) if name in ("bot", "widget", "credentials") else None
        if kind is None:
            yield _unknown(name, value, row)
        elif isinstance(value, dict):
            yield from _walk(value, name, 1, row, documented=True)
        else:
            yield from _check_kind(value, kind, name, row)
    credentials = body.get("credentials")
    lists = credentials if isinstance(credentials, dict) else {}
    for name in ("blackList", "whiteList"):
        path, items = f"credentials.{name}", lists.get(name)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, str) and (wrong := check_item(item, path, as_is=path in as_is)):
                yield InvalidJobError(wrong[0], row=row, field=path, value=shorten(item), hint=wrong[1])
                break
    bot = body.get("bot")
    if isinstance(bot, dict):
        bot_id = bot.get("id")
        if "id" not in bot:
            if not new_bots:
                yield InvalidJobError(NO_BOT[0], row=row, field="bot.id", hint=NO_BOT[1])
        elif bot_id == "":
            yield InvalidJobError(
                "the bot id is empty", row=row, field="bot.id", hint='omit "id" to create a new bot'
            )
        elif isinstance(bot_id, str) and (wrong := check_bot_id(bot_id, as_is="bot.id" in as_is)):
            yield InvalidJobError(wrong[0], row=row, field="bot.id", value=shorten(bot_id), hint=wrong[1])


def _walk(
    members: dict[str, Any], path: str, depth: int, row: int | None, *, documented: bool
) -> Iterator[InvalidJobError]:
    free = path.startswith("widget")
    for name, value in members.items():
        here = f"{path}.{name}"
        # A name with a dot in it is not the path it spells: {"theme.status": 1} is an unknown member, and so
        # is everything below it.
        known = documented and "." not in name
        kind = FIELDS.get(here) if known else None
        if wrong := bad_character(name):
            yield InvalidJobError(Text("a member's name {wrong}", wrong=wrong), row=row, field=shorten(here))
        elif "\ufffd" in name:
            yield InvalidJobError(
                Text("a member's name {lost_character}", lost_character=LOST_CHARACTER),
                row=row,
                field=shorten(here),
                hint=EXPORT_ANEW,
            )
        elif kind is None and not free:
            yield _unknown(here, value, row)
        else:
            if kind is not None:
                yield from _check_kind(value, kind, here, row)
            # The bot's id has rules of its own, see `check_bot_id`.
            if here != "bot.id":
                yield from _inside(value, here, depth, row, documented=known)


def _inside(
    value: Any, path: str, depth: int, row: int | None, *, documented: bool
) -> Iterator[InvalidJobError]:
    if isinstance(value, str):
        if wrong := bad_character(value):
            yield InvalidJobError(
                Text("the text {wrong}", wrong=wrong), row=row, field=shorten(path), value=shorten(value)
            )
        # Of the items of a list of identifiers `check_item` says so, for they may be meant.
        elif "\ufffd" in value and FIELDS.get(path) is not Kind.LIST:
            yield InvalidJobError(
                Text("the text {lost_character}", lost_character=LOST_CHARACTER),
                row=row,
                field=shorten(path),
                value=shorten(value),
                hint=EXPORT_ANEW,
            )
    elif isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            yield InvalidJobError(
                Text("nested more than {max_depth} deep", max_depth=MAX_DEPTH), row=row, field=shorten(path)
            )
        elif isinstance(value, dict):
            yield from _walk(value, path, depth + 1, row, documented=documented)
        else:
            for item in value:
                yield from _inside(item, path, depth + 1, row, documented=False)


def _check_kind(value: Any, kind: Kind, path: str, row: int | None) -> Iterator[InvalidJobError]:
    match kind:
        case Kind.TEXT:
            fits = isinstance(value, str)
        case Kind.COLOUR:
            fits = isinstance(value, str | dict)
        case Kind.FLAG:
            fits = isinstance(value, bool)
        case Kind.LIST:
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        case Kind.OBJECT:
            fits = isinstance(value, dict)
    if not fits:
        hint = Text('write it in quotes, so that it is text: "100200300"') if path == "bot.id" else ""
        yield InvalidJobError(
            Text("{path} must be {kind}, not {found}", path=path, kind=kind.value, found=_article(value)),
            row=row,
            field=path,
            value=shorten(value),
            hint=hint,
        )


def _unknown(path: str, value: Any, row: int | None) -> InvalidJobError:
    meant = documented_spelling(path) or nearest(path)
    return InvalidJobError(
        Text("the API documents no member {path}", path=quoted(path)),
        row=row,
        field=shorten(path),
        value=shorten(value),
        hint=Text("did you mean {meant}?", meant=meant)
        if meant and meant != path
        else Text("unknown members are allowed only under widget"),
    )


def _article(value: Any) -> AnyText:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return Text("text")
        case int() | float():
            return Text("a number")
        case list():
            return Text("a list")
        case _:
            return Text("an object")


def make_job(
    body: dict[str, Any], *, key: str | None, credential: str, row: int | None, label: str = ""
) -> NewJob | InvalidJobError:
    """
    The job of a checked body, or why it cannot be encoded.

    Args:
        key: None where the producer gives none: the body's fingerprint then names the job.
    """
    try:
        encoded = _encode(body)
    except UnicodeEncodeError:
        return InvalidJobError("a text in the body is not valid Unicode", row=row)
    except (RecursionError, msgspec.MsgspecError, TypeError, OverflowError) as exc:
        return InvalidJobError(Text("the body cannot be written as JSON: {error}", error=exc), row=row)
    if len(encoded) > MAX_BODY_BYTES:
        return InvalidJobError(
            Text(
                "the body has {count:,} bytes; at most {max_body_bytes:,} are allowed",
                count=len(encoded),
                max_body_bytes=MAX_BODY_BYTES,
            ),
            row=row,
            hint="a picture may be in a cell; use its URL instead",
        )
    content = fingerprint(body)
    if key is None:
        key = "body-" + content[:24]
    return NewJob(key, credential, encoded, row, label, fingerprint=content)
