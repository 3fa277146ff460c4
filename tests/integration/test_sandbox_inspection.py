"""The views behind the curtain, and the levers."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator

import pytest

from tests.support.sandbox_process import CREATE, SandboxProcess, basic, running_sandbox

BODY = {"bot": {"id": "1"}, "widget": {}}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with running_sandbox("--client", "a:x", "--client", "b:x") as running:
        yield running


@pytest.fixture(autouse=True)
def _afresh(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"latency": "0"})
    sandbox.reset()


def test_the_stats_start_at_nothing_and_have_these_members(sandbox: SandboxProcess) -> None:
    assert sandbox.stats() == {
        "posts": 0, "widgets": 0, "bots_created": 0, "bodies_created_twice": 0, "misspelt_lists": 0,
        "in_flight": 0, "peak_in_flight": 0, "connections": 0, "statuses": {}, "faults": {},
        "authorizations": {},
    }  # fmt: skip


def test_every_post_is_counted_by_the_client_it_claims_to_be(sandbox: SandboxProcess) -> None:
    sandbox.create(BODY, ("a", "x"))
    sandbox.create(BODY, ("a", "wrong"))
    sandbox.create(BODY, ("b", "x"))
    sandbox.request("POST", CREATE)
    stats = sandbox.stats()
    assert stats["authorizations"] == {"a": 2, "b": 1, "(none)": 1}
    assert (stats["posts"], stats["statuses"]) == (4, {"200": 2, "401": 2})


def test_a_connection_that_is_used_again_counts_once(sandbox: SandboxProcess) -> None:
    connection = http.client.HTTPConnection(*sandbox.address)
    headers = {"Content-Type": "application/json", "Authorization": basic("a", "x")}
    for n in range(3):
        connection.request("POST", CREATE, json.dumps({**BODY, "n": n}), headers)
        connection.getresponse().read()
    connection.close()
    sandbox.create(BODY, ("a", "x"))
    assert sandbox.stats()["connections"] == 2


def test_the_listing_pairs_each_widget_with_the_digest_of_its_body(sandbox: SandboxProcess) -> None:
    key = sandbox.create(BODY, ("a", "x")).json()["data"]["ApiKey"]
    sandbox.create(BODY, ("a", "x"))
    name = hashlib.sha256(json.dumps(BODY).encode()).hexdigest()[:32]
    listing = sandbox.widgets()
    assert (listing["total"], listing["bodies"]) == (2, {name: 2})
    assert listing["widgets"][0] == {"body": name, "widget": key["widgetId"], "key": key["key"]}
    twice = sandbox.request("GET", "/_sandbox/widgets?twice=1").json()
    assert twice == {"bodies": {name: 2}}


def test_the_listing_can_be_paged(sandbox: SandboxProcess) -> None:
    for n in range(5):
        sandbox.create({**BODY, "n": n}, ("a", "x"))
    page = sandbox.request("GET", "/_sandbox/widgets?offset=3&limit=10").json()
    assert (page["total"], [row["widget"] for row in page["widgets"]]) == (5, ["w-000004", "w-000005"])
    assert sandbox.request("GET", "/_sandbox/widgets?offset=-1").status == 400


def test_arrivals_add_up_by_second_and_one_by_one(sandbox: SandboxProcess) -> None:
    for client in ("a", "a", "b"):
        sandbox.create(BODY, (client, "x"))
    by_second = sandbox.arrivals()
    assert sum(count for _, count in by_second["overall"]) == 3
    assert {name: sum(n for _, n in rows) for name, rows in by_second["clients"].items()} == {"a": 2, "b": 1}
    one_by_one = sandbox.arrivals(raw=True)["arrivals"]
    assert [name for _, name in one_by_one] == ["a", "a", "b"]
    assert [at for at, _ in one_by_one] == sorted(at for at, _ in one_by_one)


def test_the_last_request_is_shown_as_it_came_without_its_secret(sandbox: SandboxProcess) -> None:
    headers = {
        "Authorization": basic("a", "hush-hush"),
        "Content-Type": "application/json",
        "User-Agent": "test/1",
    }
    sandbox.request("POST", CREATE, b'{"bot" : {}}', headers)
    last = sandbox.last()
    assert last["body"] == '{"bot" : {}}'
    assert last["headers"]["authorization"] == "Basic a:***"
    assert last["headers"]["user-agent"] == "test/1"
    assert "hush" not in json.dumps(last)


def test_faults_are_replaced_while_running(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"error-500": 1})
    assert sandbox.create(BODY, ("a", "x")).status == 500
    sandbox.post_faults({"error-503": "1:2"})
    reply = sandbox.create(BODY, ("a", "x"))
    assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
    sandbox.post_faults({})
    assert sandbox.create(BODY, ("a", "x")).status == 200


def test_a_scenario_brings_its_faults_and_its_latency(sandbox: SandboxProcess) -> None:
    in_force = sandbox.post_faults({"scenario": "rough", "error-500": 0.5, "limit": "300/m"})
    assert in_force["scenario"] == "rough"
    assert in_force["latency"] == "0.01-0.05"
    assert in_force["limit"] == "5/s"
    assert in_force["faults"] == {"error-500": "0.5", "error-422": "0.02"}
    assert sandbox.post_faults({"limit": None, "latency": "0"})["limit"] is None


@pytest.mark.parametrize(
    "faults",
    [
        {"nope": 1},
        {"error-500": 2},
        {"error-500": None},
        {"scenario": "x"},
        {"scenario": []},
        {"latency": -1},
    ],
)
def test_a_lever_that_does_not_exist_changes_nothing(
    sandbox: SandboxProcess, faults: dict[str, object]
) -> None:
    before = sandbox.post_faults({"error-422": 0.25})
    assert sandbox.request("POST", "/_sandbox/faults", json.dumps(faults).encode()).status == 400
    assert sandbox.request("GET", "/_sandbox/faults").json() == before


def test_a_reset_forgets_widgets_and_keeps_faults(sandbox: SandboxProcess) -> None:
    sandbox.create(BODY, ("a", "x"))
    sandbox.post_faults({"error-500": 1})
    sandbox.reset()
    assert (sandbox.stats()["posts"], sandbox.stats()["widgets"], sandbox.widgets()["total"]) == (0, 0, 0)
    assert sandbox.create(BODY, ("a", "x")).status == 500
