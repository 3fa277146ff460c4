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
from provisioning.text import Text, plural, several


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
        self.bot_ids = IdShapes(Text("bot ids"))
        self.keys = IdShapes(Text("keys"))
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

    def notes(self) -> list[Text]:
        """All of it, in words."""
        notes: list[Text] = []
        for path, shapes in (("bot.id", self.bot_ids), ("key", self.keys)):
            if path not in self._as_is:
                for note in shapes.notes():
                    is_question = note.id.endswith("?")
                    form = "{note} Sent unchanged" if is_question else "{note}; sent unchanged"
                    notes.append(Text(form, note=note))
        for (what, column), (count, row, text) in self._counts.items():
            facts = {"column": shorten(column), "row": row, "text": quoted(text)}
            match what:
                case "rounded":
                    notes.append(plural(*_ROUNDED, count, **facts))
                case "spoiled" if column not in self._as_is:
                    # Of a long text the word that shows it.
                    word = next(filter(repaired, text.split()), text)
                    facts |= {"word": quoted(word), "repaired": quoted(repaired(word))}
                    notes.append(plural(*_SPOILED, count, **facts))
                case "lost letter" if column not in self._as_is:
                    word = next(filter(has_lost_letter, text.split()), text)
                    notes.append(plural(*_LOST_LETTER, count, **facts, word=quoted(word)))
                case "odd key" if "key" not in self._as_is:
                    notes.append(plural(*_ODD_KEY, count, **facts))
                case "hash":
                    notes.append(plural(*_HASH, count, **facts))
                case "nothing own" if self.some_own:
                    notes.append(plural(*_NOTHING_OWN, count, **facts))
                case "no key" if self.keys.seen:
                    notes.append(plural(*_NO_KEY, count, row=row))
        return notes


_ROUNDED = several(
    "{column}: 1 cell is a number of which a spreadsheet may have lost digits;"
    " row {row} is {text}; sent unchanged",
    "{column}: {count:,} cells are numbers of which a spreadsheet may have lost digits;"
    " row {row} is {text}; sent unchanged",
)
_SPOILED = several(
    "{column}: 1 text looks like UTF-8 that was read in another encoding before;"
    " row {row} has {word}, probably {repaired}; sent unchanged",
    "{column}: {count:,} texts look like UTF-8 that was read in another encoding before;"
    " row {row} has {word}, probably {repaired}; sent unchanged",
)
_LOST_LETTER = several(
    "{column}: 1 text has a question mark within a word; row {row} has {word}:"
    " a letter may be lost; sent unchanged",
    "{column}: {count:,} texts have a question mark within a word; row {row} has {word}:"
    " a letter may be lost; sent unchanged",
)
_ODD_KEY = several(
    "1 key is a word for a total or a column, not for a tenant; row {row} is {text}; sent unchanged",
    "{count:,} keys are words for a total or a column, not for a tenant; row {row} is {text}; sent unchanged",
)
_HASH = several(
    "{column}: 1 row begins with # there, as a comment would, but has a bot;"
    " row {row} is {text}; sent unchanged",
    "{column}: {count:,} rows begin with # there, as a comment would, but have bots;"
    " row {row} is {text}; sent unchanged",
)
_NOTHING_OWN = several(
    "1 row has nothing but a name where others have a bot or a widget's members;"
    " row {row} is {text}; sent unchanged",
    "{count:,} rows have nothing but a name where others have a bot or a widget's members;"
    " row {row} is {text}; sent unchanged",
)
_NO_KEY = several(
    "1 object has no key (first in row {row}) where others have one: the body is the identity",
    "{count:,} objects have no key (first in row {row}) where others have one: the body is the identity",
)
