"""
Every interleaving of one job under two workers, walked over the pure model.

The world beside the ledger: two workers that crash, freeze and wake at any step, a server that makes a
widget or not whatever it answers, a lease that lapses at any step (that a worker is alive does not save
it: it may be frozen), pauses, and a person. The truth, which no part of the program sees, is how many
widgets exist. A person is *truthful* when the word fits the truth and no POST is still to come, and
*mistaken* when it need not.

Bounded by claims, attempts a drive and a person's acts; PROVISION_TEST_DEPTH=1 deepens the walk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

import pytest

from provisioning.attempt import Bounds
from provisioning.lifecycle import Event, State
from tests.support import lifecycle_model as model
from tests.support.lifecycle_model import Job, Post

DEEP = int(os.environ.get("PROVISION_TEST_DEPTH", "0"))

pytestmark = pytest.mark.timeout(3600 if DEEP else 120)

NEW = Job()

GONE = (0, 0)
"""A POST that only its mistake is remembered of."""

Answer = Literal["created", "rejected", "unprocessed", "refused", "failed", "silence"]

EFFECTS: dict[Answer, tuple[int, ...]] = {
    # How many widgets a POST may have made, by what came back.
    "created": (1,),
    "rejected": (0,),
    "unprocessed": (0,),
    "refused": (0,),
    "failed": (0, 1),
    "silence": (0, 1),
}
CHANGE = {
    "created": Bounds(1, 0),
    "rejected": Bounds(0, -1),
    "unprocessed": Bounds(0, -1),
    "refused": Bounds(0, -1),
    "failed": Bounds(0, 0),
    "silence": Bounds(0, 0),
}


class Worker(NamedTuple):
    """
    What one worker has in its hands: a job under a token, and how far its attempt is.

    `ready` to say its intent · `granted`, so that a POST may leave at any time · `answered` with what came.
    """

    token: int
    attempt: int
    phase: Literal["ready", "granted", "answered"] = "ready"
    answer: Answer | None = None

    @property
    def post(self) -> Post:
        return self.token, self.attempt


class World(NamedTuple):
    """
    Attributes:
        truth: widgets that exist.
        by_order: those of them that a 5xx hid: the owner's order is to try again all the same.
        effects: what each POST has made, for those who must judge a person's word.
        mistakes: wrong words of a person that no answer has set right.
        acts: what a person may still do.
    """

    job: Job = NEW
    workers: tuple[Worker | None, Worker | None] = (None, None)
    claims: int = 0
    acts: int = 1
    truth: int = 0
    by_order: int = 0
    effects: tuple[tuple[Post, int], ...] = ()
    mistakes: tuple[Post, ...] = ()

    def with_worker(self, index: int, worker: Worker | None) -> World:
        workers = list(self.workers)
        workers[index] = worker
        # Who is called what makes no difference; the walk is half as long for it.
        first, second = sorted(workers, key=lambda w: (w is None, w.token if w else 0))
        return self._replace(workers=(first, second))


class Rules(NamedTuple):
    """What is tried in one walk, and how far it goes."""

    retry: bool
    mistaken: bool
    claims: int
    attempts: int
    acts: int


def steps(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """Everything that may happen next."""
    job = world.job
    if job.state in (State.CLAIMED, State.SENDING):
        yield "lease lapses", world._replace(job=model.lapsed(job, retry=rules.retry))
    for index, worker in enumerate(world.workers):
        if worker is None:
            if job.state is State.QUEUED and world.claims < rules.claims:
                token = world.claims + 1
                taken = world._replace(job=model.claimed(job, token), claims=token)
                yield "claim", taken.with_worker(index, Worker(token, job.attempts + 1))
            continue
        yield "crash", world.with_worker(index, None)
        yield from _work(world, rules, index, worker)
    if world.acts:
        yield from _person(world._replace(acts=world.acts - 1), rules)


def _work(world: World, rules: Rules, index: int, worker: Worker) -> Iterator[tuple[str, World]]:
    job = world.job
    if worker.phase == "ready":
        sent, go = model.sending(job, worker.post)
        phase = worker._replace(phase="granted") if go else None
        yield "intent", world._replace(job=sent).with_worker(index, phase)
        held, _ = model.sending(job, worker.post, held="paused")
        yield "intent under a pause", world._replace(job=held).with_worker(index, None)
        yield "defer", world._replace(job=model.deferred(job, worker.token, "x")).with_worker(index, None)
    elif worker.phase == "granted":
        for answer, effects in EFFECTS.items():
            for effect in effects:
                posted = world._replace(
                    truth=world.truth + effect,
                    by_order=world.by_order + (effect if answer == "failed" else 0),
                    effects=(*world.effects, (worker.post, effect)),
                )
                heard = worker._replace(phase="answered", answer=answer)
                yield f"POST: {answer}, made {effect}", posted.with_worker(index, heard)
    else:
        yield _record(world, rules, index, worker)


def _record(world: World, rules: Rules, index: int, worker: Worker) -> tuple[str, World]:
    assert worker.answer is not None
    event = _event(worker.answer, worker.attempt, rules)
    unseen = worker.answer == "silence"

    def said(job: Job) -> Job:
        assert worker.answer is not None
        return model.answered(job, worker.post, event, "r", CHANGE[worker.answer], unseen)

    job = said(world.job)
    assert said(job) == job, "an answer said twice counts once"
    goes_on = event is Event.RETRY_DUE and job.state is State.CLAIMED and job.token == worker.token
    proof = worker.answer != "failed" and not unseen
    world = world._replace(
        job=job,
        mistakes=tuple(p for p in world.mistakes if p != worker.post or not proof),
    )
    return f"record: {event}", world.with_worker(
        index, Worker(worker.token, worker.attempt + 1) if goes_on else None
    )


def _event(answer: Answer, attempt: int, rules: Rules) -> Event:
    """What `worker.execution.policy` makes of it, with its attempts used up or not."""
    again = attempt < rules.attempts
    if answer == "created":
        return Event.CREATED
    if answer == "rejected":
        return Event.REJECTED
    if answer == "refused":
        return Event.REFUSED
    if answer == "silence":
        return Event.RETRY_DUE if rules.retry and again else Event.DOUBTED
    return Event.RETRY_DUE if again else Event.EXHAUSTED


def _person(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    job = world.job
    for name, after in (("cancel", model.cancelled(job)), ("redrive", model.redriven(job))):
        if after != job:
            yield name, world._replace(job=after)
    if job.state is not State.IN_DOUBT:
        return
    to_come = any(worker and worker.phase == "granted" for worker in world.workers)
    made = dict(world.effects).get(job.last, 0)
    for created in (True, False):
        fits = (world.truth > 0) is created and not to_come
        if fits or rules.mistaken:
            wrong = made != created or to_come
            mistakes = (*world.mistakes, job.last) if wrong else world.mistakes
            word = f"{'truthful' if fits else 'mistaken'}: {'created' if created else 'absent'}"
            yield word, world._replace(job=model.resolved(job, created=created), mistakes=mistakes)


def essence(world: World) -> World:
    """
    The same world without what cannot matter any more: reasons, the gaps between tokens, and POSTs whose
    worker is gone, so that no answer of theirs will come.
    """
    job, workers = world.job, [worker for worker in world.workers if worker]
    held = {worker.post for worker in workers}
    to_judge = held | {job.last}
    tokens = sorted({job.token, *(worker.token for worker in workers)})
    rank = {token: number for number, token in enumerate(tokens, 1)} if job.token else {0: 0}

    def named(post: Post) -> Post:
        return rank[post[0]], post[1]

    first, second = (worker and worker._replace(token=rank[worker.token]) for worker in world.workers)
    return world._replace(
        job=job._replace(
            reason="",
            token=rank[job.token],
            calloff=rank[job.token] if job.calloff == job.token else 0,
            posts=tuple((named(post), belief) for post, belief in job.posts if post in held),
        ),
        workers=(first, second),
        effects=tuple((named(post), made) for post, made in world.effects if post in to_judge),
        mistakes=tuple(named(post) if post in to_judge else GONE for post in world.mistakes),
    )


def explore(rules: Rules) -> Iterator[tuple[World, str, World]]:
    """Every step of every history, each once."""
    start = World(acts=rules.acts)
    seen, edge = {start}, [start]
    while edge:
        world = edge.pop()
        for name, following in steps(world, rules):
            yield world, name, following
            following = essence(following)
            if following not in seen:
                seen.add(following)
                edge.append(following)


WALKS = {
    "hold, a truthful person": Rules(retry=False, mistaken=False, claims=2 + DEEP, attempts=3, acts=2 + DEEP),
    "hold, a mistaken person": Rules(retry=False, mistaken=True, claims=2 + DEEP, attempts=2, acts=2),
    "retry, a truthful person": Rules(retry=True, mistaken=False, claims=2 + DEEP, attempts=3, acts=1),
    "retry, a mistaken person": Rules(retry=True, mistaken=True, claims=2 + DEEP, attempts=2, acts=1),
}


@cache
def settles(job: Job) -> bool:
    """
    Whether the program brings a job to an end by itself once the world behaves, whatever stands now: leases
    of the silent lapse, a fresh worker claims it and is answered. A doubt is an end: a person is told.
    """
    token = job.token
    for _ in range(4):
        if job.state in (State.CLAIMED, State.SENDING):
            job = model.lapsed(job, retry=False)
        elif job.state is State.QUEUED:
            token += 1
            job, go = model.sending(model.claimed(job, token), (token, job.attempts + 1))
            assert go
            job = model.answered(job, job.last, Event.CREATED, "", CHANGE["created"])
        else:
            return True
    return False


def _story(before: World, step: str, world: World) -> str:
    return f"{before}\n--- {step} --->\n{world}"


@pytest.mark.parametrize("name", WALKS)
def test_no_history_breaks_a_promise(name: str) -> None:
    rules = WALKS[name]
    walked = 0
    for before, step, world in explore(rules):
        walked += 1
        job, truth, bounds = world.job, world.truth, world.job.bounds
        wrong = len(world.mistakes)

        # Promise 2. Without a person's mistake or the submitter's choice to retry doubts, at most one widget
        # but for those that a 5xx hid; and however it came, nothing is sent of a job known to have one.
        if not rules.retry and not rules.mistaken:
            assert truth - world.by_order <= 1, _story(before, step, world)
        if bounds.least > 0:
            assert job.state is State.SUCCEEDED, _story(before, step, world)

        # No false success: there is a widget. If a person was mistaken and an answer tells, so do the bounds.
        if job.state is State.SUCCEEDED:
            assert truth > 0 or wrong or (rules.mistaken and bounds.least == 0), _story(before, step, world)

        # Promise 4. The bounds hold the truth, mistakes that no answer has set right aside.
        assert bounds.least - wrong <= truth <= bounds.most + wrong, _story(before, step, world)

        # What was an end stays one, but for a person's act or the proof that there is a widget after all.
        if before.job.state in (State.SUCCEEDED, State.DEAD, State.CANCELLED) and step != "redrive":
            assert job.state in (before.job.state, State.SUCCEEDED), _story(before, step, world)

        assert settles(job), _story(before, step, world)
    assert walked > 10_000  # the walk has not been cut short by a rule that permits nothing


def test_the_walk_finds_the_second_widget_that_a_mistaken_person_costs() -> None:
    """The walk can see what it looks for: where the promise is waived, it finds it broken."""
    assert any(world.truth - world.by_order > 1 for _, _, world in explore(WALKS["hold, a mistaken person"]))
