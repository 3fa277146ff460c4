"""What was exported can be applied again unchanged, and the manifest says what it is."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

import fakeredis
import jsonschema
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcomes.outcome_files import NAMES, export
from producers.files.body import check_key, check_label
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.plan import make_plan
from producers.submit import submit
from provisioning.job import NewJob, Verdict, fingerprint
from provisioning.ledger import Ledger, SourceFile
from provisioning.lifecycle import Event
from tests.support.ledger_fixtures import answer, claim, say, send
from tests.support.repository import ROOT
from tests.unit.producers.strategies import TEXTS, bodies

SCHEMA = json.loads((ROOT / "docs" / "reference" / "manifest.schema.json").read_text(encoding="utf-8"))
ENDS = {
    "created.csv": (Event.CREATED, Verdict.SUCCEEDED),
    "failed.csv": (Event.REJECTED, Verdict.DEAD),
    "in_doubt.csv": (Event.DOUBTED, Verdict.IN_DOUBT),
    "not_attempted.csv": (None, Verdict.QUEUED),
}
KEYS = TEXTS.map(partial(unicodedata.normalize, "NFC")).filter(lambda text: check_key(text) is None)
LABELS = TEXTS.filter(lambda text: check_label(text) is None)
ROWS = st.lists(
    st.tuples(KEYS, st.sampled_from(["default", "acme"]), LABELS, bodies(), st.sampled_from(NAMES)),
    min_size=1,
    max_size=5,
    unique_by=lambda row: (row[0], row[1]),
)
Row = tuple[str, str, str, dict[str, Any], str]
READ = ReadOptions(new_bots=True)


async def settle(ledger: Ledger, rows: list[Row]) -> str:
    """Hands the rows over and brings each to the end that its file stands for."""
    jobs = [
        NewJob(key, credential, msgspec.json.encode(body), number, label)
        for number, (key, credential, label, body, _) in enumerate(rows, 2)
    ]
    source = SourceFile("tenants.csv", hashlib.sha256(b"").hexdigest(), len(rows), "ana")
    done = await submit(
        ledger, jobs, name="t", actor="ana", notify=lambda _: None, meta={"source": "t"}, source=source
    )
    ends = {(key, credential): ENDS[file][0] for key, credential, _, _, file in rows}
    for job in await claim(ledger, batch=done.batch):
        event = ends[job.key, job.credential]
        if event is not None:
            assert await send(ledger, job)
            await say(ledger, answer(job, event), batch=done.batch)
    return done.batch


async def check_return(rows: list[Row], folder: Path) -> None:
    async with Ledger(fakeredis.FakeAsyncRedis()) as ledger:
        batch = await settle(ledger, rows)
        await export(ledger, batch, folder)
        for name in NAMES:
            here = [row for row in rows if row[4] == name]
            if not here:
                continue
            jobs = list(Reading(folder / name, READ))
            found = {
                (job.key, job.credential, job.label, fingerprint(json.loads(job.body)))
                for job in jobs
                if isinstance(job, NewJob)
            }
            assert found == {(key, cred, label, fingerprint(body)) for key, cred, label, body, _ in here}
            plan = await make_plan(ledger, jobs)
            assert (plan.rows, plan.bad_rows, plan.verdicts) == (len(here), 0, {ENDS[name][1]: len(here)})
        manifest = json.loads((folder / "manifest.json").read_bytes())
        jsonschema.validate(manifest, SCHEMA, format_checker=jsonschema.FormatChecker())
        assert {name: manifest["files"][name]["rows"] for name in NAMES} == {
            name: sum(row[4] == name for row in rows) for name in NAMES
        }
        for name in NAMES:
            assert (
                manifest["files"][name]["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
            )


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
)
@given(ROWS)
def test_any_rows_survive_export_and_apply_unchanged(rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check_return(rows, Path(folder)))


def test_the_schema_is_one_and_knows_every_member() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["required"] == list(SCHEMA["properties"])
