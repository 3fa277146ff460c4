"""What a check found."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is: fatal means that jobs would be lost, doubled, or cannot be done at all."""

    OK = "ok"
    WARNING = "warning"
    FATAL = "fatal"


class Finding(msgspec.Struct, frozen=True):
    """
    One thing that was looked at.

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
    """It is as it should be."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, advice: str) -> Finding:
    """It works, and a day will come on which it does not."""
    return Finding(check, Level.WARNING, message, advice)


def fatal(check: str, message: str, advice: str) -> Finding:
    """It must be mended first."""
    return Finding(check, Level.FATAL, message, advice)
