"""
Rows of a table that are no tenants: totals, comments, headers among the rows.

Pure. A total or a comment that is sent makes a widget that nobody can take back; a tenant that is refused is
named with the way out. So a row with a bot of its own is a tenant, whatever its key says; the sum of the bot
ids above is no bot (docs/decisions/0030-what-cannot-be-an-id.md).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from producers.files.body import check_bot_id, is_error_value
from producers.files.cells import OUTCOME_PREFIX, unescape
from producers.files.fields import FAMILIAR
from producers.files.identifiers import is_foreign_error
from producers.files.sums_above import SumsAbove
from provisioning.digits import is_whole_number
from provisioning.text import Text

_TOTAL_WORDS = (
    "total totals totales totais totale totaal subtotal subtotals subtotales subtotais grandtotal grantotal "
    "totalgeneral totalgeral sum suma sumas sumatotal soma somme summe gesamt gesamtsumme σ "
    "count counta cuenta recuento conteo contagem contar cantidad quantidade recuentogeneral cuentageneral "
    "average avg promedio promediogeneral média mean min minimum minimo mínimo max maximum maximo máximo"
)
_TOTALS = frozenset(_TOTAL_WORDS.split())

_KIND_WORDS = (
    "string text texto cadena number numeric numero número numérico numérica integer int entero inteiro "
    "boolean bool booleano lógico varchar required optional mandatory obligatorio obligatoria requerido "
    "opcional obrigatório obrigatória"
)
_KINDS = frozenset(_KIND_WORDS.split())
"""What a row below the headers says of columns: of which kind they are, and whether they may be empty."""

COMMENT = Text("this begins with #: the row is a comment and no tenant")
_TOTAL = Text("this is a total: the row is no tenant")
_SUM = Text("this is the sum of the bot ids above: the row is no tenant")
_COUNT = Text("this is the count of the rows above: the row is no tenant")
_HEADER = Text("this repeats a header: the row is no tenant")
_OF_KINDS = Text("this says what the column holds: the row is no tenant")
_REMOVE = Text("remove the row; if it is a tenant, say it: --as-is key")

_REMEMBERED = 100
"""Rows whose verdict is remembered at least: more than may be kept back as pieces of one."""

_LONGEST_NAME = 80

_SHORTEST_SUM = 8
"""Digits from which on a number is no sum by chance: of `1`, `2`, `3` the last is that of the others."""

_LONGEST_SUM = 40

_DIGIT = re.compile(r"\d")
_DIGITS = "0123456789"
_BETWEEN = re.compile(r"[\W_]+")
_WORD = re.compile(r"[^\W\d_]+")


class NoTenant:
    """
    Tells such rows of one table; asked of every row, in order.

    Args:
        headers: as they stand in the file.
        paths: what each of them means; "" where it is passed over.
        as_is: paths whose identifiers are meant as they stand.
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
        self._sums = SumsAbove()
        self._judged: dict[int, tuple[int, Text, Text] | None] = {}
        self._judged_before = self._judged
        # How names that make a key odd begin: nearly every key is done with after a look at that.
        self._odd_starts = {name[:length] for name in _TOTALS | self._names for length in (1, 3)}

    def is_odd_key(self, key: str) -> bool:
        """Whether a key is a word for a total, or a header: a tenant that is called so is odd."""
        start = key[:3].casefold()
        if not start.isalnum():
            start = start[:1]
        if (start.isalnum() and start not in self._odd_starts) or len(key) > _LONGEST_NAME or not self._any:
            return False
        name = _bare(key)
        return name in self._names or name.rstrip(_DIGITS) in _TOTALS

    def why(self, cells: Sequence[str], row: int) -> tuple[int, Text, Text] | None:
        """
        The column that shows that a row is no tenant, what it is instead, and the way out; None if it is one.

        Args:
            cells: as many as there are headers.
            row: its number, which no count of the rows above it exceeds.
        """
        if not self._any:
            return None
        for judged in (self._judged, self._judged_before):
            if row in judged:  # a row that may be a piece of another one is asked again
                return judged[row]
        if len(self._judged) >= _REMEMBERED:
            self._judged_before, self._judged = self._judged, {}
        found = self._judged[row] = self._judge(cells, row)
        return found

    def _judge(self, cells: Sequence[str], row: int) -> tuple[int, Text, Text] | None:
        bot = cells[self._bot_id] if self._bot_id is not None else ""
        number = _number(bot)
        is_sum = number is not None and (self._sums.is_sum(number) or self._sums.is_count(number))
        found = None
        # Most rows have a long number for a bot id, and need no second look.
        if is_sum or len(bot) < _SHORTEST_SUM or not bot.isdigit() or not cells[0][:1].isalnum():
            found = self._why(cells, row, is_sum=is_sum)
        if found and found[1] in (_TOTAL, _SUM, _COUNT):
            self._sums.add_total(number)
        else:
            self._sums.add(number)
        return found

    def _why(self, cells: Sequence[str], row: int, *, is_sum: bool) -> tuple[int, Text, Text] | None:
        # What an outcome file tells an outcome of was a tenant when it came in.
        if any(cells[column].strip() not in ("", name) for column, name in self._told.items()):
            return None
        filled = [column for column, cell in enumerate(cells) if cell and not cell.isspace()]
        if not filled:
            return None
        first = filled[0]
        bot = unescape(cells[self._bot_id]).strip() if self._bot_id is not None else ""
        is_count = is_whole_number(bot) and int(bot) <= row
        is_no_bot = (
            is_count
            or not bot
            or (not is_whole_number(bot) and check_bot_id(bot, as_is=self._bots_as_is) is not None)
        )
        if self._begins_with_hash(cells, first) and (
            # Written as a remark, or before the name of a row that was to be left out, bot and all.
            first in self._names_of_rows or unescape(cells[first]).strip()[1:2].isspace() or is_no_bot
        ):
            return first, COMMENT, _REMOVE
        if is_sum and (total := self._sum(cells, filled, bot)):
            return total
        if is_whole_number(bot) and len(bot) > len(str(row)):
            return None
        for column in filled:
            named = column in (first, self._key)
            if (is_no_bot if named else is_count) and is_total(unescape(cells[column])):
                return column, _TOTAL, _REMOVE
        if not self._bots_as_is and not is_whole_number(bot):
            repeated = self._repeated(cells, bot)
            if repeated is not None:
                of_kinds = _bare(cells[repeated]) in _KINDS
                return repeated, _OF_KINDS if of_kinds else _HEADER, _REMOVE
        return None

    def hash(self, cells: Sequence[str]) -> int | None:
        """The column in which a tenant begins with #, as a comment would; None if it does not."""
        if not self._any or cells[0][:1].isalnum():
            return None
        first = next((column for column, cell in enumerate(cells) if cell and not cell.isspace()), None)
        return first if first is not None and self._begins_with_hash(cells, first) else None

    def _begins_with_hash(self, cells: Sequence[str], first: int) -> bool:
        text = unescape(cells[first]).strip()
        return (
            text.startswith("#")
            and self._comments[first]
            and not (is_error_value(text) or is_foreign_error(text))
        )

    def _sum(self, cells: Sequence[str], filled: Sequence[int], bot: str) -> tuple[int, Text, Text] | None:
        """The cell that shows a sum or a count to be a total: one has a word for it, or none has a word."""
        for column in filled:
            if len(cells[column]) <= _LONGEST_NAME and not _TOTALS.isdisjoint(
                _WORD.findall(cells[column].casefold())
            ):
                return column, _TOTAL, _REMOVE
        if all(is_whole_number(cells[column].strip()) for column in filled):
            if self._sums.is_count(int(bot), of=2):
                return self._bot_id or 0, _COUNT, _REMOVE
            if len(bot) >= _SHORTEST_SUM and self._sums.is_sum(int(bot), of=2):
                return self._bot_id or 0, _SUM, _REMOVE
        return None

    def _repeated(self, cells: Sequence[str], bot: str) -> int | None:
        """The first cell that is a header or tells of one, where the row is of headers; None if it is not."""
        if _DIGIT.search(bot) and _bare(bot) not in self._names:
            return None
        filled = 0
        found: dict[str | int, int] = {}
        certain = False
        for column, cell in enumerate(cells):
            if not cell or cell.isspace():
                continue
            filled += 1
            name = _bare(cell) if len(cell) <= _LONGEST_NAME and cell[0] not in "{[" else ""
            if name in self._names:
                certain = certain or column in (self._key, self._bot_id)
            elif name not in _KINDS and (name not in FAMILIAR or name.isdigit()):
                continue
            # A name says less each time; of one kind are many columns.
            found.setdefault(column if name in _KINDS else name, column)
        # Two words of ours in a long row may be values; where most cells are names, it is a row of names.
        if certain or (len(found) > 1 and len(found) * 2 >= filled):
            return min(found.values())
        return None


def is_total(text: str) -> bool:
    """
    Whether a cell says nothing but that its row is a sum.

    >>> [is_total(text) for text in ("TOTAL:", "Sub-total", "Gran total", "Total 12", "Total Energies")]
    [True, True, True, True, False]
    """
    return len(text) <= _LONGEST_NAME and _bare(text).rstrip(_DIGITS) in _TOTALS


def _bare(text: str) -> str:
    """Letters and digits of a name, in lower case: equal for names that differ in case, spaces or dashes."""
    return _BETWEEN.sub("", text.casefold())


def _number(text: str) -> int | None:
    """The number that a spreadsheet takes a bot id for; None if it takes it for text."""
    if not text.isdigit() or not text.isascii():
        text = unescape(text.strip()).removeprefix("+")
        if not is_whole_number(text):
            return None
    return int(text) if len(text) <= _LONGEST_SUM else None
