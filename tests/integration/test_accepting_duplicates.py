"""Handing over again what may have a widget: with a reason, a token that may say so, a line in the audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.submit import submit
from provisioning.errors import LedgerUnavailableError
from provisioning.job import Accepted, NewJob, Verdict
from provisioning.ledger import Act, Ledger
from provisioning.lifecycle import Event
from tests.support.http_server import Server, job, make_token, problem, running_server
from tests.support.ledger_fixtures import answer, claim, fill, new_job, say, send

WHY = "the console shows none of them"


async def _risky(ledger: Ledger, *keys: str) -> None:
    """Jobs of batch b1 that died of a 500: a widget may exist."""
    await fill(ledger, *(new_job(key) for key in keys))
    for each in await claim(ledger):
        await send(ledger, each)
        await say(ledger, answer(each, Event.EXHAUSTED, reason="http_500"))


async def _audit(ledger: Ledger) -> list[Act]:
    return [act async for act in ledger.queries.audit()]


async def _again(ledger: Ledger, *keys: str, justification: str = WHY) -> None:
    jobs = [new_job(key, body=b'{"mended":1}') for key in keys]
    await submit(ledger, jobs, name="again", actor="ana", notify=lambda _: None, justification=justification)


async def test_the_reason_for_which_second_widgets_are_accepted_is_in_the_audit(ledger: Ledger) -> None:
    await _risky(ledger, "a", "b")
    await _again(ledger, "a", "b", "new")
    [act] = await _audit(ledger)
    assert (act.act, act.by, act.on, act.why) == ("accept-duplicates", "ana", "batch:b1", WHY)
    assert act.facts == {"redriven": 2}


async def test_a_reason_that_was_not_needed_is_no_act(ledger: Ledger) -> None:
    await _again(ledger, "new")
    assert await _audit(ledger) == []


async def test_what_went_wrong_first_is_told_though_the_empty_batch_cannot_be_taken_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall_over(_job: NewJob, _word: Accepted) -> None:
        async def away(_call: object) -> None:
            raise LedgerUnavailableError("Redis is away")

        monkeypatch.setattr(ledger, "do", away)
        raise ZeroDivisionError

    await _risky(ledger, "a")
    jobs = [new_job("a")]
    with pytest.raises(ZeroDivisionError):
        await submit(ledger, jobs, name="x", actor="ana", notify=lambda _: None, on_verdict=fall_over)


@pytest.fixture
def server(valkey_url: str, ledger: Ledger, tmp_path: Path) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path) as server:
        yield server


def _verdict(server: Server, path: str, **headers: str) -> str:
    body = {"name": "again", "jobs": [job("k1", credential="acme")]}
    answered = server.client.post(f"/v1/batches{path}", json=body, headers=headers)
    assert answered.status_code == 202, answered.text
    [one] = answered.json()["jobs"]
    return str(one["verdict"])


async def test_a_service_may_accept_second_widgets_if_its_token_may_operate(
    server: Server, ledger: Ledger, valkey_url: str
) -> None:
    await _risky(ledger, "k1", "k2")
    submitter = {"Authorization": f"Bearer {make_token(valkey_url, 'only-submits', 'submit')}"}
    for path in ("batches", "jobs"):
        refused = server.client.post(f"/v1/{path}?because={WHY}", json=job("k1"), headers=submitter)
        assert problem(refused) == "no-scope"

    assert _verdict(server, "") == Verdict.RISKY
    assert _verdict(server, f"?because={WHY}") == Verdict.REDRIVEN
    assert problem(server.post("/v1/jobs", job("k2", credential="acme"))) == "not-accepted"
    one = server.client.post(f"/v1/jobs?because={WHY}", json=job("k2", credential="acme"))
    assert (one.status_code, one.json()["verdict"]) == (202, "redriven")

    [of_job, of_batch] = await _audit(ledger)
    assert (of_job.on, of_batch.on) == ("job:b1.2", "batch:b1")
    assert {act.why for act in (of_job, of_batch)} == {WHY}
    told = (await ledger.queries.job("b1.2")).moves
    assert [(move.move, move.why) for move in told] == [("redriven", WHY)]
