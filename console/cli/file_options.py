"""The reading options of files, the same for every command that reads one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from console.cli.language import tr
from console.cli.pulling import pulled
from console.cli.shell import talk
from producers.files.file_kinds import Format
from producers.files.json_text import decode
from producers.files.mapping_file import pair, read_mapping
from producers.files.read_options import ReadOptions
from provisioning.errors import InvalidInputError
from provisioning.text import Text

FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="CSV, TSV, .xlsx or JSON Lines file, also .gz; - for standard input; or an https:// address.",
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="OLD=NEW", help="Rename a column (bot_id=bot.id); OLD= ignores it."),
]
MapFileOption = Annotated[
    Path | None,
    typer.Option(
        "--map-file", metavar="FILE.csv", help=("Columns to rename: a CSV file with the headers old,new.")
    ),
]
DefaultsOption = Annotated[
    Path | None,
    typer.Option("--defaults", metavar="FILE.json", help=("Default body; the values of a row override it.")),
]
CredentialOption = Annotated[
    str, typer.Option("--credential", metavar="NAME", help="Credential for rows that name none.")
]
NewBotsOption = Annotated[bool, typer.Option("--new-bots", help="Create a new bot for a row without bot.id.")]
SeparatorOption = Annotated[
    str, typer.Option("--column-separator", metavar="TEXT", help="Separator of list items in a cell.")
]
DelimiterOption = Annotated[
    str | None, typer.Option("--delimiter", metavar="CHAR", help="Separator of cells; detected by default.")
]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="Text encoding; detected by default.")
]
FormatOption = Annotated[Format | None, typer.Option("--format", help="File format; detected by default.")]
SheetOption = Annotated[
    str | None, typer.Option("--sheet", metavar="NAME", help="Sheet of a workbook [the first visible sheet].")
]
AsIsOption = Annotated[
    list[str] | None,
    typer.Option("--as-is", metavar="COLUMN", help="Accept the ids of this column unchanged (bot.id)."),
]
SkipInvalidOption = Annotated[
    bool, typer.Option("--skip-invalid", help=("Skip rows with errors and apply the others."))
]


def read_options(
    maps: list[str] | None,
    defaults: Path | None,
    credential: str,
    new_bots: bool,
    separator: str,
    delimiter: str | None,
    encoding: str | None,
    format_: Format | None,
    map_file: Path | None = None,
    as_is: list[str] | None = None,
    sheet: str | None = None,
) -> ReadOptions:
    return ReadOptions(
        # Typed options take precedence over those in the file.
        maps=(read_mapping(map_file, _print_note) if map_file else {}) | _pairs(maps or []),
        defaults=read_defaults(defaults) if defaults else {},
        credential=credential,
        new_bots=new_bots,
        separator=separator,
        delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
        encoding=encoding,
        format=format_,
        sheet=sheet,
        as_is=frozenset(as_is or ()),
    )


def _print_note(note: Text) -> None:
    talk.print(tr("note: {text}", text=note), soft_wrap=True)


def _pairs(maps: list[str]) -> dict[str, str]:
    pairs = {}
    for item in maps:
        if (mapped := pair(item)) is None:
            raise InvalidInputError(
                Text("--map {item} is not OLD=NEW", item=item), hint="for example --map bot_id=bot.id"
            )
        old, new = mapped
        pairs[old] = new
    return pairs


def read_defaults(path: Path) -> dict[str, Any]:
    """The body that every row is laid over. Raises InvalidInputError if the file is no JSON object."""
    try:
        defaults: dict[str, Any] = msgspec.convert(decode(path.read_bytes()), dict[str, Any])
    except OSError as error:
        raise InvalidInputError(
            (Text("--defaults: cannot read {path} ({strerror})", path=path, strerror=error.strerror)),
            hint="--defaults takes a file with a JSON object",
        ) from error
    except msgspec.MsgspecError as error:
        raise InvalidInputError(
            Text("--defaults: {path} is not a JSON object ({error})", path=path, error=error),
            hint='such as {"widget": {"theme": {}}}',
        ) from error
    return defaults


@contextlib.contextmanager
def local(file: str) -> Iterator[Path]:
    """The file, or `-` for standard input; what comes by address is kept on disk while we work."""
    if "://" in file:
        with pulled(file) as path:
            yield path
    else:
        yield Path(file)
