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

import typer

from console.cli.language import tr

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


def confirm(question: str, *, abort: bool = False, err: bool = False) -> bool:
    """
    Asks yes or no; the answer may be in English or in the language of the command line.

    Raises: typer.Abort if the answer is no and `abort`, or if there is no answer.
    """
    choices = tr("[y/N]")
    while (given := _prompt(f"{question} {choices}", err=err)) not in _YES | _NO:
        typer.echo(tr("answer yes or no"), err=err)
    if abort and given in _NO:
        raise typer.Abort
    return given in _YES


_YES = frozenset({"y", "yes", "s", "si", "sí"})
_NO = frozenset({"n", "no", ""})


def _prompt(text: str, *, err: bool) -> str:
    answer: str = typer.prompt(text, default="", show_default=False, err=err)
    return answer.strip().lower()


def current_user() -> str:
    """The user at this terminal as `user@host`, for the ledger's history."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()
