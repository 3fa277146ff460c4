"""
How text is encoded, where nobody says it: what the bytes themselves tell.

Pure. Nothing here is read on a guess: a guess becomes the hint of a refusal, or the example of a note.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

WINDOWS_1252 = "windows-1252"

BEGINNING = 512
"""Bytes by which UTF-16 and UTF-32 are told: headers are mostly ASCII."""

BEFORE = 64
AFTER = 64 * 1024
"""Bytes before and after the first one above 0x7F by which Windows-1252 is doubted."""

_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
"""Bytes that mean nothing in Windows-1252."""

_SIGNS = rb"\x80-\x87\x89\x8b\x93-\x99\x9b\xa1-\xa9\xab\xac\xae-\xb6\xb8\xb9\xbb-\xbf\xd7\xf7"
_MISPLACED = re.compile(
    rb"(?<=[A-Za-z])[" + _SIGNS + rb"](?=[A-Za-z])"  # a sign within a word
    rb"|(?<=[a-z])[\x8a\x8c\x8e\x9f]"  # a capital behind a small letter
)
_LETTER = re.compile(rb"(?<=[A-Za-z])[\xc0-\xd6\xd8-\xf6\xf8-\xff]|[\xc0-\xd6\xd8-\xf6\xf8-\xff](?=[A-Za-z])")
_RUN = re.compile(rb"[\x80-\xff]{4,}")
_PUNCTUATION = frozenset(b"\x85\x91\x92\x93\x94\x95\x96\x97\xa0\xa1\xab\xad\xb7\xbb\xbf")

_HIGH = re.compile(rb"[\x80-\xff]")
_CELL_END = re.compile(rb'[,;\t|"\r\n]')
_LONGEST_EXAMPLE = 40

_ACCENTED = frozenset("áéíóúñüçãõâêôàÁÉÍÓÚÑÜÇÃÕ")


class Doubt(NamedTuple):
    """Why bytes are hardly Windows-1252: what would stand there, and what is more likely, if anything is."""

    example: str
    encoding: str = ""
    better: str = ""


def unmarked(head: bytes) -> str | None:
    """
    The kind of UTF-16 or UTF-32 that text without a byte order mark is in, told by its zeros; None if none.

    >>> [unmarked("key,bot.id".encode(name)) for name in ("utf-16-le", "utf-16-be", "utf-32-be", "utf-8")]
    ['utf-16-le', 'utf-16-be', 'utf-32-be', None]
    """
    sample = head[:BEGINNING]
    if len(sample) < 4 or 0 not in sample:
        return None
    zeros = [sample[at::4].count(0) / len(sample[at::4]) for at in range(4)]
    if min(zeros[2], zeros[3]) > 0.9 and zeros[0] < 0.1:
        return "utf-32-le"
    if min(zeros[0], zeros[1]) > 0.9 and zeros[3] < 0.1:
        return "utf-32-be"
    if min(zeros[1], zeros[3]) > 0.4 and max(zeros[0], zeros[2]) < 0.1:
        return "utf-16-le"
    if min(zeros[0], zeros[2]) > 0.4 and max(zeros[1], zeros[3]) < 0.1:
        return "utf-16-be"
    return None


def doubt(sample: bytes) -> Doubt | None:
    """
    Why bytes that are not UTF-8 are hardly Windows-1252 either; None if they may well be.

    They are not where they hold bytes that mean nothing in it, runs of letters with accents, or more signs
    within words than letters with accents.

    >>> doubt("Peña, Ñandú, Norte–Sur".encode("cp1252")), doubt("Peña".encode("mac-roman"))
    (None, Doubt(example='Pe–a', encoding='mac-roman', better='Peña'))
    """
    first = _UNDEFINED.search(sample) or next(filter(_is_odd, _RUN.finditer(sample)), None)
    if first is None:
        misplaced = list(_MISPLACED.finditer(sample))
        if len(misplaced) <= len(_LETTER.findall(sample)):
            return None
        first = misplaced[0]
    cell = _cell(sample, first.start())
    example = cell.decode(WINDOWS_1252, "replace")
    encoding = _better(sample)
    return Doubt(example, encoding, cell.decode(encoding, "replace")) if encoding else Doubt(example)


def example(sample: bytes, encoding: str) -> str:
    """The first cell with a byte above 0x7F, as it reads in an encoding; empty if there is none."""
    high = _HIGH.search(sample)
    return _cell(sample, high.start()).decode(encoding, "replace") if high else ""


def undefined(chunk: bytes) -> int | None:
    """Where the first byte stands that means nothing in Windows-1252."""
    found = _UNDEFINED.search(chunk)
    return found.start() if found else None


def _is_odd(run: re.Match[bytes]) -> bool:
    """Whether bytes above 0x7F one after the other are no line of signs: several letters among them."""
    return len({byte for byte in run[0] if byte not in _PUNCTUATION}) > 1


def _cell(sample: bytes, at: int) -> bytes:
    start = max(
        (found.end() for found in _CELL_END.finditer(sample, max(0, at - _LONGEST_EXAMPLE), at)), default=0
    )
    start = max(start, at - _LONGEST_EXAMPLE)
    end = _CELL_END.search(sample, at)
    return sample[start : min(end.start() if end else len(sample), at + _LONGEST_EXAMPLE)].strip()


def _better(sample: bytes) -> str:
    """The encoding in which most reads as letters of one kind; empty if none stands out."""
    high = [byte for byte in sample if byte >= 0x80]
    if _share(_decoded(sample, "shift_jis"), 0x3040, 0x30FF) > 0.3:  # kana
        return "shift_jis"
    counts = {
        name: sum(map(_ACCENTED.__contains__, _decoded(sample, name))) for name in ("mac-roman", "cp850")
    }
    best = max(counts, key=counts.__getitem__)
    if counts[best] > len(high) / 2:
        return best
    if sum(1 for byte in high if byte >= 0xE0) > 0.7 * len(high):
        return "windows-1251"
    for encoding, least, first, last in (
        ("euc_kr", 0.9, 0xAC00, 0xD7A3),
        ("gb18030", 0.7, 0x4E00, 0x9FFF),
        ("big5", 0.7, 0x4E00, 0x9FFF),
        ("shift_jis", 0.7, 0x4E00, 0x9FFF),
    ):
        if _share(_decoded(sample, encoding), first, last) > least:
            return encoding
    return ""


def _share(text: str, first: int, last: int) -> float:
    """Which share of what is not ASCII lies between two characters."""
    others = [ord(char) for char in text if ord(char) > 0x7F]
    return sum(first <= code <= last for code in others) / len(others) if others else 0.0


def _decoded(sample: bytes, encoding: str) -> str:
    """The sample, whose last character may be cut; empty if it is not in this encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(sample)
    except UnicodeError:
        return ""
