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
from provisioning.text import AnyText, Text, joined, plural

GREY = "widget.theme.vars.color.grey."
"""Its members are shades, named by number."""

NAMED = 12
"""Headers that a message names."""


def understand(
    headers: Sequence[str], maps: Mapping[str, str], *, bots: bool = False
) -> tuple[tuple[str, ...], tuple[Text, ...]]:
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
        Text("no column is named {source!r}: this mapping was not used", source=source)
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
                Text("the header {header} {bad}", header=quoted(header), bad=bad),
                hint="is this a table? if so, write the header anew and save it as CSV UTF-8",
            )
        understood, meant = _meaning(path)
        if not understood:
            wrong.append((header, meant))
        elif meant is not None:
            notes.append(
                Text(
                    ("{header!r} is not a documented member and is sent as given; did you mean {meant!r}?"),
                    header=header,
                    meant=meant,
                )
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
            hint=Text("name the column bot.id, or map another onto it: {how}", how=_bots_in(over, "")),
        )
    if given:
        names: AnyText = ", ".join(shorten(header) for header in given[:NAMED])
        if len(given) > NAMED:
            names = Text("{names} and {more} more", names=names, more=len(given) - NAMED)
        notes.append(Text("not documented, sent as given: {names}", names=names))
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
    names = joined(
        ", ",
        [
            Text("{header} (did you mean {meant}?)", header=quoted(header), meant=meant)
            if meant
            else quoted(header)
            for header, meant in wrong[:NAMED]
        ],
    )
    if len(wrong) > NAMED:
        names = Text("{names} and {more} more", names=names, more=len(wrong) - NAMED)
    mapped = [header for header, _ in wrong if header in wanted]
    if count == 1 and sum(map(is_familiar, re.split(r"[,;\t|]", wrong[0][0]))) > 1:
        hint = Text(
            "each line stands in double quotes as a whole: in a text editor, remove them at both ends of it"
        )
    elif len(wrong) == count and not any(meant for _, meant in wrong):
        hint = Text("the first row must hold the headers, such as key and bot.id; does this file have any?")
    elif mapped:
        hint = Text(
            "{header!r} is mapped to {meant!r}, which is no column either",
            header=mapped[0],
            meant=wanted[mapped[0]],
        )
    elif no_bots and all(_can_be_typed(header) for header, _ in wrong):
        # To pass all of them over, as the way out is elsewhere, would lead nowhere.
        unknown = [header for header, meant in wrong if not meant]
        hint = Text("no column is bot.id: {how}", how=_bots_in(unknown, _flags(wrong[:NAMED]) + " "))
    elif several := _several(wrong):
        # Which of them it is nobody but a person can say: another column under bot.id makes other widgets.
        ways = [
            [(h, meant if h == one or meant != several else None) for h, meant in wrong]
            for one in [header for header, meant in wrong if meant == several]
        ]
        hint = Text(
            "one column alone can be {column}: {ways}", column=several, ways=_either(list(map(_flags, ways)))
        )
    else:
        hint = _how_to_map(wrong[:NAMED])
    return InvalidInputError(
        plural(
            "the header {names} is not understood",
            "{count} headers {names} are not understood",
            len(wrong),
            names=names,
        ),
        hint=hint,
    )


def _several(wrong: Sequence[tuple[str, str | None]]) -> str:
    """The column that two or three headers seem to mean, all of them typed easily; empty if there is none."""
    counts = Counter(meant for _, meant in wrong if meant)
    found = next((meant for meant, count in counts.items() if 1 < count < 4), "")
    return found if len(wrong) <= NAMED and all(_can_be_typed(header) for header, _ in wrong) else ""


def _either(ways: Sequence[str]) -> Text:
    *others, last = ways
    return Text("{ways} or {last}", ways=_either(others) if len(others) > 1 else others[0], last=last)


def _bots_in(candidates: Sequence[str], over: str) -> Text:
    """
    The flags that say where the bots are: in the one column that may hold them, or in one to be named.

    Args:
        over: the flags that pass over what is not understood, for whoever wants new bots.
    """
    [header] = candidates if len(candidates) == 1 and _can_be_typed(candidates[0]) else ["COLUMN"]
    return Text(
        (
            "--map {mapping} (if that column holds the bots' ids); if every row shall make "
            "a new bot: {over}--new-bots"
        ),
        mapping=shlex.quote(f"{header}=bot.id"),
        over=over,
    )


def _how_to_map(wrong: Sequence[tuple[str, str | None]]) -> Text:
    """The flags that map headers, as they can be typed; what nobody can type is to be written anew."""
    flags = _flags(wrong)
    over = Text("{flags}   (a mapping to nothing passes the column over)", flags=flags)
    others = [ascii(header) for header, _ in wrong if header and not _can_be_typed(header)]
    anew = Text("write anew what holds invisible characters: {others}", others=", ".join(others))
    return joined("; ", [over if flags else "", anew if others else ""])


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
                Text("twice: {header!r}", header=header)
                if header == seen[path]
                else Text("twice: by {seen!r} and {header!r}", seen=seen[path], header=header)
            )
            typed = header != seen[path] and _can_be_typed(header)
            raise InvalidInputError(
                Text("the column {path} is given {both}", path=path, both=both),
                hint=Text(
                    "rename one of them, or map it to nothing: --map {mapping}",
                    mapping=shlex.quote(f"{header}="),
                )
                if typed
                else "rename one of them",
            )
        seen[path] = header
