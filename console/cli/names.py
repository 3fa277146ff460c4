"""Names of batches, after their files, and of the folders of their outcome files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from producers.batch_name import check_batch_name
from producers.files.file_kinds import bare_name
from provisioning.errors import (
    InvalidInputError,
)
from provisioning.ledger import BatchStatus
from provisioning.owner import DEFAULT
from provisioning.text import Text


def folders_for(own: BatchStatus | None, others: list[BatchStatus], to: Path | None) -> dict[str, Path]:
    """
    Folder of the outcome files of each batch: `to` for the requested one, else NAME.outcomes.

    If the file only queued jobs of another batch again, that batch is the requested one.
    """
    batches = [status for status in (own, *others) if status]
    folders = {status.batch: folder(status.owner, status.name) for status in batches}
    if to and batches:
        folders[batches[0].batch] = to
    return folders


def folder(owner: str, name: str) -> Path:
    """
    `tenants.outcomes` for the batch `tenants`: one folder, here, whatever is in the name.

    `crm/june.outcomes` for `crm/june`: `crm.june` may be the name of another's batch.
    """
    here = name.replace("/", "_").replace("\\", "_") + ".outcomes"
    return Path(here) if owner == DEFAULT else Path(owner, here)


def batch_name(file: str) -> str:
    """
    The name of a batch from its file: `tenants.may` from `data/tenants.may.csv.gz`.

    Raises: InvalidInputError if the name is empty or not valid.
    """
    path = urlsplit(file).path if "://" in file else file
    # `/dev/stdin` is what `-` is; `/dev/fd/63` is what a shell gives for `<(…)`: a number that means nothing.
    name = "stdin" if file.startswith(("/dev/", "/proc/")) or file == "-" else bare_name(path)
    if not name:
        raise InvalidInputError(
            Text("{file} gives the batch no name", file=file), hint="name the batch with --name"
        )
    try:
        return check_batch_name(name)
    except InvalidInputError as error:
        hint = "choose another name with --name; the outcome files use it"
        raise InvalidInputError(
            Text("{file} gives the batch no name: {message}", file=file, message=error.text), hint=hint
        ) from error
