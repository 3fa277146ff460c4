"""
The command line `provision`: each verb unpacks its arguments, calls, and shows.

Data to standard output, talk to standard error. Exit codes:

| code | meaning                                                               |
| ---- | --------------------------------------------------------------------- |
| 0    | done; for `apply`: every job succeeded                                |
| 2    | bad input or settings, or nowhere to work: nothing was begun          |
| 3    | some jobs are dead, in doubt or not attempted                         |
| 130  | interrupted by Ctrl-C; the same command again goes on                 |
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import typer
from typer._click.exceptions import ClickException  # typer gives it no public name

from console.cli.commands import (
    apply,
    console,
    doctor,
    doubts,
    operations,
    plan,
    processes,
    purge,
    queries,
    serve,
    users,
)
from console.cli.display.standard_output import ReaderGone, let_go, show_what_can_be_shown, writing
from console.cli.language import tr, use_language
from console.cli.shell import cli, talk
from provisioning.config.settings import language_of
from provisioning.errors import ProvisioningError
from provisioning.library_messages import recognised
from provisioning.printable import printable, printable_lines
from provisioning.text import AnyText, Text

VERBS = (plan, apply, queries, operations, doubts, purge, console, serve, users, doctor, processes)
"""Modules whose import has put their verbs into `cli`; the help shows them in this order."""

cli.registered_commands.sort(
    key=lambda command: [verb.__name__ for verb in VERBS].index(getattr(command.callback, "__module__", ""))
)

INTERRUPTED = 130


def main() -> None:
    """Runs the command line and turns every known failure into one line and an exit code."""
    show_what_can_be_shown()
    use_language(language_of(os.environ))
    # A supervisor's SIGTERM ends a command as Ctrl-C does: in good order. What a script starts in the
    # background with `&` begins with SIGINT ignored, and would hear neither.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        code = cli(sys.argv[1:] or ["--help"], standalone_mode=False)
        with writing():
            sys.stdout.flush()
    except ClickException as error:
        context = getattr(error, "ctx", None)
        _fail(recognised(error.format_message()), f"{context.command_path} --help" if context else "")
    except apply.UnfinishedError as error:
        _fail(error.text, error.advice, apply.INCOMPLETE)
    except ProvisioningError as error:
        for note in error.notes:
            print(tr("note: {text}", text=printable(tr(note))), file=sys.stderr)
        _fail(error.text, error.advice)
    except OSError as error:
        _fail(*_of_a_file(error))
    except ReaderGone:
        # `provision jobs B | head`: whoever read has had enough.
        let_go()
        sys.exit(0)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:
        talk.print(tr("interrupted: run the same command again to continue"))
    sys.exit(code)


def _of_a_file(error: OSError) -> tuple[str, Text]:
    """What failed and the way out, where the system refused what none of our own errors foresees."""
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}", Text(
        "everything in the ledger is safe; run the same command again to continue"
    )


def _fail(message: AnyText, hint: AnyText = "", code: int = 2) -> NoReturn:
    for line in tr(message).splitlines():  # several settings may be wrong at once
        print(tr("error: {text}", text=printable(line)), file=sys.stderr)
    if hint:
        print("\n" + tr("hint: {text}", text=printable_lines(tr(hint))), file=sys.stderr)
    let_go()
    sys.exit(code)
