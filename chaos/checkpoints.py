"""
The named moments at which a process dies: what each means, and how often it is let pass before.

Names only; where in the program they lie is known to `seams.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    A moment in the life of a job or of a submission.

    Attributes:
        meaning: one line for people.
        nth: passings of which one, drawn by the seed, is deadly: the first, and some way into the batch.
        share: rows for each worker, as a multiple of the usual ones.
    """

    name: str
    meaning: str
    nth: tuple[int, int]
    share: int = 1


WORKER = (
    Checkpoint("after-claim", "jobs are this worker's, nothing has been sent of them", (1, 1)),
    Checkpoint("before-ring", "other workers are about to be told of what it could not take up", (1, 1), 4),
    Checkpoint("after-intent", "the ledger says `sending`, not a byte has left", (1, 4)),
    Checkpoint("while-connecting", "a connection to the API is being made", (2, 25)),
    Checkpoint("after-request-sent", "the API has the request and is at work on it", (2, 60)),
    Checkpoint("after-status", "the status line has been read, the body has not", (2, 60)),
    Checkpoint("after-answer", "the answer is whole, and in this process' memory alone", (2, 60)),
    Checkpoint("before-result-written", "the record of answers is about to leave for Redis", (2, 12)),
    Checkpoint("after-result-written", "Redis has said yes to a record of answers", (2, 12)),
)
"""Checkpoints of a worker, in the order in which a job comes by."""

SUBMITTER = (
    Checkpoint("before-first-ring", "the first chunk is in the ledger and no worker has been told", (1, 1)),
    Checkpoint(
        "between-chunks", "some chunks are in the ledger, the next is on its way, the others are not", (1, 2)
    ),
    Checkpoint("inside-a-chunk", "a chunk is on its way to Redis, whose yes nobody hears", (2, 3)),
)
"""Checkpoints of a submission."""

BY_NAME = {checkpoint.name: checkpoint for checkpoint in (*WORKER, *SUBMITTER)}
