"""Outcome files: what is exported can be applied again unchanged, and no cell of it is a formula."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outcomes.outcome_files import FILES, check_writable, export
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.submit import submit
from provisioning.errors import InvalidInputError
from provisioning.job import NewJob, fingerprint
from provisioning.ledger import Ledger, keys, transitions
from provisioning.lifecycle import State
from tests.support.ledger_fixtures import claim, fill, new_job

BODIES: dict[str, dict[str, Any]] = {
    "plain": {"bot": {"id": "100200300"}, "widget": {"theme": {"position": "br"}}},
    "=SUM(A1)": {"bot": {"id": "100200301"}, "widget": {"theme": {"font": {"name": "+cmd|' /C calc'!A0"}}}},
    "@at": {
        "bot": {"id": "100200302"},
        "widget": {"theme": {"position": "tl"}},
        "credentials": {"whiteList": ["a.example", "b.example"]},
    },
    "semicolons": {"bot": {"id": "100200305"}, "widget": {"theme": {"font": {"name": "x;=1+1;y\u202e"}}}},
    "lines": {
        "bot": {"id": "100200303"},
        "widget": {"theme": {"font": {"name": 'two\nlines, "quoted"; ñ 日本'}}},
    },
    "types": {"bot": {"id": "100200304"}, "widget": {"theme": {"status": True, "vars": {"x": {"n": 1.5}}}}},
}


async def exported(ledger: Ledger, folder: Path) -> Path:
    jobs = [
        NewJob(key=key, body=json.dumps(body).encode(), credential="default", row=row, label="-1+1")
        for row, (key, body) in enumerate(BODIES.items(), 2)
    ]
    submission = await submit(ledger, jobs, name="tenants", actor="me", notify=lambda _: None)
    written = await export(ledger, submission.batch, folder)
    assert written.rows["not_attempted.csv"] == len(BODIES)
    return folder / "not_attempted.csv"


async def test_what_is_exported_reads_back_as_the_same_jobs(ledger: Ledger, tmp_path: Path) -> None:
    with Reading(await exported(ledger, tmp_path), ReadOptions()) as reading:
        jobs = list(reading)
    read = {}
    for job in jobs:
        assert isinstance(job, NewJob), job
        assert (job.credential, job.label) == ("default", "-1+1")
        read[job.key] = json.loads(job.body)
    assert read == BODIES
    assert {key: fingerprint(body) for key, body in read.items()} == {
        key: fingerprint(body) for key, body in BODIES.items()
    }


async def test_a_job_above_a_gap_in_the_numbers_has_its_columns(ledger: Ledger, tmp_path: Path) -> None:
    await fill(ledger, new_job("k1", body=b'{"bot":{"id":"1"}}'))
    [job] = await claim(ledger)
    body = b'{"bot":{"id":"7"},"widget":{"theme":{"position":"br"}}}'
    restored = msgspec.structs.replace(job, number=7, key="k7", body=body)  # Redis has lost those between
    await ledger.do(transitions.restore("b1", [(restored, 0)], worker="w1", lease=30.0))
    await export(ledger, "b1", tmp_path)
    with (tmp_path / "not_attempted.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["key"]: row["widget.theme.position"] for row in csv.DictReader(file)}
    assert rows == {"k1": "", "k7": "br"}


async def test_no_cell_begins_like_a_formula(ledger: Ledger, tmp_path: Path) -> None:
    path = await exported(ledger, tmp_path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert any("=SUM(A1)" in cell for cell in cells)


async def test_every_file_is_there_for_its_owner_only_and_no_draft_is_left(
    ledger: Ledger, tmp_path: Path
) -> None:
    await exported(ledger, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*FILES.values(), "manifest.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


async def test_an_export_that_cannot_be_complete_leaves_the_files_that_were_there(
    ledger: Ledger, tmp_path: Path
) -> None:
    before = (await exported(ledger, tmp_path)).read_bytes()
    batch = await ledger.queries.batch_id("tenants")
    await ledger.redis.hdel(keys.jobs(batch), "2")
    with pytest.raises(Exception, match="1 of 6 jobs"):
        await export(ledger, batch, tmp_path)
    assert (tmp_path / "not_attempted.csv").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


async def test_an_export_leaves_alone_what_another_process_is_writing(ledger: Ledger, tmp_path: Path) -> None:
    theirs = [tmp_path / f"{name}.1.part" for name in (*FILES.values(), "manifest.json")]
    for draft in theirs:
        draft.write_text("half a file")
    await exported(ledger, tmp_path)
    assert {draft.read_text() for draft in theirs} == {"half a file"}


def test_every_state_has_its_file() -> None:
    assert set(FILES) == set(State)


def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="cannot write the outcome files") as caught:
        check_writable(tmp_path / "file" / "folder")
    assert "--to" in caught.value.hint
