"""
Values of a submission: a new job, its verdict, and its identity.

Pure values; `producers` reads them from files, `ledger` stores them.
"""

from __future__ import annotations

import hashlib
import unicodedata
from enum import StrEnum
from typing import Any

import msgspec

from provisioning.digits import is_whole_number

MAX_KEY_LENGTH = 200
"""Most characters of a job's key: long enough for any reference of a tenant, short enough for an index."""

MAX_BODY_BYTES = 64 * 1024
"""Most bytes of one body. The documented example has about 1 kB; a larger one is certainly a mistake."""

_encode_sorted = msgspec.json.Encoder(order="deterministic").encode


class NewJob(msgspec.Struct, frozen=True, array_like=True):
    """
    One widget to create, as a producer submits it.

    Attributes:
        key: the tenant's own reference; with `credential` it is the job's permanent identity.
        credential: name of the company's credentials, never the credentials themselves.
        body: the JSON of the POST, exactly as it will be sent.
        row: row of the file it came from as a spreadsheet counts (the header is row 1); None if none.
        label: words for people; not sent.
        trace: W3C `traceparent` of the request that handed it over; empty if nobody traces.
        fingerprint: of the body; worked out where it is not given.
        spelled: the key as it was given, where that is not its normal form (Unicode's NFC).

    Raises: msgspec.DecodeError if the body is no JSON.
    """

    key: str
    credential: str
    body: bytes
    row: int | None = None
    label: str = ""
    trace: str = ""
    fingerprint: str = ""
    spelled: str = ""

    def __post_init__(self) -> None:
        # One tenant, however its accents were typed: a file of a Mac decomposes them.
        if not self.key.isascii() and (composed := unicodedata.normalize("NFC", self.key)) != self.key:
            msgspec.structs.force_setattr(self, "spelled", self.key)
            msgspec.structs.force_setattr(self, "key", composed)
        if not self.fingerprint:
            content = msgspec.json.decode(self.body)
            msgspec.structs.force_setattr(self, "fingerprint", fingerprint(content))

    def other_spellings(self) -> list[str]:
        """Keys that look the same, under which a former version may have kept the job; see `spellings_of`."""
        if self.key.isascii():
            return []
        return spellings_of(self.spelled or self.key)[1:]


def spellings_of(key: str) -> list[str]:
    """
    A key in its normal form, by which jobs are known, then others that look the same.

    >>> [len(spelling) for spelling in spellings_of("Cafe\\u0301")]
    [4, 5]
    """
    forms = (unicodedata.normalize(form, key) for form in ("NFC", "NFD"))
    return list(dict.fromkeys((*forms, key)))


class Verdict(StrEnum):
    """The result of submitting a job: new, or what its identity already has."""

    NEW = "new"  # accepted and queued
    REDRIVEN = "redriven"  # was dead with another body, or cancelled; queued again, history kept
    DEAD = "dead"  # dead with the same body: a person must redrive it
    QUEUED = "queued"  # already queued or being sent with the same body: unchanged
    REPLACED = "replaced"  # was queued and never attempted: the new body replaces the old one
    SUCCEEDED = "succeeded"  # already created with the same body: skipped
    RISKY = "risky"  # ended, but may have created a widget: queued only if a second widget is accepted
    ENDED = "ended"  # dead or cancelled; the submitter has not the right, or not the wish, to queue it again
    CHANGED = "changed"  # created or attempted with another body: reported, not sent
    IN_DOUBT = "in_doubt"  # the widget may exist: refused until a person resolves the job


ON_THEIR_WAY = (Verdict.QUEUED, Verdict.REPLACED)
"""Verdicts on jobs that were submitted before and will be sent, or are being sent."""


class Accepted(msgspec.Struct, frozen=True):
    """The ledger's reply to one submitted job: its verdict and its permanent id."""

    verdict: Verdict
    job_id: str


def fingerprint(body: Any) -> str:
    """
    Name of a body's content: equal for equal JSON whatever the order of its members.

    Returns: 32 hexadecimal digits, the first half of SHA-256 over the JSON with sorted members.
    """
    return hashlib.sha256(_encode_sorted(body)).hexdigest()[:32]


def job_id(batch: str, number: int) -> str:
    """The job's id: its batch and its number within it, from 1. It never changes."""
    return f"{batch}.{number}"


def split_job_id(value: str) -> tuple[str, int]:
    """
    The batch and number that a job id names.

    Raises: ValueError if it is no job id.
    """
    batch, dot, number = value.rpartition(".")
    if not dot or not batch or not is_whole_number(number):
        raise ValueError(f"{value!r} is not a job id (they look like b3f9k2.17)")
    return batch, int(number)
