"""
One service's token against everything of another's: every route and verb of the OpenAPI document, and Celery.

A route that is new is in the document, and so in this matrix; what it needs to be called stands in `SAMPLES`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.app import described
from producers.celery_intake import take_in
from producers.submit import submit
from provisioning.config.settings import Settings
from provisioning.job import Verdict
from provisioning.ledger import Ledger, refused_messages
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event
from tests.integration.test_celery_intake import Silent
from tests.support.http_server import Server, job, running_server
from tests.support.ledger_fixtures import answer, claim, new_job, say, send, snapshot

ALL = [scope for scope in Scope if scope is not Scope.METRICS]
MARK = "tenant-of-crm"
"""Stands in every key of the other service: where it is read, something has leaked."""

SAMPLES: dict[str, Any] = {
    "POST /v1/jobs": job(MARK),
    "POST /v1/batches": {"name": "june", "jobs": [job(MARK)]},
    "PUT /v1/batches/{batch}/webhook": {"url": "https://shop.example/"},
    "PUT /v1/jobs/{job}/webhook": {"url": "https://shop.example/"},
    "PUT /v1/webhook": {"url": f"https://{MARK}.example/"},
    "POST /v1/jobs/{job}/resolve": {"found": "absent"},
    "PUT /v1/credentials/{credential}/pace": {"pace": "7/s"},
}
"""Bodies of the operations that need one."""

QUERIES = {"POST /v1/batches/{batch}/bulk-acts": "?act=redrive"}
"""Queries of the operations that need one."""

OPEN = {"GET /healthz", "GET /readyz", "GET /metrics", "GET /v1/workers"}
"""Operations that show nothing of a single owner's, or need a token for that alone."""

OPERATIONS = [
    f"{method.upper()} {path}" for path, methods in described()["paths"].items() for method in methods
]
OF_SOMETHING = [each for each in OPERATIONS if "{batch}" in each or "{job}" in each]
OF_A_BULK_ACT = [each for each in OPERATIONS if "{bulk_act}" in each]
OF_THE_OWNER = [each for each in OPERATIONS if each.partition(" ")[2].startswith("/v1/webhook")]
SHARED = [each for each in OPERATIONS if "{credential}" in each]
"""Operations on what all owners share: to be changed only with a token that sees all."""

OF_NOTHING = [each for each in OPERATIONS if "{" not in each and each not in (*OPEN, *OF_THE_OWNER)]


@dataclass
class Two:
    """A server, and what the service `crm` has there: a batch `june`, a single job, a webhook on each."""

    client: httpx.Client
    ledger: Ledger
    tokens: dict[str, str]
    batch: str
    jobs: list[str]

    def ask(self, who: str, operation: str, **named: str) -> httpx.Response:
        """Carries an operation out with that token."""
        method, _, path = operation.partition(" ")
        for name, value in named.items():
            path = path.replace(f"{{{name}}}", value)
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        path += QUERIES.get(operation, "")
        return self.client.request(method, path, json=SAMPLES.get(operation), headers=headers)

    async def kept(self) -> dict[str, Any]:
        """All that the ledger holds, but for what requests cost; the broker's keys are not the ledger's."""
        found = await snapshot(self.ledger.redis)
        return {
            name: value
            for name, value in found.items()
            if name.startswith("pv:") and not name.startswith("pv:pace:token:")
        }


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path_factory.mktemp("owners")) as server:
        yield server


@pytest.fixture
async def two(server: Server, ledger: Ledger) -> Two:
    tokens = {}
    for owner in ("crm", "shop"):
        tokens[owner] = (await ledger.tokens.create(owner, ALL, owner=owner))[1]
    tokens["operator"] = (await ledger.tokens.create("operator", ALL, all_owners=True))[1]
    jobs = [new_job(f"{MARK}-{n}") for n in range(3)]
    june = await submit(ledger, jobs, name="june", actor="crm", owner="crm", notify=lambda _: None)
    dead, doubted, *_ = await claim(ledger, 2, batch=june.batch)
    for each, event in ((dead, Event.REJECTED), (doubted, Event.DOUBTED)):
        await send(ledger, each)
        await say(ledger, answer(each, event), batch=june.batch)
    found = Two(server.client, ledger, tokens, june.batch, [f"{june.batch}.2"])
    one = found.ask("crm", "POST /v1/jobs")
    assert one.status_code == 202, one.text
    found.jobs.append(str(one.json()["job"]))
    assert found.ask("crm", "POST /v1/batches/{batch}/bulk-acts", batch=june.batch).status_code == 202
    for operation in ("PUT /v1/batches/{batch}/webhook", "PUT /v1/jobs/{job}/webhook", "PUT /v1/webhook"):
        assert found.ask("crm", operation, batch=june.batch, job=found.jobs[1]).status_code == 200
    await refused_messages.keep(
        ledger, task="t1", batch=MARK, reason=MARK, message={}, owner="crm", keys=[MARK]
    )
    return found


