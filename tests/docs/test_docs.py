"""The documentation keeps its word: commands, settings, fields, links and words are those of the program."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

import console.cli.app  # puts every verb into `cli`
from console.cli.shell import cli
from outcomes.story import story_json, story_of
from provisioning.attempt import Attempt, Evidence, Outcome, Result
from provisioning.config.settings import PREFIX, Settings
from provisioning.health.probe import parser as health_parser
from provisioning.learned_rate import LearnedRate
from provisioning.ledger import Hold, Ledger, Outage, SendingLimit, WorkerSign, schema, transitions
from provisioning.lifecycle import Event
from sandbox.__main__ import parser as sandbox_parser
from tests.docs.pages import PAGES, Shown, headings, shown_commands, table_words
from tests.support.ledger_fixtures import LEASE, TARGET, Clock, answer, claim, fill, new_job, say, send
from tests.support.repository import ROOT

REFERENCE = ROOT / "docs" / "reference"

COMMANDS = [shown for page in PAGES for shown in shown_commands(page)]
WORKER_OPTIONS = {"--name", "--log-level"}
OF_APPLY = ("verdicts", "bad_rows", "lost", "seconds", "files")
SHELL = {
    ".",
    "export",
    "unset",
    "cp",
    "celery",
    "python",
    "curl",
    *("cd", "chmod", "echo", "install", "openssl", "python3", "redis-cli", "systemctl"),
    *("docker", "kubectl", "pip", "/opt/provision/bin/pip", "/opt/provision/bin/provision"),
}
"""Beginnings of lines that are no command of ours."""


def _make_reference() -> Any:
    loader = SourceFileLoader("make_reference", str(ROOT / "script" / "make-reference"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def _group() -> Any:
    assert console.cli.app.VERBS
    return typer.main.get_command(cli)


# --- Commands ---


@pytest.mark.parametrize("shown", COMMANDS, ids=str)
def test_every_command_shown_exists_with_these_options(shown: Shown) -> None:
    words = shown.words
    if not words:
        return  # a comment
    if words[0] == "provision":
        _parse(words[1], words[2:])
    elif words[0].startswith("script/"):
        assert os.access(ROOT / words[0], os.X_OK)
    else:
        assert words[0] in SHELL


def _parse(verb: str, arguments: list[str]) -> None:
    command = _group().commands[verb]
    if verb == "sandbox":
        sandbox_parser().parse_args(arguments)
    elif verb == "health":
        health_parser().parse_args(arguments)
    elif verb == "worker":
        assert {word for word in arguments if word.startswith("--")} <= WORKER_OPTIONS
    else:
        command.make_context(verb, list(arguments))


def test_every_verb_is_documented() -> None:
    assert set(_group().commands) <= set(headings(REFERENCE / "commands.md"))


def test_every_setting_is_documented() -> None:
    named = set(table_words(REFERENCE / "settings.md"))
    assert named == {PREFIX + name.upper() for name in Settings.model_fields}


def test_no_page_names_a_setting_that_does_not_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"\bPROVISION_([A-Z_]+)\b", page.read_text(encoding="utf-8")):
            assert name.lower() in Settings.model_fields, f"{page}: {PREFIX}{name}"


def test_the_pages_made_from_the_code_are_up_to_date() -> None:
    assert list(_make_reference().stale()) == [], "run script/make-reference"


# --- Links and words ---


def _links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in link:
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in {_slug(heading) for heading in headings(target)}, link


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in _links(index)}
    assert {page for page in (ROOT / "docs").rglob("*.md") if page != index} <= linked


def test_the_glossary_gives_each_word_one_meaning_in_alphabetical_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| \*\*([^*]+)\*\* \|", text, re.MULTILINE)
    assert words == sorted(set(words))


def test_the_glossary_has_the_words_of_the_code() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    wanted = """attempt batch bounds claim credential decision defer evidence identity intent job
        key lease ledger notification outcome reason redrive resolve state token"""
    for word in wanted.split():
        assert f"| **{word}** |" in text, word


# --- Places in the code that pages name ---


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_of_ours_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:\w+/)+[\w.-]+\.(?:py|lua))`", text):
        rooms = (ROOT, ROOT / "provisioning", ROOT / "provisioning" / "ledger")
        assert any((room / name).exists() for room in rooms), name
    for name in re.findall(r"`(\w+\.lua)`", text):
        assert (ROOT / "provisioning" / "ledger" / "lua" / name).exists(), name


def test_every_function_of_the_tour_is_in_the_file_that_it_names() -> None:
    text = (ROOT / "docs" / "explanation" / "tour.md").read_text(encoding="utf-8")
    pairs = re.findall(r"`([\w.]+)`(?: and `[\w.]+`)?(?:\s\(| in\s)`(\w+/[\w/]+\.py)`", text)
    assert len(pairs) >= 10
    for name, path in pairs:
        source = (ROOT / path).read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"(?:def|class) {part}\b", source), f"{name} in {path}"


# --- The ledger ---


async def _live(ledger: Ledger) -> None:
    """A life of many events: every kind of key and field is written once."""
    extra = {"source": "f.csv", "by": "ana"}
    await ledger.do(transitions.open_batch("b1", "b1", extra))
    full = msgspec.structs.replace(new_job("full"), row=2, label="a shop")
    names = ("dead", "doubt", "again", "late", "deferred", "cancelled", "called_off")
    await fill(ledger, full, *(new_job(name) for name in names))
    jobs = {job.key: job for job in await claim(ledger)}
    for key in ("full", "dead", "doubt", "again", "late", "called_off"):
        assert await send(ledger, jobs[key])
    await ledger.operations.cancel("b1", "ana", credential="nobody's")
    await ledger.do(transitions.cancel("b1", 7, 8, "ana"))
    await say(
        ledger,
        answer(jobs["full"], Event.CREATED),
        answer(jobs["dead"], Event.REJECTED),
        answer(jobs["doubt"], Event.DOUBTED),
        answer(jobs["again"], Event.RETRY_DUE, next_delay=1.0),
    )
    await ledger.do(transitions.deferred("b1", [_deferral(jobs["deferred"])]))


def _deferral(job: Any) -> Any:
    from provisioning.ledger import Deferral

    return Deferral(job.number, job.token, 60.0, "shutdown")


async def _lapse(ledger: Ledger, clock: Clock) -> None:
    """What was being sent and never answered is rescued, resolved, redriven, and answered late."""
    clock.advance(LEASE + 1)
    await ledger.do(transitions.rescue("b1", on_in_doubt="hold"))
    await ledger.operations.resolve("b1", 3, created=True, actor="ana", result=Result(widget_id="w"))
    await ledger.do(transitions.redrive("b1", [2], "ana"))
    hold = Hold(scope=f"target:{TARGET}", at=clock.now, by="w1", why="down", kind="brake")
    await ledger.do(transitions.hold(hold))


@pytest.fixture
async def lived(ledger: Ledger, clock: Clock) -> Any:
    """The Redis of a ledger that has seen much."""
    await _live(ledger)
    await _lapse(ledger, clock)
    return ledger.redis


async def test_every_field_of_a_batch_that_the_ledger_writes_is_documented(lived: Any) -> None:
    batch = set(table_words(REFERENCE / "ledger.md", under="The batch"))
    written = {field.decode() for field in await lived.hkeys("pv:{b1}")}
    assert written <= batch


def test_every_field_documented_is_written_by_a_script() -> None:
    lua = "\n".join(path.read_text() for path in (ROOT / "provisioning" / "ledger" / "lua").glob("*.lua"))
    states = {"queued", "claimed", "sending", "succeeded", "dead", "in_doubt", "cancelled"}
    given = {"source", "sha256", "by"}  # by `checking.check`, as the batch's meta
    for name in table_words(REFERENCE / "ledger.md", under="The batch"):
        if name not in states | given:
            assert re.search(rf"""['"]{name.partition(":")[0]}\b""", lua), name


async def test_every_key_the_ledger_writes_is_documented(lived: Any) -> None:
    patterns = [re.compile(_pattern(key)) for key in table_words(REFERENCE / "ledger.md", under="Keys")]
    for key in await lived.keys("*"):
        assert any(pattern.fullmatch(key.decode()) for pattern in patterns), key


def _pattern(key: str) -> str:
    if key.startswith(":"):
        key = "pv:{B}" + key
    return (
        re.escape(key)
        .replace(r"\{B\}", r"\{\w+\}")
        .replace(":N", r":\d+")
        .replace(":C", ":.+")
        .replace(":SCOPE", ":.+")
    )


def _places(heading: str) -> tuple[str, ...]:
    """The names of a table of places, in order."""
    section = (
        (REFERENCE / "ledger.md").read_text(encoding="utf-8").split(f"\n## {heading}")[1].split("\n## ")[0]
    )
    rows = [line.split(" | ")[1] for line in section.splitlines() if re.match(r"\| \d", line)]
    return tuple(name for row in rows for name in re.findall(r"`(\w+)`", row))


def test_the_places_of_a_job_an_attempt_and_a_widget_are_documented() -> None:
    assert _places("A job") == tuple(schema.JOB)
    assert _places("The history of a job") == tuple(schema.ATTEMPT)
    assert set(schema.ATTEMPT) == set(Attempt.__struct_fields__)
    assert _places("The widget of a job") == Result.__struct_fields__


def test_the_numbers_of_words_are_documented() -> None:
    text = (REFERENCE / "ledger.md").read_text(encoding="utf-8").replace("\n", " ")
    assert ", ".join(f"{number} {word}" for number, word in enumerate(schema.WORDS, 1)) in text


def test_the_members_of_a_hold_are_documented() -> None:
    page = REFERENCE / "ledger.md"
    assert set(Hold.__struct_fields__) == set(table_words(page, under="JSON in `pv:holds`"))


def test_the_members_of_a_learned_rate_and_of_a_sign_of_life_are_documented() -> None:
    page = REFERENCE / "ledger.md"
    assert set(LearnedRate.__struct_fields__) == set(table_words(page, under="JSON in `pv:learned`"))
    assert set(WorkerSign.__struct_fields__) == set(table_words(page, under="JSON in `pv:workers:signs`"))
    text = page.read_text(encoding="utf-8")
    assert all(f"`{member}`" in text for member in Outage.__struct_fields__)


# --- JSON ---


def test_the_members_of_what_limits_sending_are_documented() -> None:
    page = REFERENCE / "json.md"
    assert set(SendingLimit.__struct_fields__) == set(table_words(page, under="What limits sending"))


async def test_the_members_of_a_batch_and_a_job_are_documented(ledger: Ledger) -> None:
    await _live(ledger)
    page = REFERENCE / "json.md"
    status = await ledger.queries.status("b1")
    assert set(status.public()) == set(table_words(page, under="A batch")) - set(OF_APPLY)
    job = (await ledger.queries.job("b1.1")).public()
    assert set(job) == set(table_words(page, under="A job"))
    story = story_json(await story_of(ledger, await ledger.queries.job("b1.1")))
    assert set(story) - set(job) == set(table_words(page, under="The history of one job"))
    sentence = re.search(r"^An attempt: (.*)\.$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sentence is not None
    assert set(job["attempts"][0]) == set(re.findall(r"`(\w+)`", sentence[1]))


def test_the_outcomes_and_evidence_that_the_ledger_knows_are_documented() -> None:
    text = (REFERENCE / "ledger.md").read_text(encoding="utf-8")
    assert all(outcome in text for outcome in Outcome)
    assert all(evidence in text for evidence in Evidence)
