"""What reaches the API, as the API saw it."""

from __future__ import annotations

import json
from importlib.metadata import version

from tests.support.commands import Desk, tenants
from tests.support.sandbox_process import SandboxProcess

ROW = {
    "key": "cuenca",
    "label": "Joyería Sueños",
    "bot.id": "100200300",
    "widget.theme.status": "true",
    "widget.theme.vars.color.primary": "#E23E48",
    "widget.theme.font.name": "",
    "credentials.whiteList": "a.example;b.example",
}


def test_a_row_becomes_this_request(desk: Desk, sandbox: SandboxProcess) -> None:
    (desk.folder / "one.csv").write_text(f"{','.join(ROW)}\n{','.join(ROW.values())}\n", encoding="utf-8")
    assert desk.run("apply", "one.csv").code == 0
    last = sandbox.last()
    headers = last["headers"]
    assert headers["user-agent"] == f"widget-provisioner/{version('widget-provisioner')}"
    assert headers["authorization"] == "Basic sandbox:***"
    assert headers["content-type"].partition(";")[0] == "application/json"
    assert json.loads(last["body"]) == {
        "bot": {"id": "100200300"},
        "widget": {"theme": {"status": True, "vars": {"color": {"primary": "#E23E48"}}}},
        "credentials": {"whiteList": ["a.example", "b.example"]},
    }
    assert sandbox.stats()["posts"] == 1


def test_connections_are_kept_and_used_again(desk: Desk, sandbox: SandboxProcess) -> None:
    tenants(desk.folder / "tenants.csv", 300)
    assert desk.run("apply", "tenants.csv", MAX_IN_FLIGHT="8").code == 0
    stats = sandbox.stats()
    assert stats["posts"] == 300
    assert stats["connections"] <= 16
    assert stats["peak_in_flight"] <= 8
