"""What Celery's remote control, and so Flower's page of a worker, shows of its sending."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from celery.worker.control import Panel

from provisioning.ledger import Outage, WorkerSign
from worker.process.control import sending_now, show_sending

CALM = WorkerSign(name="w", at=0.0, in_flight=3, limit=64, in_hand=9)


def test_a_calm_worker_shows_its_limit_and_that_nothing_is_refused() -> None:
    assert sending_now(CALM, now=0.0) == {
        "POSTs in flight": 3,
        "at most at once": 64,
        "refusals among the last answers": "0%",
    }


def test_an_outage_and_what_429s_have_taught_are_shown_with_their_numbers() -> None:
    outage = Outage(certain=True, since=3600.0, cause="http_503", next_probe=3612.5)
    sign = WorkerSign(
        name="w", at=0.0, in_flight=0, limit=4, in_hand=0, refused=0.5, outage=outage, rates={"acme": 48.9}
    )
    told = sending_now(sign, now=3610.0)
    assert told["the API"] == "is down since 01:00:00 UTC (http_503); next probe in 2.5 s"
    assert told["rate of acme, learned from 429s"] == "48.9/s"
    assert told["refusals among the last answers"] == "50%"


def test_it_stands_among_the_worker_s_own_stats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Panel.data, "stats", lambda _: {"pid": 1})
    show_sending(lambda: CALM)
    assert Panel.data["stats"](SimpleNamespace()) == {"pid": 1, "sending": sending_now(CALM, now=0.0)}
