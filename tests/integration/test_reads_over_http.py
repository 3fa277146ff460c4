"""What the HTTP API tells of causes, history, the audit, workers and paces: the same as the command line."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import msgspec
import pytest

from provisioning.learned_rate import LearnedRate
from provisioning.ledger import Ledger, WorkerSign, keys, worker_registry
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event
from provisioning.pace import Rate
from tests.support.http_server import Server, problem, provision, running_server
from tests.support.ledger_fixtures import answer, claim, fill, new_job, say, send

ALL = [Scope.READ, Scope.OPERATE]


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path_factory.mktemp("reads"), API_RATE="unlimited") as server:
        yield server


@pytest.fixture
async def client(server: Server, ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sees all owners and may operate, on an empty ledger."""
    _, token = await ledger.tokens.create(f"t{time.monotonic_ns()}", ALL, all_owners=True)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


def lines(valkey_url: str, *command: str) -> list[dict[str, Any]]:
    """What a command prints with `--json`."""
    done = provision(valkey_url, *command, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def _end(ledger: Ledger, *ends: tuple[Event, str]) -> None:
    """Jobs of the batch b1 that ended so, in this order."""
    await fill(ledger, *(new_job(f"k{n}") for n in range(len(ends))))
    for each, (event, reason) in zip(await claim(ledger), ends, strict=True):
        await send(ledger, each)
        await say(ledger, answer(each, event, reason=reason))


ENDS = (
    *((Event.REJECTED, "bot_not_found"), (Event.EXHAUSTED, "http_500"), (Event.EXHAUSTED, "http_500")),
    *((Event.DOUBTED, "read_timeout"), (Event.CREATED, "")),
)


async def test_causes_and_history_are_those_of_the_command_line(
    client: httpx.AsyncClient, ledger: Ledger, valkey_url: str
) -> None:
    await _end(ledger, *ENDS)
    for state, command in (("dead", "dead-letters"), ("in_doubt", "in-doubt")):
        shown = (await client.get("/v1/batches/b1/causes", params={"state": state})).json()
        assert (shown["batch"], shown["state"]) == ("b1", state)
        assert shown["causes"] == lines(valkey_url, command, "b1")
    dead = (await client.get("/v1/batches/b1/causes")).json()["causes"]
    assert [(each["cause"], each["count"], each["risky"]) for each in dead] == [
        ("http_500", 2, 2),
        ("bot_not_found", 1, 0),
    ]
    assert dead[1]["meaning"] == "the bot does not belong to the company"
    assert "failed.csv" in dead[1]["advice"]
    spans = (await client.get("/v1/batches/b1/history")).json()["spans"]
    assert spans == lines(valkey_url, "status", "b1", "--history")
    assert spans[0]["ended"] == {"dead": 3, "in_doubt": 1, "succeeded": 1}


async def test_causes_take_the_filters_of_jobs_and_no_other_state(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await _end(ledger, *ENDS)
    for query, count in (("reason=bot_not_found", 1), ("key=k1", 1), ("key=k*", 2), ("credential=no", 0)):
        shown = (await client.get(f"/v1/batches/b1/causes?{query}")).json()
        assert len(shown["causes"]) == count, query
    assert problem(await client.get("/v1/batches/b1/causes?state=queued")) == "invalid"
    assert problem(await client.get("/v1/batches/b1/causes?state=")) == "invalid"
    assert problem(await client.get("/v1/batches/none/causes")) == "not-found"


async def test_a_span_of_history_has_the_minutes_that_are_asked_for(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await _end(ledger, *ENDS)
    [span] = (await client.get("/v1/batches/b1/history?minutes=1440")).json()["spans"]
    assert (span["seconds"], span["attempts"]) == (86400, 5)
    for minutes in ("0", "1441", "x"):
        assert problem(await client.get(f"/v1/batches/b1/history?minutes={minutes}")) == "invalid"


async def test_the_audit_is_that_of_the_command_line_page_by_page(
    client: httpx.AsyncClient, ledger: Ledger, valkey_url: str
) -> None:
    for n in range(5):
        await ledger.operations.note("pause", actor=f"p{n}", on="batch:b1", facts={"n": n})
    found: list[dict[str, Any]] = []
    path = "/v1/audit?limit=2&act=pause"
    while path:
        page = await client.get(path)
        found += page.json()["acts"]
        link = page.links.get("next", {}).get("url", "")
        assert bool(link) == (page.json()["next"] is not None)
        path = link
    assert found == lines(valkey_url, "audit")
    assert [each["by"] for each in found] == ["p4", "p3", "p2", "p1", "p0"]


async def test_acts_are_found_by_what_who_on_what_and_when(client: httpx.AsyncClient, ledger: Ledger) -> None:
    note = ledger.operations.note
    await note("pause", actor="ana", on="batch:b1")
    await note("redrive", actor="ana", on="batch:b1")
    await note("pause", actor="eva", on="credential:acme")

    async def found(**asked: str | float) -> list[tuple[str, str]]:
        acts = (await client.get("/v1/audit", params=asked)).json()["acts"]
        return [(each["act"], each["by"]) for each in acts]

    assert await found(act="pause") == [("pause", "eva"), ("pause", "ana")]
    assert await found(by="ana", act="redrive") == [("redrive", "ana")]
    assert await found(on="batch:b1") == await found(on="b1") == [("redrive", "ana"), ("pause", "ana")]
    assert await found(on="b") == []
    now = time.time()
    assert await found(since=now + 60) == await found(until=now - 60) == []
    assert len(await found(since=now - 60, until=now + 60)) == 3
    for asked in ("cursor=x", "cursor=1-", "limit=0", "limit=1001", "since=-1", "act="):
        assert problem(await client.get(f"/v1/audit?{asked}")) == "invalid", asked


async def test_a_request_reads_a_bounded_part_of_the_audit_and_says_that_there_is_more(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    pipeline = ledger.redis.pipeline(transaction=False)
    for n in range(5001):
        value = b'{"act":"pause","at":1.0,"by":"%s","on":"all"}' % (b"eva" if n else b"ana")
        pipeline.xadd(keys.AUDIT, {"act": value}, id=f"{n + 1}-0")
    await pipeline.execute()
    first = (await client.get("/v1/audit?by=ana")).json()
    assert (first["acts"], bool(first["next"])) == ([], True)
    second = (await client.get("/v1/audit", params={"by": "ana", "cursor": first["next"]})).json()
    assert ([each["by"] for each in second["acts"]], second["next"]) == (["ana"], None)


async def _sign(ledger: Ledger, name: str, rate: str, *credentials: str) -> None:
    state = WorkerSign(name, 0.0, 1, 8, 2, credentials=list(credentials), settings={"rate": rate})
    await worker_registry.sign(ledger, state, queue=None)


async def test_workers_and_limits_are_those_of_the_command_line(
    client: httpx.AsyncClient, ledger: Ledger, valkey_url: str
) -> None:
    await fill(ledger, new_job("k"))
    await _sign(ledger, "w2", "5/s", "acme")
    await _sign(ledger, "w1", "6/s", "acme", "globex")
    await ledger.operations.set_pace("globex", Rate(2.0))
    redis: Any = ledger.redis
    for name, rate in (("acme", 9.5), ("noise", 0.0)):
        await redis.hset(keys.LEARNED, name, msgspec.json.encode(LearnedRate(rate, 9.5, 1.0, 1.0)))
    await ledger.operations.hold("credential:acme", actor="ana", justification="x")
    await ledger.operations.hold("batch:b1", actor="ana", justification="y")
    shown = (await client.get("/v1/workers")).json()
    [status] = lines(valkey_url, "status", "b1")
    assert shown["limits"] == status["limits"]
    assert shown["workers"] == sorted(status["workers"], key=lambda each: str(each["name"]))
    assert shown["differing_settings"] == ["rate"]
    assert shown["paces"] == [{"credential": "globex", "pace": "2/s", "set": True, "workers": 1}]
    assert shown["learned_rates"] == [{"credential": "acme", "per_second": 9.5, "since": 1.0}]
    assert [each["scope"] for each in shown["holds"]] == ["credential:acme"]
    assert shown["memory_share"] is None  # this Valkey has no limit
    await redis.config_set("maxmemory", "1gb")
    try:
        assert 0 < (await client.get("/v1/workers")).json()["memory_share"] < 1
    finally:
        await redis.config_set("maxmemory", "0")


async def test_a_pace_is_set_shown_and_removed_as_on_the_command_line(
    client: httpx.AsyncClient, ledger: Ledger, valkey_url: str
) -> None:
    path = "/v1/credentials/acme/pace"
    assert (await client.get(path)).json() == {
        "credential": "acme",
        "pace": None,
        "set": False,
        "workers": 0,
    }
    await _sign(ledger, "w1", "5/s", "acme")
    assert (await client.get(path)).json()["pace"] == "5/s"
    put = await client.put(path, json={"pace": "300/m"})
    shown = (await client.get(path)).json()
    assert put.json() == shown == {"credential": "acme", "pace": "5/s", "set": True, "workers": 1}
    [said] = lines(valkey_url, "pace", "acme")
    assert said == {name: shown[name] for name in said}
    assert (await client.put(path, json={"pace": "unlimited"})).json()["pace"] == "unlimited"
    assert (await client.delete(path)).status_code == 204
    assert await ledger.queries.paces() == {}
    await _sign(ledger, "w2", "6/s", "acme")
    assert (await client.get(path)).json()["pace"] is None  # the workers differ
    acts = [(act.act, act.facts["pace"]) async for act in ledger.queries.audit()]
    assert acts == [("pace", "not set"), ("pace", "unlimited"), ("pace", "5/s")]


async def test_a_pace_that_is_none_is_refused_without_being_repeated(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    path = "/v1/credentials/acme/pace"
    bodies: tuple[object, ...] = (
        *({"pace": "s3cret"}, {"pace": "0/s"}, {"pace": "5"}, {"pace": "9" * 400 + "/s"}, {"pace": 5}),
        *({}, {"pace": "5/s", "s3cret": 1}, [], "5/s"),
    )
    for body in bodies:
        refused = await client.put(path, json=body)
        assert (problem(refused), "s3cret" in refused.text) == ("invalid", False), body
        assert refused.json()["hint"]
    twice = await client.put(path, content=b'{"pace":"5/s","pace":"6/s"}')
    assert problem(twice) == "invalid"
    for name in ("id:s3cret", "%20acme", "x" * 101, "a%00b"):
        refused = await client.put(f"/v1/credentials/{name}/pace", json={"pace": "5/s"})
        assert (problem(refused), "s3cret" in refused.text) == ("invalid", False), name
    assert problem(await client.put("/v1/credentials/a%0Ab/pace", json={"pace": "5/s"})) == "not-found"
    assert await ledger.queries.paces() == {}


async def test_a_credential_may_have_a_slash_in_its_name(client: httpx.AsyncClient, ledger: Ledger) -> None:
    put = await client.put("/v1/credentials/acme%2Fmx/pace", json={"pace": "5/s"})
    assert put.json()["credential"] == "acme/mx"
    assert await ledger.queries.paces() == {"acme/mx": "5.0"}


async def test_a_credential_is_paused_and_resumed_and_a_misspelt_one_is_not_found(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    def path(name: str, act: str) -> str:
        return f"/v1/credentials/{name}/{act}"

    assert (await client.post(path("early", "pause"))).json()["done"] == "paused"  # no name is known yet
    await ledger.operations.release("credential:early")
    await fill(ledger, new_job("k", "initech"))
    await _sign(ledger, "w1", "5/s", "acme")
    for act in ("pause", "resume"):
        refused = await client.post(path("acne", act))
        assert problem(refused) == "not-found"
        assert "acne" not in refused.text
    for name in ("acme", "initech"):  # a worker has it; a job uses it
        done = [
            (await client.post(path(name, act), params={"because": "key rotated"})).json()
            for act in ("pause", "pause", "resume", "resume")
        ]
        assert [each["done"] for each in done] == ["paused", "held already", "goes on", "not held"]
        assert {each["credential"] for each in done} == {name}
    assert await ledger.queries.holds() == []
    acts = [(act.act, act.on, act.why) async for act in ledger.queries.audit(2)]
    assert acts == [(act, "credential:initech", "key rotated") for act in ("resume", "pause")]


async def test_every_new_answer_is_not_sent_again_to_who_has_it_and_answers_head(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await _end(ledger, *ENDS)
    await _sign(ledger, "w1", "5/s", "acme")
    for path in (
        *("/v1/batches/b1/causes", "/v1/batches/b1/history", "/v1/audit", "/v1/workers"),
        "/v1/credentials/acme/pace",
    ):
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b""), path
        head = await client.head(path)
        assert (head.status_code, head.content) == (200, b""), path


async def test_a_tenant_is_found_by_the_beginning_of_its_key_up_to_a_limit(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await fill(ledger, *(new_job(f"abc-{n}") for n in range(5)), new_job("xabc"), new_job("a[b*c"))
    shown = (await client.get("/v1/jobs", params={"key": "abc*"})).json()
    assert ({each["key"] for each in shown["jobs"]}, shown["truncated"]) == (
        {f"abc-{n}" for n in range(5)},
        False,
    )
    shown = (await client.get("/v1/jobs", params={"key": "abc*", "limit": 2})).json()
    assert (len(shown["jobs"]), shown["truncated"]) == (2, True)
    shown = (await client.get("/v1/jobs", params={"key": "a[b**"})).json()
    assert [each["key"] for each in shown["jobs"]] == ["a[b*c"]
    assert problem(await client.get("/v1/jobs", params={"key": "abc*", "limit": 1001})) == "invalid"
