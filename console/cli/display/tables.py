"""Tables without lines, the same everywhere: columns two spaces apart, headed or bare."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as StyledText

from console.cli.language import tr


def listing(
    *columns: str,
    wraps: tuple[str, ...] = (),
    numbers: tuple[str, ...] = (),
    widths: Mapping[str, int] | None = None,
) -> Table:
    """
    A headed table, a thing a line.

    Args:
        columns: their headings in English, each marked to be translated; this translates them.
        wraps: columns that give way where the terminal is narrow; the others stay whole.
        numbers: columns set flush right.
        widths: least width of columns: given to go on with an earlier table, without repeating its head.
    """
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=widths is None
    )
    least = dict.fromkeys(wraps, 8) | dict(widths or {})
    for column in columns:
        table.add_column(
            tr(column) if column else "",
            overflow="fold",
            no_wrap=column not in wraps,
            min_width=least.get(column),
            justify="right" if column in numbers else "left",
        )
    return table


def facts(*, numbers: bool = False) -> Table:
    """A bare table of two or three columns: a word and what it is; or with `numbers`, a count of what."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right" if numbers else "left", style="" if numbers else "dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", style="dim")
    return table


def indented(table: RenderableType) -> Padding:
    """Two columns to the right."""
    return Padding(table, (0, 0, 0, 2))


def show_ways(out: Console, *ways: tuple[str, str], style: str = "") -> None:
    """Commands to go on with, each after what it is for, one below the other."""
    width = max(cell_len(purpose) for purpose, _ in ways)
    for purpose, command in ways:
        out.print(
            StyledText(f"{purpose}{' ' * (width - cell_len(purpose))}  {command}", style), soft_wrap=True
        )
