"""`purge`: letting go of what is past its retention, now."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Annotated

import typer

from console import applying
from console.shell import JsonFlag, cli, open_ledger, out
from console.standard_output import emit
from console.words import amount
from provisioning.ledger.reaper import Reaper
from provisioning.retention import Kept
from provisioning.settings import Settings

WORDS = {
    Kept.PAYLOADS: "bodies of jobs that succeeded",
    Kept.RESULTS: "their widgets and attempts",
    Kept.DEAD: "bodies and attempts of dead and cancelled jobs",
    Kept.BATCHES: "jobs of whole batches; tenants with a widget stay known",
}


@cli.command()
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be let go of.")] = False,
    json: JsonFlag = False,
) -> None:
    """
    Let go of what is past PROVISION_RETENTION_DAYS; workers do so by themselves.

    Nothing that is unsettled or in doubt is ever deleted.

    Example: provision purge --dry-run
    """
    retention = Settings.from_env(os.environ).retention_days

    async def work() -> None:
        async with open_ledger() as ledger:
            reaper = Reaper(ledger, retention)
            if dry_run:
                counts = dict.fromkeys(Kept, 0)
                for _, kept, jobs in await reaper.plan(time.time()):
                    counts[kept] += jobs
            else:
                gone = await reaper.purge(time.time())
                counts = {kept: gone[kept] for kept in Kept}
                if gone.total():
                    facts: dict[str, str | int] = {str(kept): count for kept, count in counts.items()}
                    await ledger.hand.note("purge", by=applying.who(), on="all", facts=facts)
            if json:
                emit({"dry_run": dry_run, **{str(kept): count for kept, count in counts.items()}})
                return
            if retention.for_ever:
                out.print("everything is kept for ever: PROVISION_RETENTION_DAYS is not set")
                return
            verb = "would go" if dry_run else "gone"
            for kept, count in counts.items():
                out.print(f"{amount(count, 'job')} {verb}: {WORDS[kept]}")

    asyncio.run(work())
