"""`python -m console` is `provision`."""

from __future__ import annotations

import signal
import sys

from console.cli.closed_streams import open_closed_streams


def main() -> None:
    """Runs the command line; a probe goes without all that the other verbs load."""
    # As PID 1 of a container a process without handlers ignores SIGTERM, and loading takes a while. A worker
    # has nothing to finish before it has begun; any other verb has not done what it was asked for.
    ended = 0 if sys.argv[1:2] == ["worker"] else 128 + signal.SIGTERM
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ended))
    open_closed_streams()
    if sys.argv[1:2] == ["health"]:
        from provisioning.health.probe import main as health

        sys.exit(health(sys.argv[2:]))
    from console.cli.app import main as command_line

    command_line()


if __name__ == "__main__":
    main()
