"""The results of checks."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """The severity: fatal means that jobs would be lost, sent twice, or cannot be executed at all."""

    OK = "ok"
    WARNING = "warning"
    FATAL = "fatal"


class Finding(msgspec.Struct, frozen=True):
    """
    The result of one check.

    Attributes:
        check: stable name, `group.thing`.
        message: what was found, as a sentence.
        advice: what to do about it; empty if there is nothing to do.
    """

    check: str
    level: Level
    message: str = msgspec.field(name="said")  # the published name in the output of `doctor --json`
    advice: str = ""


def ok(check: str, message: str) -> Finding:
    """A result without a problem."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, advice: str) -> Finding:
    """A problem that does not stop the work now, but may later."""
    return Finding(check, Level.WARNING, message, advice)


def fatal(check: str, message: str, advice: str) -> Finding:
    """A problem that must be corrected first."""
    return Finding(check, Level.FATAL, message, advice)
