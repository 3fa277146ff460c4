"""
One job as a pure value: the ledger's promises without Redis, built on `lifecycle.TRANSITIONS`.

`test_lifecycle_exploration.py` walks every interleaving over it; `test_ledger_against_model.py` runs
the same histories through the Lua scripts and compares. Where both agree, what is proven of the model
holds for the scripts. Every function takes a job and returns the job afterwards; a call that the ledger
would refuse returns the same job.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from provisioning.attempt import Bounds
from provisioning.lifecycle import TRANSITIONS, Event, State, after

NONE = Bounds()

Post = tuple[int, int]
"""Token and attempt: the name of a POST."""


class Belief(StrEnum):
    """What is believed of a POST that left `sending` without an answer."""

    OPEN = "open"
    FOUND = "found"
    ABSENT = "absent"
    ANSWERED = "answered"
    MOVED = "moved"


class Job(NamedTuple):
    """
    A job as the ledger keeps it.

    Attributes:
        posts: what is believed of POSTs without an answer in time.
        calloff: token under which it was being sent when a person called it off.
    """

    state: State = State.QUEUED
    reason: str = "accepted"
    token: int = 0
    attempts: int = 0
    bounds: Bounds = NONE
    posts: tuple[tuple[Post, Belief], ...] = ()
    calloff: int = 0

    @property
    def last(self) -> Post:
        """The POST of the newest claim and attempt."""
        return self.token, self.attempts

    def belief(self, post: Post) -> Belief | None:
        return dict(self.posts).get(post)

    def believing(self, post: Post, belief: Belief) -> Job:
        posts = dict(self.posts)
        posts[post] = belief
        return self._replace(posts=tuple(sorted(posts.items())))

    def moved(self, event: Event, reason: str) -> Job:
        return self._replace(state=after(self.state, event), reason=reason)

    def widened(self, least: int, most: int) -> Job:
        return self._replace(bounds=self.bounds + Bounds(least, most))


def claimed(job: Job, token: int) -> Job:
    """A worker takes it from the queue."""
    return job.moved(Event.CLAIMED, "claimed")._replace(token=token)


def sending(job: Job, post: Post, held: str = "") -> tuple[Job, bool]:
    """The intent to POST; `held` names what keeps it back. Returns: the job, and whether it may start."""
    token, attempt = post
    if job.state is State.SENDING and job.last == post:
        return job, True
    if job.state is not State.CLAIMED or job.token != token or attempt != job.attempts + 1:
        return job, False
    if held:
        return job.moved(Event.DEFERRED, held), False
    return job.moved(Event.SENDING, "sending")._replace(attempts=attempt).widened(0, 1), True


_AGAIN = (Event.RETRY_DUE, Event.REFUSED)


def answered(job: Job, post: Post, event: Event, reason: str, change: Bounds, unseen: bool = False) -> Job:
    """
    The answer of a POST.

    Args:
        unseen: the answer proves nothing; the worker goes on all the same (on_in_doubt=retry).
    """
    if event in _AGAIN and job.calloff == post[0]:
        event, reason = (Event.DOUBTED, reason) if unseen else (Event.CALLED_OFF, "cancelled")
    if job.state is State.SENDING and job.last == post:
        job = job.moved(event, reason).widened(change.least, change.most)
        return job._replace(attempts=job.attempts - 1) if event is Event.REFUSED else job
    belief = job.belief(post)
    if belief in (None, Belief.ANSWERED, Belief.MOVED):
        return job
    waited_for = belief is Belief.OPEN and job.last == post and job.state in (State.IN_DOUBT, State.QUEUED)
    job = job.believing(post, Belief.ANSWERED)
    job = job.widened(*_correction(belief, event, change))
    if waited_for and event is Event.REFUSED:
        job = job._replace(attempts=job.attempts - 1)
    if (job.state, event) not in TRANSITIONS or not (waited_for or event is Event.CREATED):
        return job
    if job.state is State.SENDING:
        job = job.believing(job.last, Belief.OPEN)
    if after(job.state, event) is State.QUEUED is job.state:
        return job
    return job.moved(event, reason).believing(post, Belief.MOVED)


def _correction(belief: Belief, event: Event, change: Bounds) -> tuple[int, int]:
    created, nothing = event is Event.CREATED, change.most < 0
    if belief is Belief.ABSENT:
        return (1, 1) if created else (0, 0)
    if belief is Belief.FOUND:
        return (-1, 0) if nothing else (0, 0)
    return change.least, change.most


def deferred(job: Job, token: int, reason: str) -> Job:
    """Its worker hands it back."""
    if job.state is not State.CLAIMED or job.token != token:
        return job
    return job.moved(Event.DEFERRED, reason)


def lapsed(job: Job, *, retry: bool) -> Job:
    """Its lease ends without a word."""
    was = job.state
    job = job.moved(Event.LEASE_LAPSED, "lease_lapsed")
    if was is State.CLAIMED:
        return job
    job = job.believing(job.last, Belief.OPEN)
    # The submitter's choice turns a doubt into another attempt: in effect, it is in doubt for no time at all.
    return job._replace(state=State.QUEUED) if retry and job.calloff != job.token else job


def cancelled(job: Job) -> Job:
    """A person calls it off."""
    if job.state in (State.QUEUED, State.CLAIMED):
        return job.moved(Event.CANCELLED, "cancelled")
    return job._replace(calloff=job.token) if job.state is State.SENDING else job


def redriven(job: Job, *, accepts: bool = True) -> Job:
    """A person queues it again; what may make a second widget only if they accept that."""
    if (job.state, Event.REDRIVEN) not in TRANSITIONS or (job.bounds.most > 0 and not accepts):
        return job
    return begun_anew(job.moved(Event.REDRIVEN, "redriven"))


def begun_anew(job: Job) -> Job:
    """With fresh attempts, for which none of before is taken."""
    return job._replace(attempts=0, token=job.token and job.token + 1)


def resolved(job: Job, *, created: bool) -> Job:
    """A person settles a doubt."""
    if job.state is not State.IN_DOUBT:
        return job
    if job.belief(job.last) is Belief.OPEN:
        job = job.believing(job.last, Belief.FOUND if created else Belief.ABSENT)
    if created:
        return job.moved(Event.RESOLVED_CREATED, "resolved_created").widened(1, 0)
    return begun_anew(job.moved(Event.RESOLVED_ABSENT, "resolved_absent")).widened(0, -1)
