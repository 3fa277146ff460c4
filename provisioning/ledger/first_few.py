"""The first few jobs of a batch, which are sent before it is paused (decision 0044)."""

from __future__ import annotations

from provisioning.errors import InvalidInputError
from provisioning.ledger.schema import FirstFew
from provisioning.text import Text, plural


def first_few(jobs: int, actor: str, asked: str) -> FirstFew:
    """
    The limit to so many new jobs, for which `actor` asks in the submission with the id `asked`.

    Raises: InvalidInputError if it is less than one job.
    """
    if jobs < 1:
        raise InvalidInputError(
            Text("first must be at least 1, not {jobs}", jobs=jobs),
            hint="1 sends one new job; omit it to send all",
        )
    return FirstFew(jobs, actor, str(first_were_sent(jobs)), asked)


def first_were_sent(jobs: int) -> Text:
    """Why the batch is paused: `Hold.first` of them were sent."""
    return plural(
        "the first job was sent; the rest waits for a yes",
        "the first {count:,} jobs were sent; the rest waits for a yes",
        jobs,
    )
