"""
Every hint about a file is followed as a person would: typed into a shell, for the command in use.

Then the problem is gone, or another one is named. A hint that leads back to itself is worse than none.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

import console.cli.app  # noqa: F401 - puts the commands into `cli`
from console.cli.file_options import read_options
from console.cli.shell import cli
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.printable import printable_lines
from tests.fixtures.make_nasty_files import HEAD, NASTY, Nasty
from tests.fixtures.workbook import workbook

COMMANDS = typer.main.get_command(cli).commands  # type: ignore[attr-defined]


def _headers(*names: str) -> bytes:
    return (",".join(f'"{name}"' if set(name) & set(",\n") else name for name in names) + "\n").encode()


OWN = (
    Nasty("equals.csv", _headers("a=b", "bot.id") + b"x,100\n"),
    Nasty("equals-and-more.csv", _headers("=", "==", "x=y=z", "bot.id") + b"x,x,x,100\n"),
    Nasty("quotes.csv", _headers("l'enseigne", "$HOME", "`id`", "a b", "--x", "bot.id") + b"x,x,x,x,x,100\n"),
    Nasty("meant.csv", _headers("Nombre", "bot_id", "clave") + b"x,100,a\n"),
    Nasty("two-that-mean-one.csv", _headers("nombre", "tienda", "bot_id") + b"x,y,100\n"),
    Nasty("three-that-mean-bots.csv", _headers("id", "bot", "n.º de bot", "name") + b"1,100,2,x\n"),
    Nasty("meant-and-there.csv", _headers("bot.id", "bot", "key") + b"100,1,a\n"),
    Nasty("no-bots-equals.csv", _headers("a=b", "key") + b"100,a\n"),
    Nasty("no-bots-accents.csv", _headers("Número", "key") + b"100,a\n"),
    Nasty(
        "no-bots-passed-over.csv", _headers("Número", "key") + b"100,a\n", options={"maps": {"Número": ""}}
    ),
    Nasty("no-bots-several.csv", _headers("Número", "Nómero", "clave") + b"100,200,a\n"),
    Nasty("given-twice.csv", _headers("bot.id", "bot.id", "key") + b"100,100,a\n"),
    Nasty("invisible.csv", _headers("bot\u00a0id", "key\u200b", "bot.id") + b"1,a,100\n"),
    Nasty("over-two-lines.csv", _headers("un\ncampo", "bot.id") + b"x,100\n"),
    Nasty("an-odd-id.csv", b"key,bot.id\na,NULL\n"),
    Nasty("no-bot.csv", b"key,label\na,x\n"),
    Nasty("no-bot-id.csv", b"key,bot.id\na,\n"),
    Nasty("an-odd-sheet.xlsx", workbook([("key", "bot.id"), ("a", "1")], cover="L'année")),
    Nasty("a-stray-byte.csv", (HEAD + "a,ñ,1\n").encode() + b"b,\xf1,2\n"),
    Nasty("a-mapping-twice.csv", b"x,y,bot.id\n1,2,100\n", options={"maps": {"x": "key", "y": "key"}}),
)
CASES = (*NASTY, *OWN)

TAKES_NO_VALUE = ("--new-bots", "--skip-invalid")


def told(path: Path, options: ReadOptions) -> list[InvalidInputError]:
    """All that is said against a file."""
    found: list[InvalidInputError] = []
    try:
        with Reading(path, options) as reading:
            found += [item for item in reading if isinstance(item, InvalidJobError)]
    except InvalidInputError as error:
        found.append(error)
    return found


def ways_out(hint: str) -> Iterator[list[str]]:
    """The options of a hint, each run of them as one; as a shell takes them from the terminal."""
    shown = printable_lines(hint)
    assert shown == hint, "what is shown is not what would have to be typed"
    at = 0
    while found := re.compile(r"(?<![\w'-])--[a-z]").search(hint, at):
        at = found.end()
        if re.search(r"(?:leave|omit|whatever) $", hint[: found.start()]):
            continue
        rest = io.StringIO(hint[found.start() :])
        lexer = shlex.shlex(rest, posix=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        words = [(lexer.get_token() or "").rstrip(".,;)")]
        if words[0] not in TAKES_NO_VALUE:
            words.append((lexer.get_token() or "").rstrip(",;)"))
        at = found.start() + rest.tell()
        yield words


def runs(hint: str) -> Iterator[list[str]]:
    """The options of a hint that are typed together: one way out each where new bots are another."""
    for way in re.split(r"[;,] ", hint) if "--new-bots" in hint else [hint]:
        if words := [word for words in ways_out(way) for word in words]:
            yield words


def followed(options: ReadOptions, words: list[str], command: str) -> ReadOptions:
    """The options with those of a hint, understood as the command understands them."""
    context = COMMANDS[command].make_context(command, ["FILE", *words])
    given: dict[str, Any] = context.params
    typed = read_options(
        given["maps"],
        None,
        given["credential"],
        given["new_bots"],
        given["separator"],
        given["delimiter"],
        given["encoding"],
        given["format_"],
        None,
        given["as_is"],
        given["sheet"],
    )
    return replace(
        options,
        maps={**options.maps, **typed.maps},
        new_bots=options.new_bots or typed.new_bots,
        encoding=typed.encoding or options.encoding,
        format=typed.format or options.format,
        delimiter=typed.delimiter or options.delimiter,
        sheet=typed.sheet or options.sheet,
        as_is=frozenset(options.as_is) | frozenset(typed.as_is),
    )


@pytest.mark.parametrize("command", ["plan", "apply"])
@pytest.mark.parametrize("nasty", CASES, ids=lambda nasty: nasty.name)
def test_a_hint_that_is_followed_leads_on(nasty: Nasty, command: str, tmp_path: Path) -> None:
    path = tmp_path / nasty.name
    path.write_bytes(nasty.content)
    options = ReadOptions(**nasty.options)
    for before in told(path, options)[:5]:
        column = (
            "label" if b"label" in nasty.content else nasty.content.decode(errors="replace").split(",")[0]
        )
        for words in runs(before.hint):
            words = [word.replace("COLUMN", column) for word in words]
            after = [
                (each.message, getattr(each, "row", None))
                for each in told(path, followed(options, words, command))
            ]
            assert (before.message, getattr(before, "row", None)) not in after, (words, before.hint)
        for option, without in (
            ("--format", replace(options, format=None)),
            ("--encoding", replace(options, encoding=None)),
            ("--sheet", replace(options, sheet=None)),
        ):
            if re.search(rf"(?:leave|omit) {option}", before.hint):
                assert before.message not in [each.message for each in told(path, without)]


def test_every_option_that_a_hint_names_is_tried() -> None:
    """So that this test does not pass because it finds nothing to try."""
    assert list(ways_out("say so: --encoding gb18030")) == [["--encoding", "gb18030"]]
    assert list(ways_out("--map 'a=b=' --map x=y   (a mapping to nothing)")) == [
        ["--map", "a=b="],
        ["--map", "x=y"],
    ]
    assert list(ways_out("the sheet 'A b' does: --sheet 'A b'")) == [["--sheet", "A b"]]
    assert list(ways_out("leave --format out")) == []


@pytest.mark.parametrize("name", ["a=b", "Número", "=", "l'enseigne", "x=y=z", "--x"])
@pytest.mark.parametrize("over", [False, True])
def test_the_one_column_that_may_hold_the_bots_is_never_just_passed_over(
    name: str, over: bool, tmp_path: Path
) -> None:
    path = tmp_path / "tenants.csv"
    path.write_bytes(_headers(name, "key") + b"100,a\n")
    options = ReadOptions(maps={name: ""} if over else {})
    [before] = told(path, options)
    bots, new = runs(before.hint)
    assert told(path, followed(options, bots, "plan")) == []
    assert told(path, followed(options, new, "plan")) == []
