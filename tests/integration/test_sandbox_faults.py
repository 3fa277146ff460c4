"""What a client sees on the wire of each misbehaviour, and what exists afterwards."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.faults import FAULTS
from tests.support.sandbox_process import CREATE, SandboxProcess, basic, running_sandbox

BODY = {"bot": {"id": "1"}, "widget": {}}
SHORT = {"stall-after-create": "1:0.05", "slow-body": "1:0.05"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with running_sandbox("--seed", "7") as running:
        yield running


@pytest.fixture(autouse=True)
def _afresh(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"latency": "0", "limit": None})
    sandbox.reset()


def raw_request() -> bytes:
    body = json.dumps(BODY).encode()
    head = (
        f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: {basic('sandbox', 'sandbox')}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def raw_answer(sandbox: SandboxProcess) -> bytes:
    """Every byte that comes back on a connection of its own."""
    received = b""
    with socket.create_connection(sandbox.address, timeout=20) as connection:
        connection.sendall(raw_request())
        while piece := connection.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize("name", FAULTS)
def test_a_widget_exists_exactly_if_the_fault_says_so(sandbox: SandboxProcess, name: str) -> None:
    sandbox.post_faults({name: SHORT.get(name, 1)})
    try:
        status = str(sandbox.create(BODY).status)
    except http.client.IncompleteRead:
        status = "200"
    except (OSError, http.client.HTTPException):
        status = "none"
    stats = sandbox.stats()
    assert stats["widgets"] == int(FAULTS[name].creates)
    assert stats["faults"] == {name: 1}
    assert stats["statuses"] == {status: 1}
    assert stats["in_flight"] == 0


@pytest.mark.parametrize("name", ["reset-before", "reset-after-create"])
def test_a_reset_is_a_reset(sandbox: SandboxProcess, name: str) -> None:
    sandbox.post_faults({name: 1})
    with pytest.raises(ConnectionResetError):
        raw_answer(sandbox)


@pytest.mark.parametrize("name", ["close-after-create", "stall-after-create"])
def test_a_close_is_orderly_and_says_nothing(sandbox: SandboxProcess, name: str) -> None:
    sandbox.post_faults({name: SHORT.get(name, 1)})
    assert raw_answer(sandbox) == b""


def test_half_a_status_line_is_all_there_is(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"half-status-line": 1})
    assert raw_answer(sandbox) == b"HTTP/1.1 2"


def test_a_truncated_answer_promises_more_than_it_holds(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"truncated": 1})
    with pytest.raises(http.client.IncompleteRead) as caught:
        sandbox.create(BODY)
    assert caught.value.partial.startswith(b'{"message"')
    assert caught.value.expected


def test_a_slow_body_is_the_whole_truth_in_the_end(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"slow-body": "1:0.05"})
    assert sandbox.create(BODY).json()["data"]["ApiKey"]["key"] == sandbox.widgets()["widgets"][0]["key"]


def test_a_client_that_gives_up_gets_its_widget_made_all_the_same(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"latency": "0.15"})
    with socket.create_connection(sandbox.address) as connection:
        connection.sendall(raw_request())
        while not sandbox.stats()["in_flight"]:
            pass
    while sandbox.stats()["in_flight"]:
        pass
    assert sandbox.stats()["widgets"] == 1


def test_half_a_request_makes_nothing(sandbox: SandboxProcess) -> None:
    with socket.create_connection(sandbox.address) as connection:
        connection.sendall(raw_request()[:-1])
        while not sandbox.stats()["in_flight"]:
            pass
    while sandbox.stats()["in_flight"]:
        pass
    assert sandbox.stats()["widgets"] == 0


def test_at_the_door_even_wrong_credentials_meet_the_outage(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"scenario": "outage"})
    assert sandbox.create(BODY, ("sandbox", "wrong")).status == 503


def test_at_work_a_refused_request_is_refused_and_not_befallen(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"error-500": 1, "reset-after-create": 1})
    assert sandbox.create(BODY, ("sandbox", "wrong")).status == 401
    assert sandbox.create({"bot": {"id": "404"}, "widget": {}}).status == 404


def test_concurrent_runs_with_one_seed_repeat_each_other(sandbox: SandboxProcess) -> None:
    in_force = {"error-500": 0.3, "error-422": 0.1, "latency": "0-0.004"}
    bodies: list[dict[str, object]] = [{"bot": {"id": str(n)}, "widget": {}} for n in range(60)]

    def statuses(order: list[dict[str, object]]) -> dict[str, list[int]]:
        sandbox.reset()
        with ThreadPoolExecutor(8) as pool:
            first = list(pool.map(lambda body: sandbox.create(body).status, order))
            again = list(pool.map(lambda body: sandbox.create(body).status, order))
        return {str(body["bot"]): [one, two] for body, one, two in zip(order, first, again, strict=True)}

    sandbox.post_faults(in_force)
    run = statuses([*bodies])
    assert run == statuses([*reversed(bodies)])
    assert {status for pair in run.values() for status in pair} == {200, 422, 500}


def test_the_limit_is_per_credential_and_names_the_wait() -> None:
    with running_sandbox("--limit", "2/m", "--client", "a:x", "--client", "b:x") as sandbox:
        assert sandbox.create(BODY, ("a", "x")).status == 200
        refused = sandbox.create(BODY, ("a", "x"))
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) in (29, 30)
        assert sandbox.create(BODY, ("b", "x")).status == 200
        assert sandbox.stats()["widgets"] == 2
