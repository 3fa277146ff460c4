"""What a job takes in Redis at rest: its body and at most 400 bytes (docs/explanation/scale.md)."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from typing import Any

from tests.support.repository import ROOT

SCRIPT = ROOT / "script" / "measure-memory"

JOBS = 12_000
"""So many that what a batch takes is no more than a byte of each, and that hash tables stand half empty."""

PROMISED = 400


def _script() -> Any:
    loader = importlib.machinery.SourceFileLoader("measure_memory", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


async def test_a_job_at_rest_takes_its_body_and_at_most_400_bytes(valkey_url: str) -> None:
    found = await _script().measure(valkey_url, JOBS)
    at_rest = {word: found[word] for word in ("queued", "created", "dead")}
    assert max(at_rest.values()) <= PROMISED, at_rest
    assert min(at_rest.values()) > 100, at_rest  # and it was measured
