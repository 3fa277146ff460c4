"""How a file is to be read: what a person or a caller says of it beside its bytes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from producers.files.body import check_credential
from producers.files.corrections import NONE, Corrections
from producers.files.defaults import check_as_is, check_defaults
from producers.files.file_kinds import Format
from producers.files.package import OWN_FILE, Bounds
from provisioning.errors import InvalidInputError


@dataclass(frozen=True)
class ReadOptions:
    """
    How a file is to be read; the defaults suit a file that follows the documentation.

    Attributes:
        maps: what a header of the file means (`bot_id` → `bot.id`); "" passes a column over.
        defaults: body that every row is laid over.
        credential: name of the credentials of a row that names none.
        new_bots: whether a row without a bot id shall make a new bot.
        separator: what separates the items of a list in a cell.
        delimiter: what separates the cells of a CSV row; found out if None.
        encoding: how text is encoded; found out if None.
        format: how rows are written; recognised if None.
        sheet: of a workbook, the one to be read; the first visible one if None.
        as_is: paths whose identifiers are meant as they stand, however odd.
        corrections: of a table: what a person has changed in it.
        bounds: of what a workbook may unpack to.

    Raises: InvalidInputError, naming the option that is wrong and the way out.
    """

    maps: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    credential: str = "default"
    new_bots: bool = False
    separator: str = ";"
    delimiter: str | None = None
    encoding: str | None = None
    format: Format | None = None
    sheet: str | None = None
    as_is: Collection[str] = ()
    corrections: Corrections = NONE
    bounds: Bounds = OWN_FILE

    def __post_init__(self) -> None:
        if wrong := check_credential(self.credential):
            raise InvalidInputError(wrong[0], hint=wrong[1])
        if not self.separator:
            raise InvalidInputError("the separator of lists is empty")
        check_as_is(self.as_is)
        check_defaults(self.defaults, self.as_is)


PLAIN = ReadOptions()
"""For a file that follows the documentation."""
