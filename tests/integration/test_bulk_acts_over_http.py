"""Bulk acts over real HTTP: asked for once, carried out in the background, also after a server has died."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from producers.submit import submit
from provisioning.ledger import Intent, Ledger, transitions
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event, State
from tests.support.http_server import PATIENCE, Server, running_server
from tests.support.ledger_fixtures import answer, claim, new_job

MANY = 8_000


@pytest.fixture
async def ledger(valkey_url: str) -> AsyncIterator[Ledger]:
    """Empty, with the clock of Redis, as servers have it."""
    async with Ledger.at(valkey_url) as ledger:
        await ledger.redis.flushall()
        yield ledger


@pytest.fixture
def server(ledger: Ledger, valkey_url: str, tmp_path: Path) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path, API_RATE="unlimited") as server:
        yield server


async def heap(ledger: Ledger, jobs: int, event: Event = Event.REJECTED) -> str:
    """A batch whose jobs have all come to that end. Returns: its id."""
    rows = [new_job(f"t{n}") for n in range(jobs)]
    batch = (await submit(ledger, rows, name="heap", actor="ana", notify=lambda _: None)).batch
    while some := await claim(ledger, 1000, batch=batch):
        intents = [Intent(job.number, job.token, 1, job.credential) for job in some]
        await ledger.do(transitions.sending(batch, intents, lease=30, target="http://target"))
        answers = [answer(job, event, reason="bot_not_found") for job in some]
        await ledger.do(transitions.answered(batch, answers))
    return batch


def until_ended(server: Server, location: str) -> dict[str, Any]:
    """The act once it has ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        act: dict[str, Any] = server.get(location).json()
        if act["state"] in ("done", "cancelled"):
            return act
        assert time.monotonic() < deadline, act
        time.sleep(0.02)


async def test_dead_jobs_are_queued_again_in_the_background(server: Server, ledger: Ledger) -> None:
    batch = await heap(ledger, 3)
    asked = server.post(f"/v1/batches/{batch}/bulk-acts?act=redrive&reason=bot_not_found&because=mended")
    assert asked.status_code == 202, asked.text
    assert asked.json()["expected"] == 3
    act = until_ended(server, asked.headers["Location"])
    assert (act["state"], act["changed"], act["because"]) == ("done", 3, "mended")
    assert (await ledger.queries.status(batch)).states[State.QUEUED] == 3
    listed = server.get("/v1/bulk-acts", batch="heap").json()["bulk_acts"]
    assert [each["id"] for each in listed] == [act["id"]]


async def test_asking_twice_with_a_key_is_one_act(server: Server, ledger: Ledger) -> None:
    batch = await heap(ledger, 3)
    path = f"/v1/batches/{batch}/bulk-acts?act=redrive"
    ids = {server.post(path, Idempotency_Key="k1").json()["id"] for _ in range(3)}
    assert len(ids) == 1
    assert server.post(path, Idempotency_Key="k2").json()["id"] not in ids


async def test_an_act_on_unsent_jobs_and_one_on_doubts(server: Server, ledger: Ledger) -> None:
    batch = await heap(ledger, 3, Event.DOUBTED)
    path = f"/v1/batches/{batch}/bulk-acts"
    asked = server.post(f"{path}?act=resolve&found=absent&because=none+there")
    assert until_ended(server, asked.headers["Location"])["queued"] == 3
    asked = server.post(f"{path}?act=cancel&because=wrong+file")
    assert until_ended(server, asked.headers["Location"])["changed"] == 3
    assert (await ledger.queries.status(batch)).states[State.CANCELLED] == 3
    assert [(each.act, each.why) async for each in ledger.queries.audit()] == [
        ("cancel", "wrong file"),
        ("resolve", "none there"),
    ]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("act=redrive&found=created", "found"),
        ("act=resolve&because=x", "found"),
        ("act=resolve&found=absent", "because"),
        ("act=cancel&key=t*", "cancel"),
        ("act=cancel&state=dead", "state"),
        ("act=purge", "act"),
        ("", "act"),
    ],
)
async def test_what_does_not_fit_is_refused_and_nothing_is_recorded(
    server: Server, ledger: Ledger, query: str, named: str
) -> None:
    batch = await heap(ledger, 1)
    refused = server.post(f"/v1/batches/{batch}/bulk-acts?{query}")
    assert (refused.status_code, named in refused.text) == (422, True)
    assert server.get("/v1/bulk-acts").json() == {"bulk_acts": []}


async def test_a_token_that_may_only_read_sees_acts_and_makes_none(server: Server, ledger: Ledger) -> None:
    batch = await heap(ledger, 1)
    location = server.post(f"/v1/batches/{batch}/bulk-acts?act=redrive").headers["Location"]
    reader = {"Authorization": f"Bearer {(await ledger.tokens.create('reads', [Scope.READ]))[1]}"}
    assert server.client.get(location, headers=reader).status_code == 200
    for path in (f"/v1/batches/{batch}/bulk-acts?act=redrive", f"{location}/cancel"):
        assert server.client.post(path, headers=reader).status_code == 403


@pytest.mark.slow
async def test_the_act_of_a_server_that_was_killed_is_carried_to_its_end_by_another(
    valkey_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    batch = await heap(ledger, MANY)
    with running_server(valkey_url, tmp_path) as first:
        location = first.post(f"/v1/batches/{batch}/bulk-acts?act=redrive").headers["Location"]
        while not (act := await ledger.bulk_acts.find(location.rpartition("/")[2])).seen:
            pass
        first.process.kill()
    assert not act.ended
    before = (await ledger.bulk_acts.find(act.asked.id)).changed
    assert before < MANY
    with running_server(valkey_url, tmp_path) as second:
        ended = until_ended(second, location)
    assert (ended["state"], ended["seen"], ended["changed"]) == ("done", MANY, MANY)
    status = await ledger.queries.status(batch)
    assert status.states[State.QUEUED] == MANY
    assert [each.facts["queued"] async for each in ledger.queries.audit()] == [MANY]
