"""A file is judged as it lay there, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.cli import checking
from console.cli.display.progress import Quiet
from producers.files.read_options import ReadOptions
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.ledger import Ledger
from provisioning.pace import Rate


async def test_a_file_that_is_changed_while_it_is_read_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("key,bot.id\na,1\nbad,\nb,2\n")

    def somebody_writes(_: InvalidJobError) -> None:
        with file.open("a") as stream:
            stream.write("c,3\n")

    with pytest.raises(InvalidInputError, match=r"t\.csv changed while it was read"):
        await checking.check(
            ledger,
            file,
            ReadOptions(),
            Quiet(),
            rate=Rate(None),
            owner="default",
            known=None,
            on_problem=somebody_writes,
        )
