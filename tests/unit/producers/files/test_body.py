"""The rules that every door shares, and the JSON door itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from producers.files.body import check_body, spreadsheet_damage
from producers.files.jsonl import job_of, read_line
from producers.files.read_options import ReadOptions
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob, fingerprint

DOCUMENTED = {
    "bot": {"id": "100200300"},
    "widget": {
        "properties": {"type": "normal"},
        "theme": {
            "position": "br",
            "status": True,
            "font": {"googlefont": True, "name": "Inter"},
            "vars": {
                "color": {"primary": "#0B5FFF", "secondary": {"r": 1, "g": 2}, "grey": {"200": "#EEF2F6"}}
            },
        },
        "startButton": {"borderPercentage": "50%", "logoUrl": "https://static.example.com/chat.svg"},
        "tooltipPanel": {"backgroundColor": "main", "message": {"title": "Hola\n¿Qué tal?"}},
    },
    "credentials": {"blackList": [], "whiteList": ["example-credential-1"]},
}


def fields(problems: list[InvalidJobError]) -> list[str]:
    return [problem.field for problem in problems]


def test_the_documented_example_has_nothing_wrong() -> None:
    assert check_body(DOCUMENTED) == []


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (5, [""]),
        ({}, ["bot", "widget"]),
        ({"bot": {}, "widget": {}}, ["bot.id"]),
        ({"bot": {"id": ""}, "widget": {}}, ["bot.id"]),
        ({"bot": {"id": 5}, "widget": {}}, ["bot.id"]),
        ({"bot": {"id": None}, "widget": {}}, ["bot.id"]),
        ({"bot": {"id": " 5"}, "widget": {}}, ["bot.id"]),
        ({"bot": None, "widget": []}, ["bot", "widget"]),
        ({"bot": {"id": "1", "name": "x"}, "widget": {}, "extra": 1}, ["extra", "bot.name"]),
        ({"bot": {"id": "1"}, "widget": {}, "widget.x": 1}, ["widget.x"]),
        (
            {"bot": {"id": "1"}, "widget": {"theme": {"status": 1, "font": "Inter"}}},
            ["widget.theme.status", "widget.theme.font"],
        ),
        ({"bot": {"id": "1"}, "widget": {}, "credentials": {"blacKList": []}}, ["credentials.blacKList"]),
        ({"bot": {"id": "1"}, "widget": {}, "credentials": {"whiteList": "a;b"}}, ["credentials.whiteList"]),
        ({"bot": {"id": "1"}, "widget": {"a": [{"b": "\x00"}]}}, ["widget.a.b"]),
    ],
)
def test_every_problem_is_named_by_its_dotted_path(body: Any, where: list[str]) -> None:
    assert sorted(fields(check_body(body))) == sorted(where)


def test_a_name_with_a_dot_is_not_the_path_it_spells() -> None:
    body = {"bot": {"id": "1"}, "widget": {"theme.status": "free", "theme.vars": {"color": 5}}}
    assert check_body(body) == []


def test_a_new_bot_must_be_wanted() -> None:
    assert check_body({"bot": {}, "widget": {}}, new_bots=True) == []


@pytest.mark.parametrize(
    "text", ["1.23457E+11", "1,2E+5", "1e-7", "100.0", "#REF!", "#N/A", "#¿NOMBRE?", "#DIV/0!", "####"]
)
def test_what_spreadsheets_do_to_ids_is_recognised(text: str) -> None:
    assert spreadsheet_damage(text)


@pytest.mark.parametrize(
    "text", ["100200300", "+593987654321", "7E2", "#42", "v1.0", "1.5", "#00677F", "00123", ""]
)
def test_what_merely_looks_odd_is_left_alone(text: str) -> None:
    assert spreadsheet_damage(text) is None


def test_a_json_object_with_its_key_beside_the_body_becomes_a_job() -> None:
    job = read_line(json.dumps({"key": "k", "credential": "acme", "label": "L", **DOCUMENTED}), 7)
    assert isinstance(job, NewJob)
    assert (job.key, job.credential, job.label, job.row) == ("k", "acme", "L", 7)
    assert json.loads(job.body) == DOCUMENTED


def test_without_a_key_the_body_is_the_key() -> None:
    job = job_of(DOCUMENTED)
    assert isinstance(job, NewJob)
    assert job.key == "body-" + fingerprint(DOCUMENTED)[:24]
    assert job.row is None


def test_a_json_object_is_laid_over_the_defaults() -> None:
    job = job_of({"bot": {"id": "1"}}, ReadOptions(defaults={"widget": {"x": 1}}, credential="acme"))
    assert isinstance(job, NewJob)
    assert json.loads(job.body) == {"bot": {"id": "1"}, "widget": {"x": 1}}
    assert job.credential == "acme"


def test_all_problems_of_an_object_are_reported() -> None:
    problems = job_of({"key": "", "credential": "a:b", "label": 5, "bot": {"id": 5}, "widget": {"theme": 1}})
    assert isinstance(problems, list)
    assert sorted(fields(problems)) == ["bot.id", "credential", "key", "label", "widget.theme"]
    assert "a:b" not in " ".join(problem.value + problem.message for problem in problems)


def test_a_number_of_any_size_is_sent_as_it_came() -> None:
    job = read_line('{"bot":{"id":"1"},"widget":{"n":123456789012345678901234567890}}', 1)
    assert isinstance(job, NewJob)
    assert b'"n":123456789012345678901234567890' in job.body
