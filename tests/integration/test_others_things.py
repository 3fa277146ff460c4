"""What a token that only submits may not do to the jobs and webhooks of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.ledger import Ledger
from provisioning.lifecycle import Event, State
from tests.support.http_server import Server, job, make_token, problem, running_server
from tests.support.ledger_fixtures import answer, claim, fill, new_job, say, send
from tests.unit.producers.test_known_credentials import show


@pytest.fixture
def server(valkey_url: str, ledger: Ledger, tmp_path: Path) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path) as server:
        yield server


@pytest.fixture
def submitter(server: Server, valkey_url: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(valkey_url, 'only-submits', 'submit')}"}


async def _dead_and_cancelled(ledger: Ledger) -> None:
    await fill(ledger, new_job("dead"), new_job("called-off"))
    [first, *_] = await claim(ledger, 1)
    await send(ledger, first)
    await say(ledger, answer(first, Event.REJECTED))
    await ledger.operations.cancel("b1", "ana")


async def test_a_token_that_only_submits_changes_no_job_that_had_ended(
    server: Server, ledger: Ledger, submitter: dict[str, str]
) -> None:
    await _dead_and_cancelled(ledger)
    jobs = [job(key, credential="acme") for key in ("dead", "called-off")]
    for each in jobs:
        refused = server.client.post("/v1/jobs", json=each, headers=submitter)
        assert (problem(refused), refused.json()["verdict"]) == ("not-accepted", "ended")
    batch = {"jobs": [*jobs, job("new", credential="acme")]}
    taken = server.client.post("/v1/batches", json=batch, headers=submitter).json()
    assert [each["verdict"] for each in taken["jobs"]] == ["ended", "ended", "new"]
    assert taken["accepted"] == 1
    states = (await ledger.queries.status("b1")).states
    assert (states[State.DEAD], states[State.CANCELLED], states[State.QUEUED]) == (1, 1, 0)
    assert await ledger.queries.body("b1.1") == b'{"a":1}'

    for each in jobs:  # the server's own token may operate as well
        assert server.post("/v1/jobs", each).json()["verdict"] == "redriven"


async def test_a_webhook_is_its_setters_and_the_operators(
    server: Server, ledger: Ledger, submitter: dict[str, str], valkey_url: str
) -> None:
    await fill(ledger, new_job("a"))
    path, client = "/v1/batches/b1/webhook", server.client
    mine = {"url": "https://crm.example/hooks/s3cret?key=s3cret"}
    other = {"Authorization": f"Bearer {make_token(valkey_url, 'another', 'submit')}"}

    first = client.put(path, json=mine, headers=submitter)
    assert first.status_code == 200
    for method in ("GET", "PUT", "DELETE"):
        body = {"url": "https://thief.example/"} if method == "PUT" else None
        assert problem(client.request(method, path, headers=other, json=body)) == "no-scope"
    shown = client.get(path, headers=submitter)
    assert shown.json()["url"] == "https://crm.example/…"
    assert "s3cret" not in client.get(path).text  # the operator's
    again = client.put(path, json=mine, headers=submitter)  # one's own may be replaced
    assert again.json()["secret"] != first.json()["secret"]
    assert client.delete(path).status_code == 204

    acts = [act async for act in ledger.queries.audit()]
    assert [(act.act, act.on, act.facts["done"]) for act in acts] == [
        ("webhook", "batch:b1", "removed"),
        ("webhook", "batch:b1", "set"),
        ("webhook", "batch:b1", "set"),
    ]
    assert {act.facts["address"] for act in acts} == {"https://crm.example/…"}
    assert [act.by for act in acts[1:]] == ["only-submits"] * 2


async def test_a_credential_that_no_worker_has_is_refused_row_by_row(server: Server, ledger: Ledger) -> None:
    await show(ledger, "w1", "acme")
    one = server.post("/v1/jobs", job("a", credential="s3cret"))
    assert problem(one) == "bad-rows"
    rows = [job("b", credential="acme"), job("c", credential="s3cret")]
    many = server.post("/v1/batches", {"jobs": rows}).json()
    assert (many["accepted"], many["bad_rows"]) == (1, 1)
    for problems in (one.json()["problems"], many["problems"]):
        assert [each["field"] for each in problems] == ["credential"]
        assert "s3cret" not in str(problems)
