"""
Notes about unusual values in the columns of one file: counted row by row, shown at the end with an example.

Problems of single rows are found elsewhere (`row_converter`, `jsonl`). Here are values that are unusual only
in comparison with other rows, or unusual and harmless. No row is refused because of a note.
"""

from __future__ import annotations

from collections.abc import Collection

from producers.files.body import quoted, shorten
from producers.files.id_shapes import IdShapes
from producers.files.mojibake import has_lost_letter, repaired


class ColumnNotes:
    """
    Collects notes about the rows of a file.

    Args:
        as_is: paths whose identifiers are accepted unchanged: there are no notes about them.

    Attributes:
        bot_ids, keys: the ids of the rows that are jobs; whoever reads a row shows them.
        some_own: whether a row of a table had something of its own that is sent.
    """

    def __init__(self, as_is: Collection[str] = ()) -> None:
        self.bot_ids = IdShapes("bot id")
        self.keys = IdShapes("key")
        self.some_own = False
        self._as_is = as_is
        self._counts: dict[tuple[str, str], tuple[int, int, str]] = {}

    def rounded(self, column: str, text: str, row: int) -> None:
        """A cell is nothing but a number of which a spreadsheet may have lost digits."""
        self._count("rounded", column, text, row)

    def odd_key(self, key: str, row: int) -> None:
        """A key is a word that heads a column, or a total, and yet its row has a bot."""
        self._count("odd key", "key", key, row)

    def hash(self, column: str, text: str, row: int) -> None:
        """A row begins with # in this column, as a comment would, and yet has a bot."""
        self._count("hash", column, text, row)

    def text(self, column: str, text: str, row: int) -> None:
        """A text, which may have been read in another encoding than it was written in before it came here."""
        if repaired(text):
            self._count("spoiled", column, text, row)
        elif has_lost_letter(text):
            self._count("lost letter", column, text, row)

    def nothing_own(self, text: str, row: int) -> None:
        """A row of a table has nothing that is sent, but for what all rows share: it may be a footer."""
        self._count("nothing own", "", text, row)

    def no_key(self, row: int) -> None:
        """An object names no key."""
        self._count("no key", "key", "", row)

    def _count(self, what: str, column: str, text: str, row: int) -> None:
        count, first, example = self._counts.get((what, column), (0, row, text))
        self._counts[what, column] = (count + 1, first, example)

    def notes(self) -> list[str]:
        """All of it, in words."""
        notes = []
        for path, shapes in (("bot.id", self.bot_ids), ("key", self.keys)):
            if path not in self._as_is:
                notes += [
                    note + (" Sent unchanged" if note.endswith("?") else "; sent unchanged")
                    for note in shapes.notes()
                ]
        for (what, column), (count, row, text) in self._counts.items():
            shown = f"row {row} is {quoted(text)}"
            match what:
                case "rounded":
                    cells = "1 cell is a number" if count == 1 else f"{count:,} cells are numbers"
                    notes.append(
                        f"{shorten(column)}: {cells} of which a spreadsheet may have lost digits; {shown}; "
                        "sent unchanged"
                    )
                case "spoiled" if column not in self._as_is:
                    texts = "1 text looks" if count == 1 else f"{count:,} texts look"
                    # Of a long text the word that shows it.
                    word = next(filter(repaired, text.split()), text)
                    notes.append(
                        f"{shorten(column)}: {texts} like UTF-8 that was read in another encoding before; "
                        f"row {row} has {quoted(word)}, probably {quoted(repaired(word))}; sent unchanged"
                    )
                case "lost letter" if column not in self._as_is:
                    texts = "1 text has" if count == 1 else f"{count:,} texts have"
                    word = next(filter(has_lost_letter, text.split()), text)
                    notes.append(
                        f"{shorten(column)}: {texts} a question mark within a word; row {row} has "
                        f"{quoted(word)}: a letter may be lost; sent unchanged"
                    )
                case "odd key" if "key" not in self._as_is:
                    keys = "1 key is a word" if count == 1 else f"{count:,} keys are words"
                    notes.append(f"{keys} for a total or a column, not for a tenant; {shown}; sent unchanged")
                case "hash":
                    begin = "1 row begins" if count == 1 else f"{count:,} rows begin"
                    notes.append(
                        f"{shorten(column)}: {begin} with # there, as a comment would, but "
                        f"{'has a bot' if count == 1 else 'have bots'}; {shown}; sent unchanged"
                    )
                case "nothing own" if self.some_own:
                    have = "1 row has" if count == 1 else f"{count:,} rows have"
                    notes.append(
                        f"{have} nothing but a name where others have a bot or a widget's members; {shown}; "
                        "sent unchanged"
                    )
                case "no key" if self.keys.seen:
                    have = "1 object has" if count == 1 else f"{count:,} objects have"
                    notes.append(
                        f"{have} no key (first in row {row}) where others have one: the body is the identity"
                    )
        return notes