async def test_no_operation_on_a_thing_of_another_owners_finds_it_or_changes_anything(two: Two) -> None:
    before = await two.kept()
    for operation in OF_SOMETHING:
        for batch in (two.batch, "june", "crm%2Fjune", "single"):
            for job_id in two.jobs if "{job}" in operation else two.jobs[:1]:
                named = {"batch": batch, "job": job_id, "file": "failed.csv", "delivery": "msg_x_1-0"}
                answered = two.ask("shop", operation, **named)
                assert answered.status_code == 404, (operation, batch, answered.text)
                assert MARK not in answered.text
    assert await two.kept() == before


async def test_no_operation_on_a_bulk_act_of_another_owners_finds_it_or_changes_it(two: Two) -> None:
    [act] = two.ask("crm", "GET /v1/bulk-acts").json()["bulk_acts"]
    for operation in OF_A_BULK_ACT:
        assert two.ask("shop", operation, bulk_act=act["id"]).status_code == 404, operation
    listed = two.client.get("/v1/bulk-acts", headers={"Authorization": f"Bearer {two.tokens['shop']}"})
    assert listed.json() == {"bulk_acts": []}


async def test_no_operation_on_its_own_webhook_leads_to_another_owners(two: Two) -> None:
    [delivery] = [each for each in OF_THE_OWNER if "{delivery}" in each]
    before = await two.kept()
    for operation in OF_THE_OWNER:
        if not operation.startswith("PUT "):
            answered = two.ask("shop", operation, delivery="msg_x_1-0")
            assert answered.status_code == 404, (operation, answered.text)
            assert MARK not in answered.text
    assert await two.kept() == before
    assert two.ask("crm", "GET /v1/webhook").json()["url"] == f"https://{MARK}.example/"
    put = two.client.put(
        "/v1/webhook",
        json={"url": "https://shop.example/"},
        headers={"Authorization": f"Bearer {two.tokens['shop']}"},
    )
    assert put.json()["owner"] == "shop"
    assert two.ask("shop", "GET /v1/webhook/deliveries").json() == {"owner": "shop", "deliveries": []}
    assert two.ask("shop", delivery, delivery="msg_x_1-0").status_code == 404
    assert two.ask("crm", "GET /v1/webhook").json()["url"] == f"https://{MARK}.example/"
    assert two.ask("shop", "DELETE /v1/webhook").status_code == 204
    assert two.ask("crm", "GET /v1/webhook").status_code == 200


async def test_no_list_shows_a_thing_of_another_owners(two: Two) -> None:
    for operation in OF_NOTHING:
        if operation.startswith("GET "):
            for query in ("", "?owner=shop", f"?key={MARK}*"):
                method, _, path = operation.partition(" ")
                headers = {"Authorization": f"Bearer {two.tokens['shop']}"}
                text = two.client.request(method, path + query, headers=headers).text
                assert MARK not in text, operation
                assert two.batch not in text, operation
                mine = two.client.get(path, headers={"Authorization": f"Bearer {two.tokens['crm']}"})
                assert MARK in mine.text or two.batch in mine.text or "key" in mine.text, operation
    asked = two.client.get("/v1/batches?owner=crm", headers={"Authorization": f"Bearer {two.tokens['shop']}"})
    assert asked.status_code == 403


