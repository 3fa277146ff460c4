"""Asking the person at the terminal, also where rows come through standard input."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

TERMINAL = Path("/dev/tty")


def person() -> AbstractContextManager[None] | None:
    """A context in which prompts are answered from the terminal; None where nobody is there to answer."""
    if sys.stdin.isatty():
        return contextlib.nullcontext()
    try:
        return _answering(TERMINAL.open(encoding="utf-8"))
    except OSError:
        return None


@contextlib.contextmanager
def _answering(terminal: TextIO) -> Iterator[None]:
    before = sys.stdin
    with terminal:
        sys.stdin = terminal
        try:
            yield
        finally:
            sys.stdin = before
