"""
What a workbook's cell holds besides text and whole numbers, and which columns may hold it.

Pure. A cell of such a kind is either shown as it is read, or it is a problem that names the cell.
"""

from __future__ import annotations

from enum import Enum, auto

from producers.files.fields import FIELDS, Kind
from provisioning.text import AnyText, Text

_AS_TEXT = Text("format the column as text and enter the value again")
_COMPUTE = Text("open the workbook in a spreadsheet and save it, or replace the formula by its value")
_IDENTIFIERS = frozenset(["key", "credential", "bot.id"])


class CellKind(Enum):
    """What is in a cell that holds neither text nor a whole number with all of its digits."""

    DATE = auto()
    """A date or time that each country's spreadsheet shows in its own way."""
    DAY = auto()
    """A date that is read as every spreadsheet shows it."""
    BOOLEAN = auto()
    ERROR = auto()
    PERCENTAGE = auto()
    LOCAL = auto()
    """A number shown with decimals or thousands, which each country's spreadsheet writes in its own way."""
    FORMATTED = auto()
    """Its format shows something else than it holds, and is not followed here."""
    ROUNDED = auto()
    """A number of more than 15 digits."""
    UNCOMPUTED = auto()
    """A formula without a saved result."""
    ZERO = auto()
    """A formula whose saved result is 0, as programs write that do not compute."""
    BROKEN = auto()
    """No value of the type that the file claims."""


def problem_of(kind: CellKind, path: str) -> tuple[AnyText, AnyText] | None:
    """
    What is wrong with a cell of this kind in the column of this path, and the way out; None if nothing is.

    Args:
        path: the column's; "" for one that is passed over.
    """
    if not path:
        return None
    identifier = path in _IDENTIFIERS or FIELDS.get(path) is Kind.LIST
    match kind:
        case CellKind.ERROR:
            return Text("holds a spreadsheet's error value"), Text(
                "fix the formula, or enter the value as text"
            )
        case CellKind.UNCOMPUTED:
            return Text("is a formula without a saved result"), _COMPUTE
        case CellKind.BROKEN:
            return Text("holds no value of the type it claims"), _AS_TEXT
        case CellKind.ROUNDED:
            return (
                Text("is a number of more than 15 digits, in scientific notation: digits have been lost"),
                _AS_TEXT,
            )
        case CellKind.DATE:
            return Text("is a date or time, not text"), _AS_TEXT
        case CellKind.LOCAL:
            return (
                Text("is a number with decimals or thousands, which each country writes in its own way"),
                Text("{as_text}, or give whole numbers the format 0", as_text=_AS_TEXT),
            )
        case CellKind.FORMATTED:
            return (
                Text("is displayed in an unsupported number format"),
                Text("{as_text}, or give whole numbers the format 0", as_text=_AS_TEXT),
            )
        case CellKind.BOOLEAN if FIELDS.get(path) is not Kind.FLAG:
            return Text("is a truth value (TRUE or FALSE), not text"), _AS_TEXT
        case CellKind.ZERO if identifier:
            return Text("is a formula whose saved result is 0: it may never have been computed"), _COMPUTE
        case CellKind.DAY if identifier:
            return Text("is a date, not text"), _AS_TEXT
        case CellKind.PERCENTAGE if identifier:
            return Text("is a percentage, not text"), _AS_TEXT
    return None
