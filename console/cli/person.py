"""The person at the terminal: their name, and questions to them, also while rows come by standard input."""

from __future__ import annotations

import contextlib
import getpass
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

TERMINAL = Path("/dev/tty")


def person() -> AbstractContextManager[None] | None:
    """A context in which prompts are answered from the terminal; None if there is no terminal."""
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


def current_user() -> str:
    """The user at this terminal as `user@host`, for the ledger's history."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()
