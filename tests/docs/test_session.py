"""The session of `docs/how-to/from-200-failed-to-all-created.md`, carried out as it stands."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.embedded.valkey import embedded_valkey
from tests.docs.pages import shown_commands
from tests.docs.test_walkthrough import QUICK, Terminal
from tests.support.repository import ROOT
from tests.support.sandbox_process import SandboxProcess, running_sandbox

PAGE = ROOT / "docs" / "how-to" / "from-200-failed-to-all-created.md"
MORNING, GOOD, UNKNOWN, FORBIDDEN = 10, 40, 150, 40


def _write(path: Path, head: tuple[str, ...], rows: list[tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([head, *rows])


def _files(folder: Path) -> None:
    """Both files of the story, and what the console's export shows: the morning's widgets."""
    morning = [(f"m-{n}", f"{100_300_000 + n}") for n in range(MORNING)]
    _write(folder / "morning.csv", ("key", "bot.id"), morning)
    bots = [100_200_000 + n for n in range(GOOD)]
    bots += [404_200_000 + n for n in range(UNKNOWN)]
    bots += [403_200_000 + n for n in range(FORBIDDEN)]
    _write(folder / "tenants.csv", ("key", "bot.id"), [(f"t-{n}", f"{bot}") for n, bot in enumerate(bots)])
    _write(folder / "export.csv", ("bot.id", "widget"), [(bot, f"w-{key}") for key, bot in morning])


def _mend(path: Path) -> None:
    """Puts the right bots in, as a person would: the number was right, its beginning was not."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    bot = header.index("bot.id")
    for row in rows:
        row[bot] = {"404": "102", "403": "101"}[row[bot][:3]] + row[bot][3:]
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    """An API that behaves, until it is told otherwise."""
    with running_sandbox("--seed", "7") as sandbox:
        sandbox.post_faults({"latency": "0"})
        yield sandbox


@pytest.fixture
def terminal(tmp_path: Path, sandbox: SandboxProcess) -> Iterator[Terminal]:
    """A terminal in a folder with the files of the story."""
    _files(tmp_path)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PROVISION_")}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    environ |= {"PYTHONPATH": str(ROOT), "COLUMNS": "110", "PROVISION_API_URL": sandbox.url, **QUICK}
    environ |= {"PROVISION_CLIENT_ID": "sandbox", "PROVISION_CLIENT_SECRET": "sandbox"}
    with embedded_valkey(tmp_path / ".provision"):
        yield Terminal(tmp_path, environ)


def test_the_session_goes_as_the_page_says(terminal: Terminal, sandbox: SandboxProcess) -> None:
    morning, *others = shown_commands(PAGE)
    sandbox.post_faults({"close-after-create": 1, "latency": "0"})
    terminal.follow(morning)
    sandbox.post_faults({"latency": "0"})
    for shown in others:
        terminal.follow(shown)
        if shown.words[0] == "cp":
            _mend(terminal.folder / "mended.csv")

    [status] = map(json.loads, terminal.type("provision status tenants --json").splitlines())
    assert (status["states"]["succeeded"], status["accepted"]) == (240, 240)
    stats = sandbox.stats()
    assert (stats["widgets"], stats["bodies_created_twice"]) == (240, 0)
    acts = [json.loads(line) for line in terminal.type("provision audit --json --limit 0").splitlines()]
    assert [act["act"] for act in acts] == ["reconcile", *["resolve"] * MORNING]
    causes = terminal.type("provision dead-letters tenants")
    assert causes == "nothing is dead\n"
