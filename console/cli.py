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
import sys
from typing import NoReturn

from redis.exceptions import RedisError

from console.commands import hand, intake, look, processes
from console.shell import cli, talk
from provisioning.errors import ProvisioningError
from provisioning.ledger.ledger import refused

VERBS = (intake, look, hand, processes)
"""Modules whose import has put their verbs into `cli`; the help shows them in this order."""

cli.registered_commands.sort(
    key=lambda command: [verb.__name__ for verb in VERBS].index(getattr(command.callback, "__module__", ""))
)

INTERRUPTED = 130


def main() -> None:
    """Runs the command line and turns every known failure into one line and an exit code."""
    try:
        cli()
    except ProvisioningError as error:
        _fail(error)
    except RedisError as error:
        _fail(refused(error))
    except KeyboardInterrupt:
        talk.print("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # `provision jobs B | head`: whoever read has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _fail(error: ProvisioningError) -> NoReturn:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"\nhint: {error.hint}", file=sys.stderr)
    sys.exit(2)
