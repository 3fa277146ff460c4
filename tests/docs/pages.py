"""The documentation as values: pages, commands shown and what they are said to print, tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.repository import ROOT

PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^```(\w*)$")
_HEADING = re.compile(r"^#{1,6} (.*)$")


@dataclass
class Shown:
    """One command as a page shows it, with the lines that it is said to print."""

    page: Path
    heading: str
    line: str
    output: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """The command as a shell would take it apart."""
        return shlex.split(self.line, comments=True)

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.line}"


def headings(page: Path) -> list[str]:
    """The headings of a page, without those that only look like one inside a block."""
    return [heading for language, heading, _ in _lines(page) if heading and language is None]


def shown_commands(page: Path) -> Iterator[Shown]:
    """The commands of a page's `console` blocks (after `$`) and `sh` blocks (every line)."""
    under, last = "", None
    for language, heading, line in _lines(page):
        if language is None:
            under, last = heading or under, None
        elif language == "console" and line.startswith("$ "):
            last = Shown(page, under, line.removeprefix("$ "))
            yield last
        elif language == "console" and last is not None:
            last.output.append(line)
        elif language == "sh" and line.strip():
            yield Shown(page, under, line)


def block(page: Path, language: str) -> str:
    """The first block of a page in this language."""
    found = re.search(
        rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None, f"{page} has no {language} block"
    return found[1]


def table_words(page: Path, *, under: str | None = None) -> list[str]:
    """The words in backquotes that stand in the first column of a page's tables, in order."""
    found, here = [], under is None
    for language, heading, line in _lines(page):
        if heading and under is not None:
            here = heading.startswith(under)
        elif here and language is None and line.startswith("| `"):
            found += re.findall(r"`([^`]+)`", line.split(" | ")[0])
    return found


def _lines(page: Path) -> Iterator[tuple[str | None, str, str]]:
    """Each line with the language of the block that it stands in, None outside; or a heading."""
    language: str | None = None
    for line in page.read_text(encoding="utf-8").splitlines():
        if fence := _FENCE.match(line):
            language = None if language is not None else fence[1]
            continue
        heading = _HEADING.match(line) if language is None else None
        yield language, heading[1] if heading else "", line
