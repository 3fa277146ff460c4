"""
Texts that were UTF-8, were read in another encoding, and were written as UTF-8 again: `PeÃ±a` for `Peña`.
And those of which letters were lost on the way: `Pe?a`.

Pure. The bytes are valid UTF-8, so that no reader notices. What gives such a text away is that all of its
characters beyond ASCII, one run of them after the other, are UTF-8 again if written in that other encoding.
"""

from __future__ import annotations

import re
from functools import cache

_READ_AS = ("cp1252", "mac_roman", "cp850")
"""Windows and the web, older Macs, the console of Windows."""

_RUN = re.compile(r"[^\x00-\x7f]{2,}")
_TIMES = 3

_USUAL = frozenset(b"\xc2\xc3\xcc\xe2\xf0")
"""How most begin in western languages: letters and signs, accents of their own, quotes and dashes, pictures.
Others are believed if two or more stand together: `É…` may be meant."""


def repaired(text: str) -> str | None:
    """
    What a text probably was; None if it is not spoiled in this way.

    >>> [repaired(text) for text in ("PeÃ±a", "NiÃ±os â€“ 5 â‚¬", "PeÃƒÂ±a", "Pe√±a", "Peña", "SÃO «CAFÉ»")]
    ['Peña', 'Niños – 5 €', 'Peña', 'Peña', None, None]
    """
    if text.isascii() or not _RUN.search(text):
        return None
    found = None
    for _ in range(_TIMES):
        better = next((better for name in _READ_AS if (better := _once(text, name)) != text), None)
        if better is None:
            break
        found = text = better
    return found


_LOST = re.compile(r"[^\W\d_]\?[a-z]")


def has_lost_letter(text: str) -> bool:
    """
    Whether a text has a `?` within a word, as programs write for a letter that their encoding lacks.

    >>> [has_lost_letter(text) for text in ("Pe?a", "¿Peña? sí", "https://a.example/b?c", "a?b=c")]
    [True, False, False, False]
    """
    return "?" in text and not ("/" in text or "=" in text) and _LOST.search(text) is not None


def _once(text: str, encoding: str) -> str:
    return _RUN.sub(lambda run: _decoded(run[0], _bytes_of(encoding)), text)


def _decoded(run: str, table: dict[str, int]) -> str:
    """What a run of characters was; the same if it was nothing else."""
    codes = [table.get(char, 0) for char in run]
    if 0 in codes:
        return run
    try:
        was = bytes(codes).decode()
    except UnicodeDecodeError:
        return run
    believed = was.isprintable() or was == "\u00a0"
    return was if believed and (codes[0] in _USUAL or len(was) > 1) else run


@cache
def _bytes_of(encoding: str) -> dict[str, int]:
    """The byte of each character that the encoding has beyond ASCII; where it has none, that of Latin-1."""
    table = {chr(code): code for code in range(0x80, 0x100)} if encoding == "cp1252" else {}
    return table | {
        char: code
        for code in range(0x80, 0x100)
        if (char := bytes([code]).decode(encoding, "replace")) != "\ufffd"
    }
