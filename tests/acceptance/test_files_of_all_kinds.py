"""The ways in: standard input, JSON Lines, renamed columns, a theme for all, only the good rows."""

from __future__ import annotations

import gzip
import json

from tests.support.commands import Desk, tenants
from tests.support.sandbox_process import SandboxProcess


def test_rows_from_standard_input(desk: Desk, sandbox: SandboxProcess) -> None:
    content = tenants(desk.folder / "tenants.csv", 200).read_bytes()
    ran = desk.feed(content, "apply", "-", "--name", "piped", "--json")
    assert (ran.code, ran.last["name"], ran.last["accepted"]) == (0, "piped", 200)
    again = desk.feed(content, "apply", "-", "--name", "piped", "--json")
    assert (again.code, sandbox.stats()["posts"]) == (0, 200)


def test_json_lines_gzipped(desk: Desk, sandbox: SandboxProcess) -> None:
    body = {"bot": {"id": "100200300"}, "widget": {"theme": {"position": "br"}}}
    line = json.dumps({"key": "one", "label": "One", **body})
    (desk.folder / "tenants.jsonl.gz").write_bytes(gzip.compress(line.encode() + b"\n"))
    assert desk.run("apply", "tenants.jsonl.gz").code == 0
    assert json.loads(sandbox.last()["body"]) == body


def test_renamed_columns_are_laid_over_a_theme_for_all(desk: Desk, sandbox: SandboxProcess) -> None:
    (desk.folder / "sheet.csv").write_text("tenant;bot;note\nA;100200300;first\n")
    theme = {"widget": {"properties": {"type": "normal"}, "theme": {"position": "br"}}}
    (desk.folder / "theme.json").write_text(json.dumps(theme))
    maps = ("--map", "tenant=key", "--map", "bot=bot.id", "--map", "note=")
    ran = desk.run("apply", "sheet.csv", *maps, "--defaults", "theme.json")
    assert ran.code == 0, ran.err
    assert json.loads(sandbox.last()["body"]) == {"bot": {"id": "100200300"}, **theme}


def test_the_good_rows_alone(desk: Desk, sandbox: SandboxProcess) -> None:
    (desk.folder / "mixed.csv").write_text("key,bot.id\na,100200300\nb,\nc,100200302\n")
    ran = desk.run("apply", "mixed.csv", "--skip-invalid", "--json")
    assert (ran.code, ran.last["accepted"], ran.last["bad_rows"]) == (0, 2, 1)
    assert sandbox.stats()["posts"] == 2


def test_a_plan_says_what_applying_would_do_and_sends_nothing(desk: Desk, sandbox: SandboxProcess) -> None:
    tenants(desk.folder / "tenants.csv", 3)
    assert desk.run("apply", "tenants.csv").code == 0
    tenants(desk.folder / "tenants.csv", 5)
    with (desk.folder / "tenants.csv").open("a") as file:
        file.write("bad,,,normal,#000000\n")
    plan = desk.run("plan", "tenants.csv", "--json", "--out", "errors.csv")
    problem, summary = plan.objects
    assert plan.code == 2
    assert (problem["row"], problem["column"]) == (7, "bot.id")
    assert (summary["rows"], summary["bad_rows"], summary["to_send"]) == (6, 1, 2)
    assert summary["verdicts"]["succeeded"] == 3
    assert "bot.id" in (desk.folder / "errors.csv").read_text()
    assert sandbox.stats()["posts"] == 3
