"""
A JSON object becomes a job: a line of JSON Lines, or one of an HTTP request.

Pure. The object is the body with `key`, `credential` and `label` beside `bot`, `widget` and `credentials`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from producers.files.body import check_body, check_credential, check_key, check_label, make_job, shorten
from producers.files.column_notes import ColumnNotes
from producers.files.defaults import lay_over
from producers.files.fields import SPECIAL_COLUMNS
from producers.files.json_text import KEEP_ONE, GivenTwiceError, decode
from producers.files.read_options import PLAIN, ReadOptions
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob
from provisioning.text import AnyText, Text

_Check = Callable[[str], tuple[AnyText, AnyText] | None]
_CHECKS: Mapping[str, _Check] = {"key": check_key, "credential": check_credential, "label": check_label}


def read_line(
    text: str | bytes,
    row: int,
    options: ReadOptions = PLAIN,
    seen: ColumnNotes | None = None,
) -> NewJob | list[InvalidJobError]:
    """
    The job of one JSON text, or all that is wrong with it.

    Args:
        row: number of its line, or its place in a list, from 1.
        options: as of a file.
        seen: takes note of what it holds, where it is one of several.
    """
    wrong: AnyText
    hint: AnyText
    try:
        value = decode(text)
    except UnicodeEncodeError:
        wrong, hint = (
            Text("the line has bytes that are not valid in the file's encoding"),
            Text("save the file as UTF-8"),
        )
    except RecursionError:
        wrong, hint = Text("the line is nested too deep"), ""
    except GivenTwiceError as exc:
        wrong, hint = exc.text, KEEP_ONE
    except msgspec.MsgspecError as exc:
        wrong, hint = (
            Text("the line is not JSON: {error}", error=exc),
            Text("JSON Lines has one whole object on each line"),
        )
    else:
        return job_of(value, options, row=row, seen=seen)
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return [InvalidJobError(wrong, row=row, value=shorten(shown), hint=hint)]


def job_of(
    value: Any, options: ReadOptions = PLAIN, *, row: int | None = None, seen: ColumnNotes | None = None
) -> NewJob | list[InvalidJobError]:
    """
    The job that a decoded JSON object describes, or all that is wrong with it.

    Args:
        value: decoded JSON, of any type.
        options: as of a file.
        row: line it came from; None where there are no lines.
        seen: takes note of what it holds, where it is one of several.
    """
    if not isinstance(value, dict):
        return check_body(value, row=row)
    special = {name: value[name] for name in SPECIAL_COLUMNS if value.get(name) is not None}
    if "key" in value and value["key"] is None:
        special["key"] = ""  # as an empty cell: whoever has keys has one for every tenant
    given = {name: member for name, member in value.items() if name not in SPECIAL_COLUMNS}
    try:
        body = lay_over(options.defaults, given) if options.defaults else given
    except RecursionError:
        return [InvalidJobError("the object is nested too deep", row=row)]
    body.setdefault("bot", {})
    body.setdefault("widget", {})
    problems = [
        InvalidJobError(
            Text("{name} must be text", name=name),
            row=row,
            field=name,
            value="(not shown)" if name == "credential" else shorten(text),
            hint="write it in quotes",
        )
        for name, text in special.items()
        if not isinstance(text, str)
    ]
    for name, check in _CHECKS.items():
        text = special.get(name)
        if isinstance(text, str) and (wrong := check(text)):
            meant = name == "key" and name in options.as_is
            if meant and check_key(text, as_is=True) is None:
                continue
            shown = "(not shown)" if name == "credential" else shorten(text)
            problems.append(InvalidJobError(wrong[0], row=row, field=name, value=shown, hint=wrong[1]))
    problems += check_body(body, new_bots=options.new_bots, row=row, as_is=options.as_is)
    if problems:
        return problems
    job = make_job(
        body,
        key=special.get("key"),
        credential=special.get("credential", options.credential),
        row=row,
        label=special.get("label", ""),
    )
    if not isinstance(job, NewJob):
        return [job]
    if seen is not None:
        _show(seen, job, body["bot"], "key" in special, row or 0)
        plain = job.body.isascii() and job.key.isascii() and job.label.isascii()
        if not plain or b"?" in job.body or "?" in job.key or "?" in job.label:
            for path, member in _texts({**special, **body}):
                # Where the name of credentials should be there may be a secret.
                if path != "credential":
                    seen.text(path, member, row or 0)
    return job


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """All texts in a value, each with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _texts(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, path)


def _show(seen: ColumnNotes, job: NewJob, bot: Mapping[str, Any], has_key: bool, row: int) -> None:
    if bot_id := bot.get("id"):
        seen.bot_ids.see(bot_id, row)
    if has_key:
        seen.keys.see(job.key, row)
    else:
        seen.no_key(row)
