"""
What the cells of a sheet show, by their type and style.

Source: ECMA-376 part 1, §18.3.1.4 (cells) and §18.18.11 (their types).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from producers.files.cell_kinds import CellKind
from producers.files.number_format import NumberFormat
from producers.files.package import Texts, unescaped
from provisioning.text import Text

_EXACT_DIGITS = 15

_OFTEN = 1024
"""How many of the shared texts are kept as they are; what is often repeated mostly comes early."""


class LackingError(Exception):
    """A cell names what is not there."""

    def __init__(self, part: Text) -> None:
        super().__init__(str(part))
        self.part = part


class CellValues:
    """
    The values of a workbook's cells.

    Args:
        texts: the shared texts, read when the first cell asks for one.
        formats: how cells are shown, by style.
        since_1904: whether days are counted from 1904.
        to_be_computed: whether the file says that it was not computed.

    Raises: LackingError where a cell names a text or style that the file lacks.
    """

    def __init__(
        self,
        texts: Callable[[], Texts],
        formats: Sequence[NumberFormat],
        *,
        since_1904: bool = False,
        to_be_computed: bool = False,
    ) -> None:
        self._load_texts = texts
        self._texts: Texts | None = None
        self._often: dict[str, str] = {}
        self._formats = formats
        self._since_1904 = since_1904
        self._to_be_computed = to_be_computed

    def shown(self, raw: str, form: str, style: str | None, *, formula: bool) -> tuple[str, CellKind | None]:
        """What a cell shows and, if that is no text and no whole number, what it holds."""
        if not formula:
            return self._value(raw, form, style)
        if not raw and form != "str":
            return "", CellKind.UNCOMPUTED
        text, kind = self._value(raw, form, style)
        if raw == "0" and kind is not CellKind.ERROR:
            kind = CellKind.UNCOMPUTED if self._to_be_computed else CellKind.ZERO
        return text, kind

    def _value(self, raw: str, form: str, style: str | None) -> tuple[str, CellKind | None]:
        match form:
            case "n":
                return self._number_of(raw, self._format(style))
            case "s" | "str" | "inlineStr":
                text = self.text(raw) if form == "s" else unescaped(raw)
                return self._format(style).text(text) if style else (text, None)
            case "b":
                return ("true" if raw.strip() in ("1", "true") else "false"), CellKind.BOOLEAN
            case "d":
                return raw, CellKind.DATE
            case "e":
                return raw, CellKind.ERROR
            case _:
                return raw, CellKind.BROKEN

    def text(self, place: str) -> str:
        """A shared text, by its place in the table."""
        if (text := self._often.get(place)) is not None:
            return text
        if self._texts is None:
            self._texts = self._load_texts()
        if not (place.isdigit() and place.isascii()) or int(place) >= len(self._texts):
            raise LackingError(Text("text"))
        text = self._texts[int(place)]
        if len(self._often) < _OFTEN and len(text) < _OFTEN:
            self._often[place] = text
        return text

    def _number_of(self, raw: str, shown: NumberFormat) -> tuple[str, CellKind | None]:
        if shown.plain and len(raw) <= _EXACT_DIGITS and raw.isascii() and raw.isdigit() and raw[0] != "0":
            return raw, None
        try:
            number = float(raw)
            if not -1e308 < number < 1e308 or "_" in raw:
                return raw, CellKind.BROKEN
        except ValueError:
            return raw, CellKind.BROKEN
        return shown.number(number, since_1904=self._since_1904)

    def _format(self, style: str | None) -> NumberFormat:
        place = int(style) if style else 0
        if not 0 <= place < len(self._formats):
            raise LackingError(Text("style"))
        return self._formats[place]