async def test_what_all_owners_share_is_shown_to_each_and_changed_only_for_all(two: Two) -> None:
    """Every operation on a credential, by every kind of token."""
    kinds = {
        "reads": ([Scope.READ], False),
        "operates": ([Scope.OPERATE], False),
        "reads all": ([Scope.READ], True),
        "operates all": ([Scope.OPERATE], True),
    }
    for who, (granted, all_owners) in kinds.items():
        name = who.replace(" ", "-")
        _, two.tokens[who] = await two.ledger.tokens.create(
            name, granted, owner="shop", all_owners=all_owners
        )
    changes = [each for each in SHARED if not each.startswith("GET ")]
    assert len(changes) == 4
    before = await two.kept()
    for who in ("crm", "shop", "reads", "operates", "reads all"):
        for operation in changes:
            refused = two.ask(who, operation, credential="acme")
            assert refused.status_code == 403, (who, operation, refused.text)
            if Scope.OPERATE in kinds.get(who, ([Scope.OPERATE],))[0]:
                assert "shared by all owners" in refused.json()["detail"]
                assert "--all-owners" in refused.json()["hint"]
    assert await two.kept() == before
    for operation in changes:
        assert two.ask("operates all", operation, credential="acme").status_code in (200, 204), operation
    acts = [(act.act, act.by, act.on) async for act in two.ledger.queries.audit(4)]
    assert sorted(act for act, _, _ in acts) == ["pace", "pace", "pause", "resume"]
    assert {each[1:] for each in acts} == {("operates-all", "credential:acme")}
    for who, status in (("crm", 200), ("reads", 200), ("reads all", 200), ("operates", 403)):
        for operation in ("GET /v1/credentials/{credential}/pace", "GET /v1/workers"):
            assert two.ask(who, operation, credential="acme").status_code == status, (who, operation)


async def test_the_audit_of_an_owner_has_its_own_acts_and_those_on_what_all_share(two: Two) -> None:
    note = two.ledger.operations.note
    await note("pause", actor="eva", on="credential:acme")
    await note("purge", actor="eva", on="all")
    await note("token", actor="eva", on="token:crm")
    await note("pause", actor="eva", on="batch:bgone777")
    shared = {"credential:acme", "all"}
    crm = {"owner:crm", f"batch:{two.batch}", f"job:{two.jobs[1]}"}
    seen = {
        who: {each["on"] for each in two.ask(who, "GET /v1/audit").json()["acts"]}
        for who in ("crm", "shop", "operator")
    }
    assert seen["crm"] == crm | shared
    assert seen["shop"] == shared
    assert seen["operator"] == crm | shared | {"token:crm", "batch:bgone777"}


async def test_the_same_key_and_name_are_another_job_and_batch(two: Two) -> None:
    before = {each: await two.ledger.queries.job(each) for each in two.jobs}
    status = await two.ledger.queries.status(two.batch)
    posts = [each for each in OF_NOTHING if each.startswith("POST ")]
    for operation in posts:
        assert operation in SAMPLES, f"{operation} is new: give it a body here"
        answered = two.ask("shop", operation)
        assert answered.status_code == 202, answered.text
        assert answered.json()["batch"] != two.batch
    assert {each: await two.ledger.queries.job(each) for each in two.jobs} == before
    assert await two.ledger.queries.status(two.batch) == status
    found = [each async for each in two.ledger.queries.find(MARK)]
    assert len(found) == 2
    shops = {each.job_id async for each in two.ledger.queries.find(MARK, owner="shop")}
    assert shops.isdisjoint(two.jobs)


async def test_an_idempotency_key_is_the_owners(two: Two, valkey_url: str) -> None:
    second = (await two.ledger.tokens.create("crm-2", ALL, owner="crm"))[1]
    answers = []
    for token in (two.tokens["crm"], second, two.tokens["shop"]):
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k1"}
        answers.append(two.client.post("/v1/jobs", json=job("new"), headers=headers))
    assert [each.status_code for each in answers] == [202, 202, 202]
    replayed = [each.headers.get("Idempotent-Replayed") for each in answers]
    assert replayed == [None, "true", None]
    assert answers[0].json() == answers[1].json() != answers[2].json()


async def test_the_figures_of_all_owners_are_not_for_one_of_them(two: Two) -> None:
    """A token of an owner reads them only with the scope for it."""
    status = {who: two.ask(who, "GET /metrics").status_code for who in ("crm", "operator")}
    assert status == {"crm": 403, "operator": 200}
    _, token = await two.ledger.tokens.create("scraper", [Scope.METRICS], owner="crm")
    two.tokens["scraper"] = token
    assert two.ask("scraper", "GET /metrics").status_code == 200


