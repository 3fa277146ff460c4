"""A workbook and the CSV that a spreadsheet makes of it are the same tenants, or a problem tells."""

from __future__ import annotations

import datetime
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from producers.files.reading import Reading
from provisioning.job import NewJob
from tests.workbooks import npm
from tests.workbooks.cells import ODD_TEXTS, Cell, dates, numbers, texts
from tests.workbooks.libreoffice import csv_of
from tests.workbooks.test_xlsxwriter import written

Tenants = dict[int, tuple[str | None, str]]
"""Key and bot id by row."""

IDS = [
    *(
        "100200300",
        "+593987654321",
        "00123",
        "'00123",
        "EC00123",
        "a-b",
        "5.94E+11",
        "1E5",
        "12345678901234567890",
    ),
    *(
        "1,234,567",
        "1.234.567",
        "01/02/2026",
        "2026-02-01",
        "TRUE",
        "#N/A",
        "=1+1",
        "50%",
        "-5",
        "Ñandú 1",
        "x;y",
    ),
]


def cells(draw: random.Random) -> list[Cell]:
    """Whatever people have in columns of ids, each kind a few times."""
    found = [one for text in (*IDS, *ODD_TEXTS) for one in texts(text)]
    for _ in range(6):
        found += numbers(draw.randrange(10 ** draw.randint(1, 15)))
        found += numbers(-draw.randrange(10**6))
        found += dates(datetime.date(1904, 1, 2) + datetime.timedelta(days=draw.randrange(60_000)))
        found += [Cell(draw.randrange(10**16, 10**20), None, code) for code in ("General", "0", "00000", "@")]
        found += [
            Cell(draw.random() * 10 ** draw.randint(0, 12), None, code)
            for code in ("General", "0", "0.00", "0%")
        ]
    return [*found, Cell(True, None), Cell(False, None), Cell(None, "")]


def table(seed: int) -> list[list[Cell]]:
    """Rows with one such cell for the key, or for the id, or for both."""
    draw = random.Random(seed)
    kinds = cells(draw)
    rows = [[cell, Cell("100200300", "100200300")] for cell in kinds]
    rows += [[Cell(f"k{number}", f"k{number}"), cell] for number, cell in enumerate(kinds)]
    return rows + [[draw.choice(kinds), draw.choice(kinds)] for _ in range(300)]


def tenants(content: bytes) -> tuple[Tenants, set[int]]:
    """The jobs of a file, and the rows that it has problems with."""
    jobs: Tenants = {}
    wrong: set[int] = set()
    with Reading(io.BytesIO(content)) as reading:
        for item in reading:
            if isinstance(item, NewJob):
                assert item.row is not None
                jobs[item.row] = item.key, json.loads(item.body)["bot"]["id"]
            else:
                assert item.row is not None
                wrong.add(item.row)
    return jobs, wrong


def workbook(folder: Path, rows: Sequence[Sequence[Cell]]) -> Path:
    path = folder / "tenants.xlsx"
    path.write_bytes(written(rows, headers=("key", "bot.id")))
    return path


SHEETJS_READS_OTHERWISE = ("_x005F_x0041_", "_X0041_")
"""It undoes escapes that are none."""


def differing(by_csv: bytes, by_workbook: bytes, rows: Sequence[Sequence[Cell]]) -> dict[int, object]:
    """The rows that both take for tenants, but for others."""
    jobs, wrong = tenants(by_workbook)
    jobs_in_csv, wrong_in_csv = tenants(by_csv)
    assert len(jobs.keys() & jobs_in_csv.keys()) > 500
    return {
        row: (rows[row - 2], jobs.get(row), jobs_in_csv.get(row))
        for row in range(2, len(rows) + 2)
        if jobs.get(row) != jobs_in_csv.get(row) and row not in wrong and row not in wrong_in_csv
    }


@pytest.mark.parametrize(
    ("country", "separator"), [("en-US", ","), ("es-EC", ";"), ("de-DE", ";"), ("fr-FR", "\t")]
)
def test_libreoffices_csv_of_a_workbook_is_the_same_tenants_or_a_problem(
    country: str, separator: str, tmp_path: Path
) -> None:
    rows = table(6)
    path = workbook(tmp_path, rows)
    [content] = csv_of([path], separator=separator, country=country)
    assert differing(content, path.read_bytes(), rows) == {}


def test_sheetjs_csv_of_a_workbook_is_the_same_tenants_or_a_problem(tmp_path: Path) -> None:
    rows = [row for row in table(7) if not any(cell.value in SHEETJS_READS_OTHERWISE for cell in row)]
    path = workbook(tmp_path, rows)
    [text] = npm.run("sheetjs.js", {"workbooks": [str(path)]})["csv"]
    assert differing(text.encode(), path.read_bytes(), rows) == {}
