"""A workbook that a person sends to the server may unpack to less than one of the person's own machine."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from console.web.draft_file import Choices, columns_of, records
from outcomes.reconciliation import read_table
from producers.files.package import UPLOADED
from producers.files.reading import Reading
from provisioning.errors import InvalidInputError
from tests.fixtures.workbook import workbook

READERS: dict[str, Callable[[Path], object]] = {
    "mapping": lambda path: columns_of(path, Choices()),
    "grid": lambda path: list(records(path, Choices())),
    "checking": lambda path: list(Reading(path, Choices().options)),
    "reconciling": lambda path: read_table(path, "key", bounds=UPLOADED),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_a_workbook_made_to_explode_is_refused_wherever_it_is_read(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "w.xlsx"
    whole = workbook([["key", "bot.id"], ["a", "100"]])
    path.write_bytes(whole)
    assert read(path)
    with (
        zipfile.ZipFile(io.BytesIO(whole)) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            styles = part == "xl/styles.xml"
            new.writestr(part, b" " * (UPLOADED.other + 1) if styles else old.read(part))
    with pytest.raises(InvalidInputError, match="unpacks to too much"):
        read(path)
