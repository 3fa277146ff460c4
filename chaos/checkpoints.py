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
    Checkpoint(
        "before-ring",
        "other workers are about to be notified of jobs that this one could not take",
        (1, 1),
        4,
    ),
    Checkpoint("after-intent", "the job is `sending` in the ledger, no byte has left", (1, 4)),
    Checkpoint("while-connecting", "a connection to the API is being opened", (2, 25)),
    Checkpoint("after-request-sent", "the API has the request and works on it", (2, 60)),
    Checkpoint("after-status", "the status line has been read, the body has not", (2, 60)),
    Checkpoint("after-answer", "the answer is complete, only in the memory of this process", (2, 60)),
    Checkpoint("before-result-written", "the answers are about to be written to Redis", (2, 12)),
    Checkpoint("after-result-written", "Redis has confirmed the answers", (2, 12)),
)
"""Checkpoints of a worker, in the order in which a job comes by."""

SUBMITTER = (
    Checkpoint("before-first-ring", "the first chunk is in the ledger, no worker has been notified", (1, 1)),
    Checkpoint(
        "between-chunks", "some chunks are in the ledger, the next is being sent, the others are not", (1, 2)
    ),
    Checkpoint("inside-a-chunk", "a chunk is sent to Redis, its answer is not read", (2, 3)),
)
"""Checkpoints of a submission."""

BY_NAME = {checkpoint.name: checkpoint for checkpoint in (*WORKER, *SUBMITTER)}
