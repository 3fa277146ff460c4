"""
A real worker that dies where it is told: `python -m chaos.worker --gauge FILE --die-at CHECKPOINT`.

Without `--die-at` it is a healthy worker whose gauge can be read. It stops when its standard input ends.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from chaos import checkpoints, seams
from chaos.fuse import Fuse
from chaos.gauge import Gauge


def main() -> None:
    """Wraps the seams and becomes the worker."""
    parser = argparse.ArgumentParser(prog="python -m chaos.worker", description=__doc__)
    parser.add_argument("--gauge", type=Path, required=True, help="file that shows what is in flight")
    parser.add_argument("--die-at", choices=[each.name for each in checkpoints.WORKER])
    parser.add_argument("--nth", type=int, default=1, help="the passing that kills")
    parser.add_argument("--name", default="worker", help="its name; process id and host are added")
    parser.add_argument("--node", default="", help="its whole name instead, so that two may bear the same")
    options = parser.parse_args()
    gauge = Gauge(options.gauge)
    fuse = Fuse(options.die_at, options.nth, gauge)
    seams.watch_ledger(fuse, gauge)
    seams.watch_wire(fuse)
    seams.watch_connecting(fuse)
    seams.watch_doorbell(fuse)
    if options.node:
        _work_as(options.node)
    else:
        from worker.__main__ import main as work

        sys.argv = ["worker", "--name", options.name, "--leash"]
        work()


def _work_as(node: str) -> None:
    """As `celery -A worker.process.app worker --hostname NODE`, which is the other way to start one."""
    from worker.__main__ import _stop_at_end_of_input
    from worker.process.app import app

    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    app.worker_main(["worker", "--hostname", node, "--loglevel", "info"])


if __name__ == "__main__":
    main()
