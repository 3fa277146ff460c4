"""What the words in answers mean, for readers of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from provisioning.attempt import Evidence, Outcome
from provisioning.causes import CAUSES, Cause
from provisioning.job import Verdict
from provisioning.ledger.schema import HoldKind, Move, Reason
from provisioning.lifecycle import State

MEANINGS: dict[type[StrEnum], tuple[str, Mapping[Any, str]]] = {
    State: (
        "State of a job.",
        {
            State.QUEUED: "will be sent",
            State.CLAIMED: "a worker has it; nothing of this attempt has been sent",
            State.SENDING: "a POST may be in flight",
            State.SUCCEEDED: "the widget exists",
            State.DEAD: "ended without a known widget; a person decides",
            State.IN_DOUBT: "the widget may exist, and no answer proves it; a person must check",
            State.CANCELLED: "cancelled by a person before a POST began",
        },
    ),
    Verdict: (
        "What became of a submitted job.",
        {
            Verdict.NEW: "accepted and queued",
            Verdict.REDRIVEN: "was dead with another body, or cancelled; queued again",
            Verdict.DEAD: "is dead, with this body; an operator may redrive it",
            Verdict.QUEUED: "is being processed already, with this body",
            Verdict.REPLACED: "was queued and never attempted; this body replaces the former one",
            Verdict.SUCCEEDED: "has its widget already, with this body",
            Verdict.RISKY: "has ended and may have a widget; not queued",
            Verdict.ENDED: "is dead or cancelled, and remains so: by the token, or by `first`",
            Verdict.CHANGED: "was created or attempted with another body; this one is not sent",
            Verdict.IN_DOUBT: "may have a widget; a person must resolve it first",
        },
    ),
    Outcome: (
        "Outcome of an attempt.",
        {
            Outcome.CREATED: "the widget was created",
            Outcome.REJECTED: "the API refused this job",
            Outcome.DENIED: "the API refused the credential",
            Outcome.MISDIRECTED: "the address is not that of the API",
            Outcome.UNPROCESSED: "nothing was done, and that is proven",
            Outcome.FAILED: "500, 502 or 503: a widget may have been created",
            Outcome.IN_DOUBT: "the widget may exist, and nothing proves it",
        },
    ),
    Evidence: (
        "How far an attempt got, as far as it can be proven.",
        {
            Evidence.NOTHING_SENT: "no byte was sent",
            Evidence.SENT: "at least one byte may have been sent; no status arrived",
            Evidence.STATUS_SEEN: "status and headers arrived, the body did not",
            Evidence.ANSWERED: "the whole answer arrived",
        },
    ),
    HoldKind: (
        "What holds jobs back.",
        {
            HoldKind.PAUSED: "a person paused them, or asked that the rest waits after the first few",
            HoldKind.BRAKE: "the program stopped them, and resumes after a successful attempt",
            HoldKind.STOP_LOSS: "the program stopped them until a person has looked",
            HoldKind.CANCELLING: "they are being cancelled",
        },
    ),
    Move: (
        "A change in the history of a job that is no attempt.",
        {
            Move.ACCEPTED: "it was submitted (single jobs)",
            Move.REPLACED: "another body replaced its body",
            Move.REDRIVEN: "it was queued again",
            Move.CANCELLED: "it was cancelled",
            Move.CALLED_OFF: "it was cancelled while it was being sent",
            Move.RESOLVED_CREATED: "a person found its widget",
            Move.RESOLVED_ABSENT: "a person found that it has no widget",
        },
    ),
    Reason: (
        "Why a job is in its state, unless it is a cause.",
        {
            Reason.ACCEPTED: "it was submitted",
            Reason.CLAIMED: "a worker claimed it",
            Reason.SENDING: "a worker is sending it",
            Reason.CREATED: "the widget was created",
            Reason.CANCELLED: "a person cancelled it",
            Reason.LEASE_LAPSED: "its worker stopped while it was sending",
            Reason.PAUSED: "a person paused it",
            Reason.BRAKED: "the program stopped its batch, its credential or the API's address",
            Reason.RATE_LIMITED: "the API answered 429",
            Reason.REDRIVEN: "a person or a submission queued it again",
            Reason.RESOLVED_CREATED: "a person found its widget",
            Reason.RESOLVED_ABSENT: "a person found that it has no widget",
        },
    ),
    Cause: (
        "Why an attempt ended so.",
        {word: explained.meaning for group in CAUSES.values() for word, explained in group.items()},
    ),
}
"""By enumeration: what its words are about, and what each means."""


def explanation(words: type[StrEnum]) -> str:
    """Markdown about the words of an enumeration."""
    about, meanings = MEANINGS[words]
    return "\n".join([about, "", *(f"- `{word}`: {meanings[word]}" for word in words)])
