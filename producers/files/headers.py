"""
Headers are understood: what each column means, or what it was probably meant to be and how to say so.

Pure. All headers that are wrong are named at once, with the flags that would map them.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from producers.files.body import bad_character, quoted, shorten
from producers.files.cells import OUTCOME_PREFIX, is_plain_name
from producers.files.fields import FIELDS, SPECIAL_COLUMNS, documented_spelling, is_familiar, nearest
from provisioning.errors import InvalidInputError
from provisioning.printable import is_shown

GREY = "widget.theme.vars.color.grey."
"""Its members are shades, named by number."""


def understand(
    headers: Sequence[str], maps: Mapping[str, str], *, bots: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    The path of each header ("" where it is passed over), and notes for a person.

    Args:
        headers: as they stand in the file, without spaces around them.
        maps: what a header of the file means; "" to pass a column over.
        bots: whether one of the columns must be `bot.id`.

    Raises: InvalidInputError, naming every header that is not understood.
    """
    wanted = {source.strip(): target.strip() for source, target in maps.items()}
    paths: list[str] = []
    wrong: list[tuple[str, str | None]] = []
    given: list[str] = []
    notes = [
        f"no column is named {source!r}: this mapping was not used"
        for source in wanted
        if source not in headers
    ]
    for header in headers:
        path = wanted.get(header, header)
        if not path or path.startswith(OUTCOME_PREFIX):
            paths.append("")
            continue
        if bad := bad_character(path):
            raise InvalidInputError(
                f"the header {quoted(header)} {bad}",
                hint="is this a table? if so, write the header anew and save it as CSV UTF-8",
            )
        understood, meant = _meaning(path)
        if not understood:
            wrong.append((header, meant))
        elif meant is not None:
            notes.append(
                f"{header!r} is not a documented member and is sent as given; did you mean {meant!r}?"
            )
        elif path.startswith("widget.") and path not in FIELDS and not path.startswith(GREY):
            given.append(header)
        paths.append(path)
    if wrong:
        wrong = [(header, None if meant in paths else meant) for header, meant in wrong]
        no_bots = bots and "bot.id" not in (*paths, *(meant for _, meant in wrong))
        raise _not_understood(wrong, len(headers), wanted, no_bots=no_bots)
    if bots and "bot.id" not in paths:
        over = [header for header in headers if header and wanted.get(header) == ""]
        raise InvalidInputError(
            "there is no column bot.id",
            hint=f"name the column bot.id, or map another onto it: {_bots_in(over, '')}",
        )
    if given:
        names = ", ".join(shorten(header) for header in given[:12])
        more = f" and {len(given) - 12} more" if len(given) > 12 else ""
        notes.append(f"not documented, sent as given: {names}{more}")
    return tuple(paths), tuple(notes)


def _meaning(path: str) -> tuple[bool, str | None]:
    """Whether a path may be a column, and the column that was probably meant if it is not quite that."""
    if path in SPECIAL_COLUMNS or (path in FIELDS and path != "bot"):
        return True, None
    if not path.startswith("widget."):
        spelled = documented_spelling(path)
        return False, spelled if spelled and spelled != "bot" else nearest(path)
    if (spelled := documented_spelling(path)) or not all(map(is_plain_name, path.split("."))):
        return False, spelled
    if path.startswith(GREY):
        return True, None  # one digit apart is another shade, not a slip
    return True, next(iter(difflib.get_close_matches(path, FIELDS, n=1, cutoff=0.93)), None)


