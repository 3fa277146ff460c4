"""The walkthroughs of the documentation, carried out as they stand, print what they are said to print."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioning.embedded.valkey import embedded_valkey
from tests.docs.pages import Shown, block, shown_commands, table_words
from tests.support import forking
from tests.support.repository import ROOT
from tests.support.sandbox_process import running_sandbox

QUICKSTART = ROOT / "docs" / "quickstart.md"
APPLY = ROOT / "docs" / "how-to" / "apply-a-file.md"
DOUBTS = ROOT / "docs" / "how-to" / "settle-doubts.md"
REFERENCE = ROOT / "docs" / "reference"

QUICK = {"PROVISION_BACKOFF_BASE": "0.01", "PROVISION_RETRY_AFTER_CAP": "0.05"}
UNPACED = {"PROVISION_RATE": "unlimited"}
"""Laid over what the pages set: how long it takes depends on it, and nothing else."""

VARYING = (
    (r"\bb[2-9a-hj-np-z]{7}\b", "BATCH"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "DAY"),
    (r"\b[A-Z][a-z]{2} \d\d \d\d:\d\d", "DAY"),
    (r"\b\d\d:\d\d:\d\d\b", "TIME"),
    (r"\b[\d.]+ (s|min \d+ s)\b", "SECONDS"),
    (r" · [\d,]+ jobs/s", ""),
    (r" at (5|60)/s per credential", ""),
)
"""What differs from run to run, and what stands for it."""


def _even(text: str) -> str:
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return " ".join(text.split())


@dataclass
class Terminal:
    """A person at a terminal: a folder, an environment, and commands typed one after the other."""

    folder: Path
    environ: dict[str, str]
    batch: str = ""

    def type(self, line: str, *, code: int | None = None) -> str:
        """Runs a line of a page and returns what it prints; the page's id of a batch becomes ours."""
        words = shlex.split(re.sub(r"\bb[2-9a-hj-np-z]{7}\b", self.batch, line))
        environ = self.environ | (UNPACED if "apply" in words else {})
        program = shutil.which(words[0], path=environ["PATH"])
        assert program is not None, f"there is no {words[0]}"
        if words[0] == "provision":
            done = forking.run(program, words[1:], cwd=self.folder, env=environ, seconds=60)
        else:
            done = subprocess.run(
                [program, *words[1:]], cwd=self.folder, env=environ, capture_output=True, timeout=60
            )
        assert done.returncode in ({0, 2, 3} if code is None else {code}), done.stderr.decode()
        return done.stdout.decode()

    def follow(self, shown: Shown) -> None:
        """Runs a command of a page; every line of output that the page shows must be there, in that order."""
        printed = [_even(line) for line in self.type(shown.line).splitlines()]
        at = 0
        for line in filter(None, map(_even, shown.output)):
            if line == "…":
                continue
            rest = printed[at:]
            assert line in rest, f"{shown}: {line!r} is not in {rest}"
            at += rest.index(line) + 1


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in a folder with the examples, beside the sandbox that the quickstart starts."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "examples", folder / "examples")
    [sandbox] = [shown for shown in shown_commands(QUICKSTART) if "sandbox" in shown.words]
    with (
        running_sandbox(*sandbox.words[2:]) as api,
        embedded_valkey(folder / ".provision"),  # kept running, so that commands start at once
    ):
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PROVISION_")}
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
        environ |= {"PYTHONPATH": str(ROOT), "COLUMNS": "110"}
        yield Terminal(folder, environ | _exports(QUICKSTART) | QUICK | {"PROVISION_API_URL": api.url})


def _exports(page: Path) -> dict[str, str]:
    """What the page exports before its last section, which is about the real API."""
    found: dict[str, str] = {}
    for shown in shown_commands(page):
        if shown.words[0] == "export" and not shown.heading.startswith("6."):
            found |= dict(word.split("=", 1) for word in shown.words[1:])
    return found


def _commands(page: Path, *headings: str) -> list[Shown]:
    chosen = [shown for shown in shown_commands(page) if shown.heading.startswith(headings)]
    assert chosen, f"{page} has no commands under {headings}"
    return [shown for shown in chosen if shown.words[0] != "export"]


def test_the_walkthroughs_go_as_the_pages_say(terminal: Terminal) -> None:
    for shown in _commands(QUICKSTART, "3.", "4.", "5."):
        terminal.follow(shown)
    terminal.batch = json.loads(terminal.type("provision status tenants --json"))["batch"]

    copy, mended, dry_run, redrive, again = _commands(APPLY, "Fix and apply again")
    terminal.follow(copy)
    _mend(terminal.folder / "mended.csv")
    terminal.follow(mended)
    terminal.follow(dry_run)

    for shown in _commands(DOUBTS, "List them", "What each one means"):
        terminal.follow(shown)
    _check_outcome_files(terminal)
    for shown in _commands(DOUBTS, "Record what you found"):
        terminal.follow(shown)

    terminal.follow(redrive)
    terminal.follow(again)
    states = json.loads(terminal.type("provision status tenants --json"))["states"]
    assert states["in_doubt"] == states["queued"] == 0


def _mend(path: Path) -> None:
    """Gives the first row another bot, as a person would; the other cells stay as they are."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    rows[0][header.index("bot.id")] = "100200559"
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


def _check_outcome_files(terminal: Terminal) -> None:
    page = REFERENCE / "outcome-files.md"
    folder = terminal.folder / "tenants.outcomes"
    documented = table_words(page, under="Columns")
    only_created = documented[documented.index("outcome.widget_id") :]
    names = table_words(page, under="Outcome files")
    assert sorted([*names, "manifest.json"]) == sorted(path.name for path in folder.iterdir())
    for name in names:
        with (folder / name).open(encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream))
        columns = [column for column in header if column.startswith("outcome.")]
        assert columns == (documented if name == "created.csv" else documented[: -len(only_created)])
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert list(manifest) == table_words(page, under="`manifest.json`")


def test_the_small_file_of_the_how_to_is_planned_as_it_says(terminal: Terminal) -> None:
    (terminal.folder / "tenants.csv").write_text(block(APPLY, "csv"), encoding="utf-8")
    shutil.copy(ROOT / "examples" / "theme.json", terminal.folder)
    paced = Terminal(terminal.folder, terminal.environ | {"PROVISION_RATE": "5/s"})
    for shown in _commands(APPLY, "The columns", "Plan"):
        paced.follow(shown)


def test_what_plan_prints_for_programs_is_documented(terminal: Terminal) -> None:
    *problems, plan = map(
        json.loads, terminal.type("provision plan examples/tenants.csv --json").splitlines()
    )
    page = REFERENCE / "json.md"
    assert list(plan) == table_words(page, under="A plan")
    sentence = re.search(r"an object for each problem: (.*?)\. Last", page.read_text(encoding="utf-8"))
    assert sentence is not None
    assert all(list(problem) == re.findall(r"`(\w+)`", sentence[1]) for problem in problems)


def test_what_apply_prints_for_programs_is_documented(terminal: Terminal) -> None:
    (terminal.folder / "one.csv").write_text("key,bot.id\none,100200399\n", encoding="utf-8")
    *events, last = map(json.loads, terminal.type("provision apply one.csv --json", code=0).splitlines())
    page = REFERENCE / "json.md"
    assert set(last) == set(table_words(page, under="A batch"))
    assert {event["event"] for event in events} <= set(table_words(page, under="Events"))
