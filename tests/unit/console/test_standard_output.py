"""Standard output: for people without padding, for programs in UTF-8, and with its own misfortunes."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.table import Table

from console.standard_output import PlainConsole, ReaderGone, emit, writing
from provisioning.errors import InvalidInputError


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
