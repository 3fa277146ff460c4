"""Every nasty file gets the report expected of it: no traceback, no silent row."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob
from tests.fixtures.make_nasty_files import NASTY, Nasty


def test_no_two_of_them_share_a_name() -> None:
    assert len({nasty.name for nasty in NASTY}) == len(NASTY)


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: nasty.name)
def test_a_nasty_file_gets_the_report_expected_of_it(nasty: Nasty, tmp_path: Path) -> None:
    path = tmp_path / nasty.name
    path.write_bytes(nasty.content)
    items: list[NewJob | InvalidJobError] = []
    stopped: InvalidInputError | None = None
    reading = None
    try:
        reading = Reading(path, ReadOptions(**nasty.options))
        items.extend(reading)
    except InvalidInputError as error:
        stopped = error
    finally:
        if reading is not None:
            reading.close()

    problems = [item for item in items if isinstance(item, InvalidJobError)]
    jobs = [item for item in items if isinstance(item, NewJob)]
    assert (stopped and stopped.message) is None or nasty.stops is not None, stopped
    if nasty.stops is not None:
        assert stopped is not None
        assert nasty.stops in stopped.message
        assert "\n" not in stopped.message
    assert [(p.row, p.field) for p in problems] == [(row, field) for row, field, _ in nasty.problems]
    for problem, (_, _, part) in zip(problems, nasty.problems, strict=True):
        assert part in problem.message
    assert len(jobs) == nasty.jobs
    if nasty.labels is not None:
        assert tuple(job.label for job in jobs) == nasty.labels
    if nasty.bot_ids is not None:
        assert tuple(json.loads(job.body)["bot"]["id"] for job in jobs) == nasty.bot_ids
    if reading is not None:
        assert reading.good == len(jobs)
        assert reading.rows == reading.good + reading.bad
        assert len(reading.notes) == len(nasty.notes), reading.notes
        for note, part in zip(reading.notes, nasty.notes, strict=True):
            assert part in str(note)
        if stopped is None:
            assert reading.sha256 == hashlib.sha256(nasty.content).hexdigest()
