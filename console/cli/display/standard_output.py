"""
Standard output of every command: text in the terminal's encoding, JSON always in UTF-8.

Errors of writing, such as a closed pipe (`provision jobs B | head`) or a full disk, are recognised here: an
unavailable Redis raises the same `OSError`.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from provisioning.errors import InvalidInputError
from provisioning.printable import printable_json, printable_lines
from provisioning.text import Text

WIDE = 400
"""Columns without a terminal: lines for `grep` and files are not folded."""


class ReaderGone(Exception):  # noqa: N818 - nothing is wrong
    """The reader of the output has closed it."""


class PlainConsole(Console):
    """
    A stream for people.

    Foreign text cannot control the terminal: the only escape sequences are those of our styles. Brackets in a
    file name are not taken for markup, and cells are not padded.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        wide = None if "COLUMNS" in os.environ or stream.isatty() else WIDE
        super().__init__(stderr=stderr, markup=False, highlight=False, emoji=False, width=wide)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        # Where all that is shown becomes text, also in tables and in the line that tells the progress.
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable_lines(segment.text))

    def print(self, *objects: Any, **options: Any) -> None:
        with writing():
            if self.is_terminal:
                super().print(*objects, **options)
                return
            with self.capture() as captured:
                super().print(*objects, **options)
            # Tables fill their cells up; in a file those spaces are noise.
            for line in captured.get().splitlines():
                self.file.write(line.rstrip() + "\n")
            self.file.flush()


def emit(value: Any) -> None:
    """One JSON object on a line of standard output, at once."""
    with writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(printable_json(msgspec.json.encode(value).decode()).encode() + b"\n")
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """
    Around every write of ours.

    Raises: ReaderGone if the output was closed; InvalidInputError if it cannot be written.
    """
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
    except OSError as error:
        raise InvalidInputError(
            Text("cannot write the output ({strerror})", strerror=error.strerror),
            hint="free some space, or write to another place",
        ) from error


def show_what_can_be_shown() -> None:
    """Replaces characters that the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def let_go() -> None:
    """Discards buffered output, so that the exit raises nothing."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
