"""
`python -m worker`: what `provision worker` runs, a Celery worker with our engine in it.

With `--leash` it stops gracefully when its standard input ends: a worker that was started by
`provision apply` does not outlive it, whatever ends that command.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading


def main() -> None:
    """Runs a worker until it receives a signal to stop."""
    _stop_at_once()
    parser = argparse.ArgumentParser(prog="provision worker", description="Run a worker.")
    parser.add_argument("--name", default="worker", help="name of the worker; @HOST is appended")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--leash", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.log_level:
        os.environ["PROVISION_LOG_LEVEL"] = options.log_level

    # After the arguments: --help needs no settings.
    from celery.bin.base import CLIContext
    from celery.bin.worker import worker as celery_worker

    from worker.process.app import app

    if options.leash:
        threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    # Not app.worker_main, which drops the exit code: a supervisor would take a failed worker for a finished
    # one. Not `celery --app worker.process.app`: it adds the working directory to the path, and reads
    # BROKER_URL.
    celery_worker.main(
        ["--hostname", f"{options.name}-{os.getpid()}@%h", "--without-mingle", "--without-gossip"],
        prog_name="provision worker",
        obj=CLIContext(
            app, no_color=bool(os.environ.get("NO_COLOR")), workdir=None, quiet=not sys.stdout.isatty()
        ),
    )


def _stop_at_once() -> None:
    """
    Exits on SIGTERM until Celery installs its own handlers, a second later: there is no work to finish yet.

    As PID 1 of a container the process would ignore it otherwise. `provision worker` starts it blocked.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _stop_at_end_of_input() -> None:
    # Not sys.stdin: a daemon thread inside its lock is a fatal error when the interpreter ends.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
