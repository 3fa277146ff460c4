"""Files at an address: downloaded completely before the work starts, deleted when the command ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from console.cli.language import tr
from console.cli.shell import talk
from outcomes.words import amount
from provisioning.config.settings import Settings


@contextlib.contextmanager
def pulled(url: str) -> Iterator[Path]:
    """All pages of an address as one file. Raises: InvalidInputError."""
    # aiohttp takes a third of a second to import, which files need not wait for.
    from producers.pull.pull import Pull

    settings = Settings.from_env(os.environ)

    def report(pages: int) -> None:
        if pages % 100 == 0:
            talk.print(tr("{pages} fetched", pages=amount(pages, "page")))

    pull = Pull(
        url,
        token=settings.pull_token.get_secret_value(),
        allow_private=settings.allow_private,
        on_page=report,
    )
    with tempfile.TemporaryDirectory(prefix="provision-") as folder:
        yield asyncio.run(pull.into(Path(folder)))
