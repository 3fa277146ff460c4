"""Standard output: for people without padding, for programs in UTF-8, and with its own misfortunes."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from console.cli.display.standard_output import PlainConsole, ReaderGone, emit, writing
from console.cli.display.tables import indented
from provisioning.errors import InvalidInputError
from provisioning.printable import is_shown, printable_json


def test_off_a_terminal_lines_are_neither_folded_nor_padded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it
    table = Table("name", "value", box=None)
    table.add_row("short", "x" * 200)
    table.add_row("b", "[not markup]")
    PlainConsole().print(table)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "x" * 200 in lines[1]
    assert all(line == line.rstrip() for line in lines)
    assert lines[2].endswith("[not markup]")


def test_json_is_utf_8_whatever_the_terminal_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii", errors="replace"))
    emit({"label": "Joyería 日本"})
    assert raw.getvalue().decode() == '{"label":"Joyería 日本"}\n'


@pytest.mark.parametrize(
    ("error", "raised"),
    [(BrokenPipeError(32, "Broken pipe"), ReaderGone), (OSError(28, "No space left"), InvalidInputError)],
)
def test_what_befalls_a_write_is_not_taken_for_a_redis_that_is_away(
    error: OSError, raised: type[Exception]
) -> None:
    def write(*_: Any) -> None:
        raise error

    with pytest.raises(raised), writing():
        write()


HOSTILE = "\x1b]0;gone\x07\x1b[2J\x9b31m\u202ecod\u2066\x7f\x00\r\u2028"


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [io.TextIOWrapper, Terminal])
def test_nobodys_text_can_steer_a_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: type[io.TextIOWrapper]
) -> None:
    raw = io.BytesIO()
    stream = terminal(raw, encoding="utf-8")
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    table = Table(HOSTILE, title=HOSTILE, box=None)
    table.add_row(HOSTILE)
    table.add_row(Text(HOSTILE, style="red"))
    out = PlainConsole()
    for each in (HOSTILE, table, Text(HOSTILE), indented(table)):
        out.print(each)
    stream.flush()
    shown = re.sub(r"\x1b\[[0-9;]*m", "", raw.getvalue().decode())  # our own styles
    assert all(char.isprintable() for char in shown.replace("\n", ""))
    assert "gone" in shown


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_holds_nothing_that_would_not_print_and_is_the_same_value(value: Any) -> None:
    document = printable_json(msgspec.json.encode(value).decode())
    assert is_shown(document)
    assert json.loads(document) == value
