"""
Somebody's text where a person sees it: on a terminal, in a log of a terminal, in a file that is opened.

An escape sequence of a terminal can hide lines, rename a window or type into the shell; marks for the
direction of writing show a text in another order than it has. What would not print is written as an escape.

Joiners do not print by themselves, and are part of what is seen: 👩‍🍳 is a woman, a joiner and a pan, and
in Persian and Indian scripts they tell words apart. Where they join such, they are text; anywhere else they
hide something.
"""

from __future__ import annotations

import re

_PICTURE = "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_SCRIPT = "\u0620-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc"
"""Arabic and its neighbours, India's, Burmese, Khmer, Mongolian: letters that a joiner stands between."""

_JOINER = re.compile(
    f"(?<=[{_PICTURE}\ufe0f])\u200d(?=[{_PICTURE}])|(?<=[{_SCRIPT}])[\u200c\u200d](?=[{_SCRIPT}])"
)


def is_shown(text: str) -> bool:
    """
    Whether all of a text is seen as it is.

    >>> [is_shown(text) for text in ("\\U0001f469\\u200d\\U0001f373", "ca\\u200dfé", "می\\u200cخواهم")]
    [True, False, True]
    """
    return text.isprintable() or _JOINER.sub("", text).isprintable()


def printable(text: str) -> str:
    """
    A text on one line, fit for a terminal.

    >>> printable("two\\nlines, a colour \\x1b[31m, a stray byte \\udcff")
    'two\\\\nlines, a colour \\\\x1b[31m, a stray byte \\\\xff'
    """
    if is_shown(text):
        return text
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    joiners = {found.start() for found in _JOINER.finditer(text)}
    return "".join(
        char if char.isprintable() or at in joiners else char.encode("unicode_escape").decode()
        for at, char in enumerate(text)
    )


def printable_lines(text: str) -> str:
    """
    A text of our own that may quote somebody's: as `printable`, but it keeps its lines.

    >>> printable_lines("one\\ntwo\\x1b[2J")
    'one\\ntwo\\\\x1b[2J'
    """
    if is_shown(text):
        return text
    return "\n".join(printable(line) for line in text.split("\n"))


def printable_json(document: str) -> str:
    """
    The same JSON document with everything in its strings that would not print as an escape of JSON's.

    >>> printable_json('{"a": "\\x9b31m\\u202e"}')
    '{"a": "\\\\u009b31m\\\\u202e"}'
    """
    if is_shown(document):
        return document
    return _NOT_SHOWN.sub(_escaped, document)


_NOT_SHOWN = re.compile(r"[^ -~\n\r\t]")  # space to tilde print; JSON may stand on several lines


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable():
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
