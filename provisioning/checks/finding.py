"""The results of checks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from provisioning.text import AnyText


class Level(StrEnum):
    """The severity: fatal means that jobs would be lost, sent twice, or cannot be executed at all."""

    OK = "ok"
    WARNING = "warning"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    The result of one check.

    Attributes:
        check: stable name, `group.thing`.
        text: what was found, as a sentence, to be translated; `message` is its English text.
        way_out: what to do about it, to be translated; empty if there is nothing to do. `advice` is English.
    """

    check: str
    level: Level
    text: AnyText
    way_out: AnyText = ""

    @property
    def message(self) -> str:
        return str(self.text)

    @property
    def advice(self) -> str:
        return str(self.way_out)

    def public(self) -> dict[str, str]:
        """For programs, with the published names."""
        return {"check": self.check, "level": self.level, "said": self.message, "advice": self.advice}


def ok(check: str, message: AnyText) -> Finding:
    """A result without a problem."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: AnyText, advice: AnyText) -> Finding:
    """A problem that does not stop the work now, but may later."""
    return Finding(check, Level.WARNING, message, advice)


def fatal(check: str, message: AnyText, advice: AnyText) -> Finding:
    """A problem that must be corrected first."""
    return Finding(check, Level.FATAL, message, advice)
