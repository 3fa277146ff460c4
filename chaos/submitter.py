"""
A real submission that dies where it is told: `python -m chaos.submitter --count N --die-at CHECKPOINT`.

It writes a line for every chunk with the number of jobs that it has been told are accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from chaos import checkpoints, seams
from chaos.fuse import Fuse
from chaos.gauge import Gauge
from chaos.load import jobs
from producers.submit import Submission, submit
from provisioning.broker.queue import Notifier, make_app
from provisioning.config.settings import Settings
from provisioning.ledger import Ledger


def main() -> None:
    """Submits the same jobs as `load.jobs(count)`, and may not live to see it."""
    parser = argparse.ArgumentParser(prog="python -m chaos.submitter", description=__doc__)
    parser.add_argument("--gauge", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--name", required=True, help="of the batch")
    parser.add_argument("--die-at", choices=[each.name for each in checkpoints.SUBMITTER])
    parser.add_argument("--nth", type=int, default=1, help="the passing that kills")
    options = parser.parse_args()
    gauge = Gauge(options.gauge)
    fuse = Fuse(options.die_at, options.nth, gauge)
    seams.watch_chunks(fuse)
    seams.watch_doorbell(fuse)
    asyncio.run(_submit(options.name, options.count, fuse))


async def _submit(name: str, count: int, fuse: Fuse) -> None:
    settings = Settings.from_env(os.environ)
    assert settings.redis is not None

    def on_chunk(submission: Submission) -> None:
        print(submission.handed_over, flush=True)
        fuse.burn("between-chunks")

    async with Ledger.at(settings.redis) as ledger:
        notify = Notifier(make_app(settings)).notify
        await submit(ledger, jobs(count), name=name, actor="chaos", notify=notify, on_chunk=on_chunk)


if __name__ == "__main__":
    main()
