"""
Rows of a table that are no tenants: totals, comments, headers among the rows.

Pure. A total or a comment that is sent makes a widget that nobody can take back; a tenant that is refused is
named with the way out. So a row with a bot of its own is a tenant, whatever its key says
(docs/decisions/0030-what-cannot-be-an-id.md).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from producers.body import check_bot_id, is_error_value
from producers.cells import OUTCOME_PREFIX, unescape
from producers.fields import FAMILIAR
from producers.identifiers import is_foreign_error
from provisioning.digits import is_whole_number

_TOTAL_WORDS = (
    "total totals totales totais totale totaal subtotal subtotals subtotales subtotais grandtotal grantotal "
    "totalgeneral totalgeral sum suma sumas sumatotal soma somme summe gesamt gesamtsumme σ"
)
_TOTALS = frozenset(_TOTAL_WORDS.split())

COMMENT = "this begins with #: the row is a comment and no tenant"

_REMOVE = "remove the row; if it is a tenant, say it: --as-is key"

_LONGEST_NAME = 80

_DIGIT = re.compile(r"\d")
_BETWEEN = re.compile(r"[\W_]+")


class NoTenant:
    """
    Tells such rows of one table.

    Args:
        headers: as they stand in the file.
        paths: what each of them means; "" where it is passed over.
        as_is: paths whose identifiers are meant as they stand.

    Attributes:
        odd_keys: in lower case, words for a total and headers: a tenant that has one for its key is odd.
    """

    def __init__(self, headers: Sequence[str], paths: Sequence[str], as_is: Collection[str]) -> None:
        self._key = paths.index("key") if "key" in paths else None
        self._bot_id = paths.index("bot.id") if "bot.id" in paths else None
        self._names_of_rows = [column for column, path in enumerate(paths) if path in ("key", "credential")]
        self._names = frozenset(_bare(name) for name in (*headers, *paths)) - {""}
        # A value of a widget may begin with #: a colour does.
        self._comments = tuple(not path.startswith("widget") and path not in as_is for path in paths)
        self._told = {column: name for column, name in enumerate(headers) if name.startswith(OUTCOME_PREFIX)}
        self._any = "key" not in as_is
        self._bots_as_is = "bot.id" in as_is
        self.odd_keys = _TOTALS | self._names if self._any else frozenset()

    def may_be(self, cells: Sequence[str]) -> bool:
        """Whether `why` needs to be asked: not of most rows, whose bot id is a long number."""
        bot = cells[self._bot_id] if self._bot_id is not None else ""
        return len(bot) < 8 or not bot.isdigit() or not cells[0][:1].isalnum()

    def why(self, cells: Sequence[str], row: int) -> tuple[int, str, str] | None:
        """
        The column that shows that a row is no tenant, what it is instead, and the way out; None if it is one.

        Args:
            cells: as many as there are headers.
            row: its number, which no count of the rows above it exceeds.
        """
        if not self._any:
            return None
        # What an outcome file tells an outcome of was a tenant when it came in.
        if any(cells[column].strip() not in ("", name) for column, name in self._told.items()):
            return None
        first = _first(cells)
        if first is None:
            return None
        bot = unescape(cells[self._bot_id]).strip() if self._bot_id is not None else ""
        if self._begins_with_hash(cells, first) and (
            # Written as a remark, or before the name of a row that was to be left out, bot and all.
            first in self._names_of_rows
            or unescape(cells[first]).strip()[1:2].isspace()
            or self._is_no_bot(bot, row)
        ):
            return first, COMMENT, _REMOVE
        if is_whole_number(bot) and len(bot) > len(str(row)):
            return None
        for column in (first, self._key):
            if column is not None and is_total(unescape(cells[column])) and self._is_no_bot(bot, row):
                return column, "this is a total: the row is no tenant", _REMOVE
        if not self._bots_as_is and not is_whole_number(bot):
            repeated = self._repeated(cells, bot)
            if repeated is not None:
                return repeated, "this repeats a header: the row is no tenant", _REMOVE
        return None

    def hash(self, cells: Sequence[str]) -> int | None:
        """The column in which a tenant begins with #, as a comment would; None if it does not."""
        if not self._any or cells[0][:1].isalnum():
            return None
        first = _first(cells)
        return first if first is not None and self._begins_with_hash(cells, first) else None

    def _begins_with_hash(self, cells: Sequence[str], first: int) -> bool:
        text = unescape(cells[first]).strip()
        return (
            text.startswith("#")
            and self._comments[first]
            and not (is_error_value(text) or is_foreign_error(text))
        )

    def _repeated(self, cells: Sequence[str], bot: str) -> int | None:
        """The first cell that repeats a header, where the row is one of headers; None if it is not."""
        if _DIGIT.search(bot) and _bare(bot) not in self._names:
            return None
        filled = 0
        found: dict[str, int] = {}
        certain = False
        for column, cell in enumerate(cells):
            if not cell or cell.isspace():
                continue
            filled += 1
            name = _bare(cell) if len(cell) <= _LONGEST_NAME and cell[0] not in "{[" else ""
            if name in self._names:
                certain = certain or column in (self._key, self._bot_id)
            elif name not in FAMILIAR or name.isdigit():
                continue
            found.setdefault(name, column)
        # Two words of ours in a long row may be values; where most cells are names, it is a row of names.
        if certain or (len(found) > 1 and len(found) * 2 >= filled):
            return min(found.values())
        return None

    def _is_no_bot(self, bot: str, row: int) -> bool:
        """Whether what stands under `bot.id` is nothing, a count of the rows above, or no id at all."""
        if is_whole_number(bot):
            return int(bot) <= row
        return not bot or check_bot_id(bot, as_is=self._bots_as_is) is not None


def _first(cells: Sequence[str]) -> int | None:
    return next((column for column, cell in enumerate(cells) if cell and not cell.isspace()), None)


def is_total(text: str) -> bool:
    """
    Whether a cell says nothing but that its row is a sum.

    >>> [is_total(text) for text in ("TOTAL:", "Sub-total", "Gran total", "Total 12", "Total Energies")]
    [True, True, True, True, False]
    """
    return len(text) <= _LONGEST_NAME and _bare(text).rstrip("0123456789") in _TOTALS


def _bare(text: str) -> str:
    """Letters and digits of a name, in lower case: equal for names that differ in case, spaces or dashes."""
    return _BETWEEN.sub("", text.casefold())
