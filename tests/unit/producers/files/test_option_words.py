"""A hint names the way out of the door in use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import producers.files
from producers.files.option_words import CELERY, HTTP, in_words_of

HERE = Path(producers.files.__file__ or "").parent

OF_ROWS = [
    "body",
    "row_converter",
    "csv_file",
    "defaults",
    "headers",
    "identifiers",
    "jsonl",
    "no_tenant",
    "rows",
    "text",
    "xlsx_file",
]
OF_JSON = ["body", "defaults", "identifiers", "jsonl"]


def options_in(module: str) -> Iterator[str]:
    """The options that texts of a module name, but for its docstrings."""
    tree = ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))
    docs = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in docs and isinstance(node.value, str):
            yield from re.findall(r"--([a-z][a-z-]+)", node.value)


@pytest.mark.parametrize(("door", "modules"), [(HTTP, OF_ROWS), (CELERY, OF_JSON)])
def test_every_option_that_a_hint_of_a_row_names_has_its_word(
    door: Mapping[str, str], modules: list[str]
) -> None:
    named = {option for module in modules for option in options_in(module)}
    assert "as-is" in named
    assert named <= set(door)


@pytest.mark.parametrize(
    ("hint", "http"),
    [
        (
            "say which encoding it is (--encoding), or save it",
            "say which encoding it is (encoding), or save it",
        ),
        ("with --encoding windows-1252 if that is it", "with encoding=windows-1252 if that is it"),
        ("--map a=bot.id --map b=   (passes over)", "map=a=bot.id map=b=   (passes over)"),
        (
            "map another (--map COLUMN=bot.id), or --new-bots",
            "map another (map=COLUMN=bot.id), or new_bots=true",
        ),
        ("--map 'A & B=key'", "map=A%20%26%20B=key"),
        (
            "remove the row; if it is a tenant, say it: --as-is key",
            "remove the row; if it is a tenant, say it: as_is=key",
        ),
        ("say it: --as-is credentials.whiteList", "say it: as_is=credentials.whiteList"),
        ("nothing -- at all", "nothing -- at all"),
    ],
)
def test_options_are_query_parameters_over_http(hint: str, http: str) -> None:
    assert in_words_of(HTTP, hint) == http
