"""The HTTP door, as a real process: what it takes, what it refuses, what it tells."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from provision_client import Client, RefusedError
from redis import Redis

from provisioning.ledger import keys
from provisioning.ledger.codec import StoredJob
from provisioning.lifecycle import State
from tests.support.http_server import (
    Server,
    csv_of,
    job,
    make_token,
    problem,
    provision,
    running_server,
)


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    with running_server(valkey_url, tmp_path_factory.mktemp("serve")) as server:
        yield server


def test_a_job_that_was_answered_is_in_the_ledger(server: Server, valkey_url: str) -> None:
    answer = server.post("/v1/jobs", job("one"))
    assert answer.status_code == 202
    taken = answer.json()
    assert taken["verdict"] == "new"
    batch, number = taken["job"].split(".")
    with Redis.from_url(valkey_url) as redis:
        kept: Any = redis.hget(keys.jobs(batch), str(number))
        assert StoredJob(kept).state is State.QUEUED
        assert redis.hget(f"pv:{{{batch}}}", "urgent") == b"1"
    assert server.get(answer.headers["location"]).json()["key"] == "one"


def test_the_same_job_again_is_the_same_job(server: Server) -> None:
    first, second = (server.post("/v1/jobs", job("twice")).json() for _ in range(2))
    assert first["job"] == second["job"]
    assert (first["verdict"], second["verdict"]) == ("new", "queued")


def test_a_single_job_says_when_it_was_accepted_and_by_whom_where_a_batch_says_it_for_all(
    server: Server, valkey_url: str
) -> None:
    token = make_token(valkey_url, "onboarding", "submit", "read")
    sent = time.time()
    answer = server.post("/v1/jobs", job("told"), Authorization=f"Bearer {token}")
    [move] = server.get(answer.headers["location"]).json()["moves"]
    assert (move["move"], move["by"]) == ("accepted", "onboarding")
    assert move["at"] == pytest.approx(sent, abs=60)
    batch = server.post("/v1/batches", {"name": "untold", "jobs": [job("u")]}).json()["batch"]
    [other] = server.get(f"/v1/batches/{batch}/jobs").json()["jobs"]
    assert other["moves"] == []


def test_jobs_that_come_at_once_are_all_in_the_ledger(server: Server) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: server.post("/v1/jobs", job(f"many{n}")), range(100)))
    assert {answer.status_code for answer in answers} == {202}
    ids = {answer.json()["job"] for answer in answers}
    assert len(ids) == 100
    assert all(server.get(f"/v1/jobs/{each}").status_code == 200 for each in ids)


CSV = b"key,bot.id\nc1,100\nc2,\nc3,300\n"
LINES = b'{"key":"c1","bot":{"id":"100"}}\n{"key":"c2"}\n{"key":"c3","bot":{"id":"300"}}\n'
JSON = b'{"jobs":[' + LINES.strip().replace(b"\n", b",") + b"]}"


@pytest.mark.parametrize(
    ("kind", "body", "first_row"),
    [("text/csv", CSV, 2), ("application/x-ndjson", LINES, 1), ("application/json", JSON, 1)],
)
def test_every_kind_of_body_is_judged_alike_row_by_row(
    server: Server, valkey_url: str, kind: str, body: bytes, first_row: int
) -> None:
    with Redis.from_url(valkey_url) as redis:
        for key in ("pv:identity:default", "pv:names"):
            redis.delete(key)
    answer = server.post(f"/v1/batches?name={kind.replace('/', '-')}", body, Content_Type=kind)
    assert answer.status_code == 202, answer.text
    taken = answer.json()
    assert (taken["rows"], taken["accepted"], taken["bad_rows"]) == (3, 2, 1)
    assert [(each["row"], each["key"]) for each in taken["jobs"]] == [
        (first_row, "c1"),
        (first_row + 2, "c3"),
    ]
    assert [(each["row"], each["field"]) for each in taken["problems"]] == [(first_row + 1, "bot.id")]


def test_one_bad_row_refuses_all_where_that_is_wished(server: Server) -> None:
    answer = server.post("/v1/batches?name=strict&all_or_nothing=true", CSV, Content_Type="text/csv")
    assert problem(answer) == "bad-rows"
    assert server.get("/v1/batches/strict").status_code == 404


def test_only_the_first_jobs_are_sent_where_that_is_wished(server: Server, valkey_url: str) -> None:
    body = b"key,bot.id\n" + b"".join(b"few%d,%d\n" % (n, 100 + n) for n in range(5))
    answer = server.post("/v1/batches?name=few&first=2", body, Content_Type="text/csv")
    assert (answer.status_code, answer.json()["accepted"]) == (202, 5)
    batch = answer.json()["batch"]
    assert server.get(f"/v1/batches/{batch}").json()["first"] == 2
    operator = make_token(valkey_url, "operator", "operate")
    resumed = server.post(f"/v1/batches/{batch}/resume", Authorization=f"Bearer {operator}")
    assert resumed.json()["done"] == "goes on"
    assert server.get(f"/v1/batches/{batch}").json()["first"] is None
    for wrong in ("0", "-1", "many"):
        refused = server.post(f"/v1/batches?name=none&first={wrong}", body, Content_Type="text/csv")
        assert refused.status_code in (400, 422), refused.text
        assert "first" in refused.text
    assert server.get("/v1/batches/none").status_code == 404


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/csv", b"nonsense,bot.id\n1,2\n"),
        ("text/csv", b'key,bot.id\na,"1\n'),
        ("application/json", b'{"jobs": 5}'),
        ("application/json", b'{"jobs": [}'),
        ("application/json", b'{"jobs": []}'),
        ("application/json", b"[" * 5000),
        ("application/x-ndjson", b""),
    ],
)
def test_a_body_that_cannot_be_read_leaves_nothing_behind(server: Server, kind: str, body: bytes) -> None:
    before = server.get("/v1/batches", limit=1000).json()
    answer = server.post("/v1/batches?name=unreadable", body, Content_Type=kind)
    assert answer.status_code == 422, answer.text
    assert problem(answer) in ("invalid", "bad-rows")
    assert server.get("/v1/batches", limit=1000).json() == before


def test_no_refusal_repeats_a_secret(server: Server) -> None:
    secret = "s3cret-in-the-wrong-place"
    bodies = [
        job("s", credential=secret + "\x00"),
        job("s", credential={"clientSecret": secret}),
        job("s", clientSecret=secret),
        {"key": "s", "bot": secret},
        {"key": ["s", secret]},
    ]
    for body in bodies:
        one = server.post("/v1/jobs", body)
        many = server.post("/v1/batches", {"jobs": [body]})
        assert one.status_code == many.status_code == 422
        assert secret not in one.text + many.text
    assert secret not in server.get("/v1/batches", cursor=secret).text
    assert secret not in server.client.get("/v1/batches", headers={"Authorization": f"Bearer {secret}"}).text


def test_only_known_kinds_of_body_are_read(server: Server) -> None:
    assert problem(server.post("/v1/batches", b"<a/>", Content_Type="text/xml")) == "unsupported-content"
    packed = b"\x1f\x8b\x08\x00"
    assert problem(server.post("/v1/batches", packed, Content_Type="text/csv")) == "unsupported-content"


# --- Idempotency-Key ---


def test_the_same_key_and_body_get_the_same_answer(server: Server) -> None:
    first, second = (
        server.post("/v1/batches?name=idem", csv_of(3, "i"), Content_Type="text/csv", Idempotency_Key="k-1")
        for _ in range(2)
    )
    assert first.status_code == second.status_code == 202
    assert first.content == second.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"


def test_the_same_key_with_another_body_is_refused(server: Server) -> None:
    assert server.post("/v1/jobs", job("ik1"), Idempotency_Key="k-2").status_code == 202
    assert problem(server.post("/v1/jobs", job("ik2"), Idempotency_Key="k-2")) == "idempotency-key-reused"
    quoted = server.post("/v1/jobs", job("ik1"), Idempotency_Key='"k-2"')
    assert quoted.headers["idempotent-replayed"] == "true"


def test_a_refusal_is_repeated_as_well(server: Server) -> None:
    first, second = (server.post("/v1/jobs", {"key": "x"}, Idempotency_Key="k-3") for _ in range(2))
    assert first.status_code == second.status_code == 422
    assert first.content == second.content


def test_a_key_in_use_is_refused_until_its_holder_is_done(server: Server, valkey_url: str) -> None:
    body = csv_of(2000, "busy")
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda _: server.post(
                    "/v1/batches?name=busy", body, Content_Type="text/csv", Idempotency_Key="k-4"
                ),
                range(4),
            )
        )
    by_status = {answer.status_code for answer in answers}
    assert by_status <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert problem(answer) == "in-progress"
            assert int(answer.headers["retry-after"]) >= 1


def test_keys_of_different_tokens_do_not_meet(server: Server, valkey_url: str) -> None:
    other = {"Authorization": f"Bearer {make_token(valkey_url, 'other', 'submit')}"}
    assert server.post("/v1/jobs", job("mine"), Idempotency_Key="k-5").status_code == 202
    theirs = server.client.post("/v1/jobs", json=job("theirs"), headers=other | {"Idempotency-Key": "k-5"})
    assert theirs.status_code == 202


# --- Tokens ---


ROUTES = [
    ("POST", "/v1/batches", "submit"),
    ("POST", "/v1/jobs", "submit"),
    ("GET", "/v1/batches", "read"),
    ("GET", "/v1/batches/x", "read"),
    ("GET", "/v1/batches/x/jobs", "read"),
    ("GET", "/v1/batches/x/events", "read"),
    ("GET", "/v1/batches/x/outcomes/failed.csv", "read"),
    ("GET", "/v1/jobs/x.1", "read"),
    ("GET", "/v1/jobs", "read"),
    ("GET", "/v1/refused-messages", "read"),
    *(("GET", f"/v1/batches/x/{what}", "read") for what in ("causes", "history")),
    ("GET", "/v1/audit", "read"),
    ("GET", "/v1/workers", "read"),
    ("GET", "/v1/credentials/x/pace", "read"),
    *((method, "/v1/credentials/x/pace", "operate") for method in ("PUT", "DELETE")),
    *(("POST", f"/v1/credentials/x/{verb}", "operate") for verb in ("pause", "resume")),
    ("GET", "/metrics", "read"),  # or the scope metrics
    *(("POST", f"/v1/batches/x/{verb}", "operate") for verb in ("pause", "resume", "cancel", "redrive")),
    ("POST", "/v1/jobs/x.1/resolve", "operate"),
    ("POST", "/v1/batches/x/bulk-acts", "operate"),
    *(("GET", f"/v1/bulk-acts{which}", "read") for which in ("", "/x")),
    ("POST", "/v1/bulk-acts/x/cancel", "operate"),
    *((method, "/v1/batches/x/webhook", "submit") for method in ("PUT", "GET", "DELETE")),
    *((method, "/v1/jobs/x.1/webhook", "submit") for method in ("PUT", "GET", "DELETE")),
    *((method, "/v1/webhook", "submit") for method in ("PUT", "GET", "DELETE")),
    *(
        ("POST", f"{of}/webhook/{verb}", "submit")
        for of in ("/v1/batches/x", "/v1/jobs/x.1", "/v1")
        for verb in ("rotate", "test", "deliveries/msg_x_1-0/redeliver")
    ),
    *(("GET", f"{of}/webhook/deliveries", "submit") for of in ("/v1/batches/x", "/v1/jobs/x.1", "/v1")),
]


@pytest.fixture(scope="module")
def powerless(server: Server, valkey_url: str) -> dict[str, str]:
    """For each scope, a token with all others."""
    scopes = ("submit", "read", "operate", "keys")
    return {
        scope: make_token(valkey_url, f"no-{scope}", *(other for other in scopes if other != scope))
        for scope in scopes
    }


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_every_route_wants_a_token_of_its_scope(
    server: Server, powerless: dict[str, str], method: str, path: str, scope: str
) -> None:
    def ask(authorization: str) -> str:
        return problem(server.client.request(method, path, headers={"Authorization": authorization}))

    for bad in ("", "Bearer", "Basic eDp5", "Bearer nonsense", f"Bearer {server.token[:-1]}x"):
        assert ask(bad) == "no-token"
    assert ask(f"Bearer {powerless[scope]}") == "no-scope"


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_every_route_refuses_what_it_does_not_know(
    server: Server, powerless: dict[str, str], method: str, path: str, scope: str
) -> None:
    answer = server.client.request(method, path + "?limits=5")
    assert problem(answer) == "invalid"
    assert "limits" not in answer.text
    if path != "/metrics":  # who may not act is told of nothing else
        headers = {"Authorization": f"Bearer {powerless[scope]}"}
        assert problem(server.client.request(method, path + "?limits=5", headers=headers)) == "no-scope"


def test_only_health_needs_no_token(server: Server) -> None:
    nobody = {"Authorization": ""}
    assert server.client.get("/healthz", headers=nobody).status_code == 200
    assert server.client.get("/readyz", headers=nobody).status_code == 200
    for path in ("/openapi.json", "/docs"):
        assert server.client.get(path, headers=nobody).status_code == 401
        assert server.client.get(path).status_code == 200
        assert server.client.get(path, headers=nobody, auth=("me", server.token)).status_code == 200


def test_the_docs_page_needs_no_other_address(server: Server) -> None:
    page = server.client.get("/docs")
    assert "//" not in page.text.replace("</", "").replace("/>", "")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_every_route_is_described_and_listed_here(server: Server) -> None:
    described = {
        (method.upper(), path)
        for path, methods in server.client.get("/openapi.json").json()["paths"].items()
        for method in methods
        if path not in ("/healthz", "/readyz")
    }
    assert len(described) == len(ROUTES)


def test_a_revoked_token_is_no_good_a_second_later(server: Server, valkey_url: str) -> None:
    token = {"Authorization": f"Bearer {make_token(valkey_url, 'short', 'read')}"}
    assert server.client.get("/v1/batches", headers=token).status_code == 200
    assert provision(valkey_url, "token", "revoke", "short").returncode == 0
    with running_server(valkey_url, server.log.parent, token=server.token) as other:
        assert other.client.get("/v1/batches", headers=token).status_code == 401


def test_no_token_can_be_had_from_the_ledger(server: Server, valkey_url: str) -> None:
    secret = server.token.split("_", 2)[2]
    with Redis.from_url(valkey_url) as redis:
        assert secret not in json.dumps([value.decode() for value in redis.hvals("pv:tokens")])
    listed = provision(valkey_url, "token", "list", "--json")
    assert secret not in listed.stdout
    made = [provision(valkey_url, "token", "create", "twice", "--scope", "read", "--json") for _ in range(2)]
    assert [each.returncode for each in made] == [0, 2]
    token = {"Authorization": f"Bearer {json.loads(made[0].stdout)['token']}"}
    assert server.client.get("/v1/batches", headers=token).status_code == 200


# --- Looking and acting ---


def test_unknown_ids_are_not_found(server: Server) -> None:
    for path in ("/v1/batches/nope", "/v1/batches/nope/jobs", "/v1/jobs/nope.1", "/v1/jobs/x", "/v1/x"):
        assert problem(server.get(path)) == "not-found"
    assert problem(server.post("/v1/batches/nope/pause")) == "not-found"
    assert problem(server.post("/v1/jobs/nope.1/resolve", {"found": "absent"})) == "not-found"
    assert server.client.delete("/v1/jobs").status_code == 405


def test_pages_of_jobs_join_without_gap_or_repeat(server: Server) -> None:
    server.post("/v1/batches?name=paged", csv_of(25, "p"), Content_Type="text/csv")
    keys: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = server.get("/v1/batches/paged/jobs", limit=7, **cursor).json()
        keys += [each["key"] for each in page["jobs"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert keys == [f"p{n}" for n in range(25)]
    [found] = server.get("/v1/batches/paged/jobs", key="p17").json()["jobs"]
    begin = server.get("/v1/batches/paged/jobs", key="p1*").json()["jobs"]
    assert {each["key"] for each in begin} == {"p1", *(f"p{n}" for n in range(10, 20))} & set(keys)
    for nobody in ({"credential": "other"}, {"until": 1}, {"since": 4e9}, {"key": "p17", "state": "dead"}):
        assert server.get("/v1/batches/paged/jobs", **nobody).json() == {"jobs": [], "next": None}
    assert problem(server.get("/v1/batches/paged/jobs", state="dead", cursor="7")) == "invalid"
    assert found["key"] == "p17"
    assert server.get("/v1/batches/paged/jobs", state="dead").json()["jobs"] == []
    assert len(server.get("/v1/batches/paged/jobs", reason="accepted", limit=50).json()["jobs"]) == 25
    assert server.get("/v1/batches/paged/jobs", since=4e9).json()["jobs"] == []


def test_pages_of_batches_join_without_gap_or_repeat(server: Server) -> None:
    for n in range(5):
        server.post(f"/v1/batches?name=many{n}", csv_of(1, f"b{n}-"), Content_Type="text/csv")
    whole = [each["batch"] for each in server.get("/v1/batches", limit=1000).json()["batches"]]
    paged: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = server.get("/v1/batches", limit=2, **cursor).json()
        paged += [each["batch"] for each in page["batches"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert paged == whole
    assert len(set(paged)) == len(paged)


def test_a_batch_can_be_paused_resumed_cancelled_and_redriven(server: Server) -> None:
    server.post("/v1/batches?name=held", csv_of(4, "h"), Content_Type="text/csv")
    assert server.post("/v1/batches/held/pause").json()["done"] == "paused"
    assert server.get("/v1/batches/held").json()["paused"] is True
    assert server.post("/v1/batches/held/resume").json()["done"] == "goes on"
    assert server.post("/v1/batches/held/cancel").json()["jobs"] == 4
    assert server.get("/v1/batches/held").json()["states"]["cancelled"] == 4
    assert server.post("/v1/batches/held/redrive?state=cancelled&dry_run=true").json()["jobs"] == 4
    assert server.post("/v1/batches/held/redrive?state=cancelled").json()["jobs"] == 4
    assert server.get("/v1/batches/held").json()["states"]["queued"] == 4


def test_no_batch_can_stand_in_the_place_of_another(server: Server) -> None:
    victim = server.post("/v1/batches?name=victim", csv_of(2, "v"), Content_Type="text/csv").json()["batch"]
    for name in (victim, victim.upper(), "..", "a/b", "a%0Ab"):
        answer = server.post(f"/v1/batches?name={name}", csv_of(1, "w"), Content_Type="text/csv")
        assert problem(answer) == "invalid"
        assert "name of a batch" in answer.json()["detail"]
    assert problem(server.post("/v1/batches", {"name": victim, "jobs": [job("w")]})) == "invalid"
    assert server.post(f"/v1/batches/{victim}/cancel").json() == {
        "batch": victim,
        "done": "cancelled",
        "jobs": 2,
    }


def test_a_parameter_that_no_route_knows_does_nothing_and_names_the_nearest(server: Server) -> None:
    server.post("/v1/batches?name=typo", csv_of(3, "t"), Content_Type="text/csv")
    server.post("/v1/batches/typo/cancel")
    path = "/v1/batches/typo/redrive?state=cancelled"
    near = {"dryrun=true": "dry_run", "dry-run=1": "dry_run", "reasons=x": "reason", "Until=5": "until"}
    for said, meant in near.items():
        answer = server.post(f"{path}&{said}")
        assert (problem(answer), answer.json()["hint"]) == ("invalid", f"did you mean {meant}")
    twice = server.post(f"{path}&dry_run=true&dry_run=false")
    assert "dry_run: given more than once" in twice.json()["detail"]
    secret = server.post(f"{path}&s3cret=s3cret")
    assert problem(secret) == "invalid"
    assert "s3cret" not in secret.text
    assert problem(server.post(f"{path}&reason=")) == "invalid"
    assert problem(server.post(path, {"dry_run": True})) == "invalid"
    assert problem(server.post(path, b"dry_run=true")) == "invalid"
    assert server.get("/v1/batches/typo").json()["states"]["queued"] == 0


def test_a_setting_that_a_body_does_not_heed_is_refused(server: Server) -> None:
    lines = b'{"key":"c1","bot":{"id":"100"}}'
    for said, kind, body in (
        ("delimiter=,", "application/x-ndjson", lines),
        ("map=a%3Db", "application/json", JSON),
        ("encoding=utf-8", "application/json", JSON),
        ("name=one", "application/json", b'{"name":"two","jobs":[{"key":"c1","bot":{"id":"100"}}]}'),
        ("credential=a", "application/json", b'{"credential":"b","jobs":[{"key":"c1","bot":{"id":"100"}}]}'),
    ):
        answer = server.post(f"/v1/batches?{said}", body, Content_Type=kind)
        assert (said, problem(answer)) == (said, "invalid")
        assert said.partition("=")[0] in answer.json()["detail"]


def test_why_a_batch_was_paused_or_cancelled_is_kept(server: Server, valkey_url: str) -> None:
    server.post("/v1/batches?name=why", csv_of(2, "y"), Content_Type="text/csv")
    server.post("/v1/batches/why/pause?because=wrong+theme")
    [hold] = server.get("/v1/batches/why").json()["holds"]
    assert hold["why"] == "wrong theme"
    server.post("/v1/batches/why/resume?because=mended")
    server.post("/v1/batches/why/cancel?because=wrong+list")
    lines = provision(valkey_url, "audit", "--limit", "3", "--json").stdout.splitlines()
    acts = [(act["act"], act["why"]) for act in map(json.loads, lines)]
    assert acts == [("cancel", "wrong list"), ("resume", "mended"), ("pause", "wrong theme")]


def test_a_widget_that_is_absent_has_no_id(server: Server) -> None:
    taken = server.post("/v1/jobs", job("odd")).json()
    answer = server.post(f"/v1/jobs/{taken['job']}/resolve", {"found": "absent", "widget_id": "4711"})
    assert problem(answer) == "invalid"


def test_only_a_doubt_can_be_resolved(server: Server) -> None:
    taken = server.post("/v1/jobs", job("sure")).json()
    answer = server.post(f"/v1/jobs/{taken['job']}/resolve", {"found": "created"})
    assert problem(answer) == "not-in-doubt"
    assert problem(server.post(f"/v1/jobs/{taken['job']}/resolve", {"found": "perhaps"})) == "invalid"


def test_outcome_files_come_by_http(server: Server, powerless: dict[str, str]) -> None:
    server.post("/v1/batches?name=files", csv_of(3, "f"), Content_Type="text/csv")
    file = server.get("/v1/batches/files/outcomes/not_attempted.csv")
    assert file.headers["content-type"].startswith("text/csv")
    assert file.text.count("\n") == 4
    manifest = server.get("/v1/batches/files/outcomes/manifest.json").json()
    assert manifest["accepted"] == 3
    assert problem(server.get("/v1/batches/files/outcomes/..%2fpasswd")) == "not-found"
    no_keys = {"Authorization": f"Bearer {powerless['keys']}"}
    created = server.client.get("/v1/batches/files/outcomes/created.csv", headers=no_keys)
    assert problem(created) == "no-scope"


def _events(server: Server, batch: str, last: str = "", most: int = 1) -> list[dict[str, str]]:
    headers = {"Last-Event-ID": last} if last else {}
    found: list[dict[str, str]] = []
    with server.client.stream("GET", f"/v1/batches/{batch}/events", headers=headers) as stream:
        if stream.status_code == 204:
            return []
        event: dict[str, str] = {}
        for line in stream.iter_lines():
            name, colon, value = line.partition(": ")
            if colon and name:
                event[name] = value
            elif event:
                found.append(event)
                event = {}
                if len(found) == most:
                    break
    return found


def test_events_go_on_after_the_last_that_was_heard(server: Server) -> None:
    server.post("/v1/batches?name=followed", csv_of(2, "e"), Content_Type="text/csv")
    [first] = _events(server, "followed")
    assert first["event"] == "batch.progressed"
    server.post("/v1/batches/followed/pause")
    [second] = _events(server, "followed", first["id"])
    assert second["event"] == "batch.paused"
    server.post("/v1/batches/followed/resume")
    server.post("/v1/batches/followed/cancel")
    missed = _events(server, "followed", first["id"], most=10)
    assert [each["event"] for each in missed[:2]] == ["batch.paused", "batch.released"]
    assert missed[0]["id"] == second["id"]
    assert missed[-1]["event"] == "batch.settled"
    assert all(json.loads(each["data"])["settled"] is True for each in missed)  # as it stands now
    assert _events(server, "followed", missed[-1]["id"]) == []


# --- Limits ---


def test_the_stream_of_a_revoked_token_ends(server: Server, valkey_url: str) -> None:
    server.post("/v1/batches?name=watched", csv_of(1, "watched"), Content_Type="text/csv")
    headers = {"Authorization": f"Bearer {make_token(valkey_url, 'watcher', 'read')}"}
    with server.client.stream("GET", "/v1/batches/watched/events", headers=headers) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("id: ")
        assert provision(valkey_url, "token", "revoke", "watcher").returncode == 0
        assert "event: batch.settled" not in list(lines)  # and there it ends


def test_no_answer_is_anybodys_to_keep(server: Server) -> None:
    taken = server.post("/v1/jobs", job("private"), Idempotency_Key="private-1")
    again = server.post("/v1/jobs", job("private"), Idempotency_Key="private-1")
    for answer in (taken, again, server.get(taken.headers["location"]), server.get("/v1/batches")):
        assert answer.headers.get_list("cache-control") in (["no-store"], ["private, no-cache"])


@pytest.mark.parametrize("name", ["Idempotency-Key", "Authorization", "Content-Type"])
def test_a_header_that_is_given_twice_is_refused(server: Server, name: str) -> None:
    value = server.client.headers["authorization"] if name == "Authorization" else "application/json"
    headers = [("Authorization", server.client.headers["authorization"]), (name, value), (name, value)]
    bare = httpx.post(f"{server.url}/v1/jobs", headers=headers, json=job("header"))
    assert bare.status_code == 400
    assert name.lower() in bare.json()["detail"]


SPOKEN = "key,bot.id,widget.properties.name\n%s,100200300,Łódź\n"


def test_the_charset_that_a_content_type_names_is_obeyed(server: Server, valkey_url: str) -> None:
    ledger = Redis.from_url(valkey_url)
    for n, (kind, encoding) in enumerate(
        [
            ("text/csv; charset=windows-1250", "windows-1250"),
            ('text/csv; Charset="ISO-8859-2"; header=present', "iso-8859-2"),
            ("text/csv", "utf-8"),
            ("text/csv; charset=utf-16", "utf-16"),
        ]
    ):
        body = (SPOKEN % f"charset{n}").encode(encoding)
        taken = server.post(f"/v1/batches?name=charset{n}", body, Content_Type=kind)
        assert taken.status_code == 202, taken.text
        sent: Any = ledger.hget(keys.bodies(taken.json()["batch"]), "1")
        assert json.loads(sent)["widget"]["properties"]["name"] == "Łódź"
    ledger.close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("batches", "text/csv; charset=klingon"),
        ("batches", "text/csv; charset=base64"),
        ("batches", "text/csv; header=absent"),
        ("batches", "application/json; charset=utf-16"),
        ("jobs", "application/json; charset=latin-1"),
    ],
)
def test_a_charset_that_cannot_be_obeyed_is_refused(server: Server, path: str, kind: str) -> None:
    assert problem(server.post(f"/v1/{path}", b"{}", Content_Type=kind)) == "unsupported-content"


def test_a_charset_and_an_encoding_that_differ_are_refused(server: Server) -> None:
    body = (SPOKEN % "differ").encode("utf-8")
    path = "/v1/batches?encoding="
    for given, status in (("utf8", 202), ("windows-1252", 422)):
        answer = server.post(path + given, body, Content_Type="text/csv; charset=UTF-8")
        assert answer.status_code == status


def test_notes_have_a_place_in_the_answer_in_the_words_of_this_door(server: Server) -> None:
    body = "key,bot.id,widget.properties.name\nnoted,100200300,José\n\n\n".encode("windows-1252")
    taken = server.post("/v1/batches?name=noted", body, Content_Type="text/csv").json()
    assert any("blank" in note for note in taken["notes"])
    assert any("Windows-1252" in note and "with encoding" in note for note in taken["notes"])
    refused = server.post("/v1/batches", b"key,bot.id\nx,\n", Content_Type="text/csv").json()
    assert "new_bots=true" in str(refused["problems"])
    odd = server.post("/v1/batches", b"key,bot.id\nx,(1)\n", Content_Type="text/csv").json()
    assert "as_is=bot.id" in str(odd["problems"])
    assert "--" not in str(refused) + str(odd) + str(taken["notes"])


@pytest.mark.parametrize("upload", ["", "&all_or_nothing=true"])
@pytest.mark.parametrize("kind", ["text/csv", "application/json", "application/x-ndjson"])
def test_notes_come_with_a_refusal_as_with_what_is_taken(server: Server, kind: str, upload: str) -> None:
    rows = [(f"noted-{n}", "centro" if n == 5 else f"1002003{n:02}", "PeÃ±a") for n in range(11)]
    if not upload:  # then nothing but bad rows is refused
        rows = [(key, "TBD", label) for key, _, label in rows]
    table = "".join(
        f"{key},{bot},{label}\n" for key, bot, label in [("key", "bot.id", "label"), *rows, ("x", "", "")]
    )
    jobs = [{"key": key, "label": label, "bot": {"id": bot}} for key, bot, label in [*rows, ("x", "0", "")]]
    body = {
        "text/csv": table + "\n\n",
        "application/json": json.dumps({"jobs": jobs}),
        "application/x-ndjson": "\n\n" + "\n".join(map(json.dumps, jobs)),
    }[kind]
    answer = server.post(f"/v1/batches?name=refused-{kind[-3:]}{upload}", body.encode(), Content_Type=kind)
    assert problem(answer) == "bad-rows"
    notes = answer.json()["notes"]
    assert any("2 blank rows were passed over" in note for note in notes) == (kind != "application/json")
    assert any("10 of 11 bot ids are digits" in note for note in notes) == bool(upload)
    assert any("probably 'Peña'" in note for note in notes) == bool(upload)


def test_notes_come_with_a_body_that_cannot_be_read_to_its_end(server: Server) -> None:
    for kind, body in (
        ("text/csv", b"\n\nkey,bot.id\n\n"),
        ("text/csv", "key,bot.id,x\nJosé,100,2\n".encode("windows-1252")),
    ):
        answer = server.post("/v1/batches", body, Content_Type=kind)
        assert problem(answer) == "invalid"
        assert answer.json()["notes"]
        assert "--" not in str(answer.json()["notes"])


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_what_is_odd_beside_the_other_jobs_is_noted(server: Server, kind: str) -> None:
    jobs = [job(f"beside-{n}") for n in range(11)] + [job("BESIDE 1")]
    jobs[5]["bot"]["id"] = "centro"
    lines = "\n".join(json.dumps(each) for each in jobs)
    body = json.dumps({"jobs": jobs}) if kind == "application/json" else lines
    taken = server.post(f"/v1/batches?name=beside-{kind[-4:]}", body.encode(), Content_Type=kind).json()
    assert any("11 of 12 bot ids are digits; row 6 is 'centro'" in note for note in taken["notes"])
    assert any("row 12 is 'BESIDE 1', like that of row 2" in note for note in taken["notes"])


@pytest.mark.parametrize("text", ["s/n", "TBD", "0", "2026-01-02", "FALSE", "12:30:00", "n/a.", "-1", "1.5"])
def test_what_is_no_bot_id_is_refused_at_this_door_with_its_way_out(server: Server, text: str) -> None:
    one = {"key": f"no-id-{text}", "bot": {"id": text}}
    for path, body, kind in (
        ("jobs", json.dumps(one), "application/json"),
        ("batches", json.dumps({"jobs": [one]}), "application/json"),
        ("batches", json.dumps(one), "application/x-ndjson"),
        ("batches", f"key,bot.id\nx,{text}\n", "text/csv"),
    ):
        answer = server.post(f"/v1/{path}", body.encode(), Content_Type=kind)
        assert problem(answer) == "bad-rows"
        [wrong] = answer.json()["problems"]
        assert wrong["field"] == "bot.id"
        assert wrong["hint"].endswith("if it is correct, use as_is=bot.id")


@pytest.mark.parametrize("path", ["jobs", "jobs?as_is=key"])
def test_a_key_that_is_null_is_refused(server: Server, path: str) -> None:
    answer = server.post(f"/v1/{path}", {"key": None, "bot": {"id": "100200300"}})
    assert problem(answer) == "bad-rows"
    assert "the key is empty" in str(answer.json()["problems"])


def test_a_client_can_say_that_an_id_is_meant(server: Server) -> None:
    odd = {"key": "meant", "bot": {"id": "(1)"}}
    with Client(server.url, server.token) as client:
        with pytest.raises(RefusedError):
            client.submit_job(odd)
        assert client.submit_job(odd, as_is=["bot.id"])["verdict"] == "new"
        other = {"key": "NULL", "bot": {"id": "(1)"}}
        taken = client.submit_batch([other], name="meant", as_is=["bot.id", "key"])
        assert taken["accepted"] == 1


def test_a_member_that_is_given_twice_is_refused_and_does_nothing(server: Server) -> None:
    taken = server.post("/v1/jobs", job("twice-said")).json()
    for path, body in {
        "jobs": b'{"key":"d1","bot":{"id":"100"},"bot":{"id":"200"}}',
        "jobs?new_bots=true": b'{"key":"d1","widget":{"s3cret":1,"s3cret":2}}',
        f"jobs/{taken['job']}/resolve": b'{"found":"absent","found":"created"}',
        "batches": b'{"name":"a","name":"b","jobs":[]}',
    }.items():
        answer = server.post(f"/v1/{path}", body, Content_Type="application/json")
        assert (path, problem(answer)) == (path, "invalid")
        assert "twice" in answer.json()["detail"]
        assert "s3cret" not in answer.text
    put = server.client.put(
        f"/v1/batches/{taken['batch']}/webhook",
        content=b'{"url":"https://a.example","url":"https://b.example"}',
    )
    assert problem(put) == "invalid"


def test_a_token_that_asks_too_fast_is_told_when_to_ask_again(valkey_url: str, tmp_path: Path) -> None:
    with running_server(valkey_url, tmp_path, API_RATE="1/s") as slow:
        answers = [slow.get("/v1/batches/nope") for _ in range(30)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert {answer.status_code for answer in answers} == {404, 429}
        assert len(refused) >= 15
        assert problem(refused[0]) == "too-fast"
        assert int(refused[0].headers["retry-after"]) >= 1


def test_a_full_backlog_takes_no_more(server: Server, valkey_url: str, tmp_path: Path) -> None:
    server.post("/v1/jobs", job("waits"))
    with running_server(valkey_url, tmp_path, token=server.token, API_BACKLOG="1") as full:
        answer = full.post("/v1/jobs", job("late"))
        assert answer.status_code == 503
        assert problem(answer) == "backlog-full"
        assert int(answer.headers["retry-after"]) >= 1
        assert full.client.get("/readyz").status_code == 200  # it can be read, cancelled and followed
        assert full.get("/v1/batches").status_code == 200


def test_bodies_are_read_up_to_a_limit(server: Server, valkey_url: str, tmp_path: Path) -> None:
    assert problem(server.post("/v1/jobs", job("x" * 300_000))) == "too-large"
    with running_server(valkey_url, tmp_path, token=server.token, API_MAX_BODY="2000") as small:
        said = small.post("/v1/batches", csv_of(200), Content_Type="text/csv")
        assert problem(said) == "too-large"

        def silent() -> Iterator[bytes]:
            for _ in range(10):
                yield b"x" * 500

        chunked = small.client.post("/v1/batches", content=silent(), headers={"Content-Type": "text/csv"})
        assert problem(chunked) == "too-large"


def test_a_stopped_server_ends_in_good_order(server: Server, valkey_url: str, tmp_path: Path) -> None:
    with running_server(valkey_url, tmp_path, token=server.token) as other:
        other.process.terminate()
        assert other.process.wait(30) == 0


def test_an_upload_of_known_jobs_alone_makes_a_batch_that_says_where_they_are(server: Server) -> None:
    first = server.post("/v1/batches", {"name": "first-known", "jobs": [job("kn-1"), job("kn-2")]}).json()
    again = server.post("/v1/batches", {"name": "again-known", "jobs": [job("kn-1"), job("kn-2")]})
    taken = again.json()
    assert (again.status_code, taken["accepted"], taken["truncated"]) == (202, 0, False)
    assert taken["batch"] not in ("", first["batch"])
    assert taken["elsewhere"] == {first["batch"]: 2}
    shown = server.client.get(again.headers["Location"]).json()
    assert (shown["settled"], shown["accepted"]) == (True, 0)
    assert shown["settled_at"]
    assert shown["elsewhere"] == {first["batch"]: 2}
    with server.client.stream("GET", f"{again.headers['Location']}/events") as stream:  # and it ends
        assert any("batch.settled" in line for line in stream.iter_lines())


def test_a_refused_request_leaves_its_idempotency_key_for_the_corrected_one(server: Server) -> None:
    wrong = server.post("/v1/jobs", {"key": "idem-422", "bot": {"id": "(1)"}}, Idempotency_Key="corrected")
    assert problem(wrong) == "bad-rows"
    right = server.post("/v1/jobs", job("idem-422"), Idempotency_Key="corrected")
    assert right.status_code == 202, right.text
    other = server.post("/v1/jobs", job("idem-423"), Idempotency_Key="corrected")
    assert problem(other) == "idempotency-key-reused"
