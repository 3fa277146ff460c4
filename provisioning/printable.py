"""
Somebody's text where a person sees it: on a terminal, in a log of a terminal, in a file that is opened.

An escape sequence of a terminal can hide lines, rename a window or type into the shell; marks for the
direction of writing show a text in another order than it has. What would not print is written as an escape.
"""

from __future__ import annotations

import re


def printable(text: str) -> str:
    """
    A text on one line, fit for a terminal.

    >>> printable("two\\nlines, a colour \\x1b[31m, a stray byte \\udcff")
    'two\\\\nlines, a colour \\\\x1b[31m, a stray byte \\\\xff'
    """
    if text.isprintable():
        return text
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def printable_lines(text: str) -> str:
    """
    A text of our own that may quote somebody's: as `printable`, but it keeps its lines.

    >>> printable_lines("one\\ntwo\\x1b[2J")
    'one\\ntwo\\\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "\n".join(printable(line) for line in text.split("\n"))


def printable_json(document: str) -> str:
    """
    The same JSON document with everything in its strings that would not print as an escape of JSON's.

    >>> printable_json('{"a": "\\x9b31m\\u202e"}')
    '{"a": "\\\\u009b31m\\\\u202e"}'
    """
    if document.isprintable():
        return document
    return _NOT_SHOWN.sub(_escaped, document)


_NOT_SHOWN = re.compile(r"[^ -~\n\r\t]")  # space to tilde print; JSON may stand on several lines


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable():
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