async def test_a_token_for_all_owners_finds_everything(two: Two) -> None:
    for operation in OF_SOMETHING:
        if operation.startswith("GET ") and not operation.endswith("/events"):  # a stream does not end
            for job_id in two.jobs[1:] if "webhook" in operation else two.jobs:
                answered = two.ask("operator", operation, batch=two.batch, job=job_id, file="failed.csv")
                assert answered.status_code == 200, (operation, answered.text)
    headers = {"Authorization": f"Bearer {two.tokens['operator']}"}
    for query, seen in (("", True), ("?owner=crm", True), ("?owner=shop", False)):
        listed = two.client.get("/v1/batches" + query, headers=headers).json()["batches"]
        assert (two.batch in [each["batch"] for each in listed]) is seen
        assert {each["owner"] for each in listed} <= {"crm", "default"}


async def test_a_name_is_one_of_the_tokens_own_owner_also_if_it_sees_all(two: Two) -> None:
    """Or it would pause another's batch that is called as its own is."""
    mine = two.ask("shop", "POST /v1/batches").json()["batch"]
    _, two.tokens["shop-operator"] = await two.ledger.tokens.create(
        "shop-operator", ALL, owner="shop", all_owners=True
    )
    for name, found in (("june", mine), (mine, mine), (two.batch, two.batch)):
        shown = two.ask("shop-operator", "GET /v1/batches/{batch}", batch=name)
        assert shown.json()["batch"] == found
    await submit(
        two.ledger, [new_job("d1")], name="july", actor="ana", owner="default", notify=lambda _: None
    )
    assert two.ask("shop-operator", "POST /v1/batches/{batch}/pause", batch="july").status_code == 404
    assert two.ask("operator", "GET /v1/batches/{batch}", batch="july").status_code == 200


async def test_refused_messages_of_others_do_not_crowd_out_ones_own(two: Two) -> None:
    for n in range(150):
        await refused_messages.keep(
            two.ledger, task=f"s{n}", batch="x", reason="bad", message={}, owner="shop"
        )
    assert len(two.ask("shop", "GET /v1/refused-messages").json()["messages"]) == 100
    assert [each["keys"] for each in two.ask("crm", "GET /v1/refused-messages").json()["messages"]] == [
        [MARK]
    ]


@pytest.mark.parametrize("owner", ["CRM", "crm ", "", 5, None, ["crm"]])
async def test_a_refused_message_whose_owner_nobody_can_be_is_shown_to_operators_alone(
    two: Two, owner: object
) -> None:
    """A service that misspells its own name does not have its tenants shown to another."""
    await two.ledger.redis.delete("pv:intake:dead")
    await take_in(two.ledger, "task-1", (), {"jobs": [job(MARK)], "owner": owner}, Silent())
    two.tokens["default"] = (await two.ledger.tokens.create("default", ALL))[1]
    shown = {
        who: two.ask(who, "GET /v1/refused-messages").json()["messages"]
        for who in ("crm", "shop", "default", "operator")
    }
    [message] = shown.pop("operator")
    assert message["keys"] == [MARK]
    assert not any(shown.values()), shown


async def test_celery_messages_are_of_the_owners_that_the_workers_allow(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {each: await two.ledger.queries.job(each) for each in two.jobs}
    message = {"jobs": [job(MARK)], "batch": "june", "idempotency_key": "k1"}
    settings = Settings.from_env({"PROVISION_CELERY_OWNERS": "default,shop"})
    monkeypatch.setattr("producers.celery_intake._settings", lambda: settings)
    for owner in ("crm", "shop", "default"):
        await take_in(two.ledger, f"task-{owner}", (), {**message, "owner": owner}, Silent())
    assert {each: await two.ledger.queries.job(each) for each in two.jobs} == before
    verdicts = {
        owner: (await two.ledger.queries.verdicts([new_job(MARK, "default")], owner=owner))[0]
        for owner in ("shop", "default", "other")
    }
    assert verdicts["other"] is Verdict.NEW
    assert Verdict.NEW not in (verdicts["shop"], verdicts["default"])
    [refused, *_] = await refused_messages.read(two.ledger)
    assert (refused["owner"], refused["keys"]) == ("crm", [MARK])
    assert "PROVISION_CELERY_OWNERS" in refused["reason"]
    headers = {"Authorization": f"Bearer {two.tokens['shop']}"}
    assert json.loads(two.client.get("/v1/refused-messages", headers=headers).text) == {"messages": []}
