"""The sandbox as a command: what it prints, when it leaves, and how it complains."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.faults import FAULTS
from sandbox.scenarios import SCENARIOS
from tests.support.repository import ROOT
from tests.support.sandbox_process import CREATE, basic, running_sandbox

PAGE = ROOT / "docs/reference/sandbox.md"


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_says_where_it_is_and_writes_it_down(tmp_path: Path) -> None:
    ready = tmp_path / "url"
    with running_sandbox("--scenario", "demo", "--seed", "7", "--ready-file", str(ready)) as sandbox:
        assert ready.read_text(encoding="utf-8").strip() == sandbox.url
        assert sandbox.url.startswith("http://127.0.0.1:")
        assert sandbox.stats()["posts"] == 0
        in_force = sandbox.request("GET", "/_sandbox/faults").json()
        assert (in_force["scenario"], in_force["seed"]) == ("demo", 7)


def test_what_is_asked_for_stands_above_what_the_scenario_brings() -> None:
    with running_sandbox("--scenario", "rough", "--latency", "0", "--fault", "error-422=0.5") as sandbox:
        in_force = sandbox.request("GET", "/_sandbox/faults").json()
    assert in_force["latency"] == "0"
    assert in_force["faults"] == {"error-500": "0.1", "error-422": "0.5"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leaves_at_once_with_requests_in_flight(number: signal.Signals) -> None:
    body = json.dumps({"bot": {}, "widget": {}})
    request = (
        f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: {basic('sandbox', 'sandbox')}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    with (
        running_sandbox("--fault", "stall-after-create=1:60") as sandbox,
        socket.create_connection(sandbox.address) as connection,
    ):
        connection.sendall(request.encode())
        while not sandbox.stats()["in_flight"]:
            pass
        began = time.monotonic()
        sandbox.process.send_signal(number)
        assert sandbox.process.wait(10) == 0
        assert time.monotonic() - began < 1
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--fault", "error-999=0.1"], "no fault 'error-999'"),
        (["--fault", "error-500=7"], "between 0 and 1"),
        (["--scenario", "storm"], "no scenario 'storm'"),
        (["--latency", "soon"], "latency 'soon'"),
        (["--limit", "5"], "limit '5'"),
        (["--client", "sandbox"], "ID:SECRET"),
        (["--port", "70000"], "no port"),
        (["--sed", "7"], "unrecognized arguments"),
    ],
)
def test_bad_options_are_one_clear_line_and_exit_2(args: list[str], complaint: str) -> None:
    left = run(*args)
    assert left.returncode == 2
    assert left.stdout == ""
    assert complaint in left.stderr
    assert left.stderr.count("\n") == 1


def test_a_credential_is_not_repeated_in_a_complaint() -> None:
    assert "hush" not in run("--client", ":hush").stderr


def test_a_taken_port_is_one_clear_line_and_exit_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        left = run("--port", str(taken.getsockname()[1]))
    assert (left.returncode, left.stdout, left.stderr.count("\n")) == (1, "", 1)
    assert "cannot serve on 127.0.0.1" in left.stderr


def test_the_list_and_the_page_name_every_fault_and_scenario() -> None:
    listed, page = run("--list").stdout, PAGE.read_text(encoding="utf-8")
    for name in (*FAULTS, *SCENARIOS):
        assert f"  {name} " in listed
        assert f"| `{name}` |" in page


def test_the_page_says_of_each_fault_what_the_code_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for fault in FAULTS.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{fault.name}` |"))
        assert fault.meaning in row
        assert fault.takes in row
        assert f"| {fault.stage} |" in row