def _not_understood(
    wrong: Sequence[tuple[str, str | None]], count: int, wanted: Mapping[str, str], *, no_bots: bool
) -> InvalidInputError:
    names = ", ".join(
        f"{quoted(header)}" + (f" (did you mean {meant}?)" if meant else "") for header, meant in wrong[:12]
    )
    more = f" and {len(wrong) - 12} more" if len(wrong) > 12 else ""
    subject = "the header" if len(wrong) == 1 else f"{len(wrong)} headers"
    is_are = "is" if len(wrong) == 1 else "are"
    mapped = [header for header, _ in wrong if header in wanted]
    if count == 1 and sum(map(is_familiar, re.split(r"[,;\t|]", wrong[0][0]))) > 1:
        hint = (
            "each line stands in double quotes as a whole: in a text editor, remove them at both ends of it"
        )
    elif len(wrong) == count and not any(meant for _, meant in wrong):
        hint = "the first row must hold the headers, such as key and bot.id; does this file have any?"
    elif mapped:
        hint = f"{mapped[0]!r} is mapped to {wanted[mapped[0]]!r}, which is no column either"
    elif no_bots and all(_can_be_typed(header) for header, _ in wrong):
        # To pass all of them over, as the way out is elsewhere, would lead nowhere.
        unknown = [header for header, meant in wrong if not meant]
        hint = f"no column is bot.id: {_bots_in(unknown, _flags(wrong[:12]) + ' ')}"
    elif several := _several(wrong):
        # Which of them it is nobody but a person can say: another column under bot.id makes other widgets.
        ways = [
            [(h, meant if h == one or meant != several else None) for h, meant in wrong]
            for one in [header for header, meant in wrong if meant == several]
        ]
        hint = f"one column alone can be {several}: {' or '.join(map(_flags, ways))}"
    else:
        hint = _how_to_map(wrong[:12])
    return InvalidInputError(f"{subject} {names}{more} {is_are} not understood", hint=hint)


def _several(wrong: Sequence[tuple[str, str | None]]) -> str:
    """The column that two or three headers seem to mean, all of them typed easily; empty if there is none."""
    counts = Counter(meant for _, meant in wrong if meant)
    found = next((meant for meant, count in counts.items() if 1 < count < 4), "")
    return found if len(wrong) <= 12 and all(_can_be_typed(header) for header, _ in wrong) else ""


def _bots_in(candidates: Sequence[str], over: str) -> str:
    """
    The flags that say where the bots are: in the one column that may hold them, or in one to be named.

    Args:
        over: the flags that pass over what is not understood, for whoever wants new bots.
    """
    [header] = candidates if len(candidates) == 1 and _can_be_typed(candidates[0]) else ["COLUMN"]
    return (
        f"--map {shlex.quote(f'{header}=bot.id')} (if that column holds the bots' ids); "
        f"if every row shall make a new bot: {over}--new-bots"
    )


def _how_to_map(wrong: Sequence[tuple[str, str | None]]) -> str:
    """The flags that map headers, as they can be typed; what nobody can type is to be written anew."""
    flags = _flags(wrong)
    hint = f"{flags}   (a mapping to nothing passes the column over)" if flags else ""
    others = [ascii(header) for header, _ in wrong if header and not _can_be_typed(header)]
    if others:
        hint = "; ".join(
            filter(None, [hint, f"write anew what holds invisible characters: {', '.join(others)}"])
        )
    return hint


def _flags(wrong: Sequence[tuple[str, str | None]]) -> str:
    typed = [(header, meant or "") for header, meant in wrong if header and _can_be_typed(header)]
    return " ".join(f"--map {shlex.quote(f'{header}={meant}')}" for header, meant in typed)


def _can_be_typed(header: str) -> bool:
    return is_shown(header)


def refuse_repeated(headers: Sequence[str], paths: Sequence[str]) -> None:
    """Raise InvalidInputError if two columns mean the same."""
    seen: dict[str, str] = {}
    for header, path in zip(headers, paths, strict=True):
        if path and path in seen:
            both = (
                f"twice: {header!r}" if header == seen[path] else f"twice: by {seen[path]!r} and {header!r}"
            )
            way_out = (
                ""
                if header == seen[path] or not _can_be_typed(header)
                else f": --map {shlex.quote(f'{header}=')}"
            )
            raise InvalidInputError(
                f"the column {path} is given {both}",
                hint=f"rename one of them{way_out and ', or map it to nothing' + way_out}",
            )
        seen[path] = header
