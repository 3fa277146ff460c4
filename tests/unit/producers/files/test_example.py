"""The example that the demo applies holds what its script says it holds."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json

from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.repeats import Repeats
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob
from tests.support.repository import ROOT

TENANTS = ROOT / "examples" / "tenants.csv"
REFUSED = ("404", "403", "422")


def test_the_example_is_what_its_script_writes() -> None:
    loader = importlib.machinery.SourceFileLoader("make_example", str(ROOT / "script" / "make-example"))
    spec = importlib.util.spec_from_loader("make_example", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    assert TENANTS.read_text(encoding="utf-8") == module.text()


def test_four_of_its_300_rows_are_wrong_and_six_will_be_refused() -> None:
    reading = Reading(TENANTS)
    items = list(reading)
    problems = [(item.row, item.field) for item in items if isinstance(item, InvalidJobError)]
    assert problems == [(25, "bot.id"), (103, "widget.theme.status"), (168, "bot.id"), (252, "key")]
    jobs = [item for item in items if isinstance(item, NewJob)]
    assert (reading.rows, len(jobs)) == (300, 296)
    bots = [json.loads(job.body)["bot"]["id"] for job in jobs]
    assert sum(bot.startswith(REFUSED) for bot in bots) == 6
    assert reading.notes == ()
    repeats = Repeats()
    assert not any(repeats.check(jobs))
    assert len({job.body for job in jobs}) == len(jobs)


def test_its_theme_is_a_body_that_rows_can_be_laid_over() -> None:
    theme = json.loads((ROOT / "examples" / "theme.json").read_text(encoding="utf-8"))
    reading = Reading(TENANTS, ReadOptions(defaults=theme))
    jobs = [item for item in reading if isinstance(item, NewJob)]
    assert len(jobs) == 296
    first = json.loads(jobs[0].body)["widget"]
    assert first["tooltipPanel"] == {"backgroundColor": "main"}
    assert first["theme"]["font"]["googlefont"] is True
