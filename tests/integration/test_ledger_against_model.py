"""
The same random histories on a real Valkey and on the pure model; after every step all of Redis is compared.

One batch of a few jobs over two credentials, hands that hold stale claims, a clock that only the test
moves. PROVISION_TEST_EXAMPLES sets how many histories are tried.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from provisioning import scopes
from provisioning.attempt import Attempt, Bounds, Evidence, Outcome, Result
from provisioning.job import Verdict
from provisioning.ledger import Answered, Claim, Deferral, Intent, Ledger, Redriven, keys, transitions
from provisioning.ledger.codec import read_history, words_of
from provisioning.ledger.first_few import first_few
from provisioning.ledger.schema import Go
from provisioning.ledger.scripts import Call
from provisioning.lifecycle import UNSETTLED, Event, State
from tests.support import lifecycle_model as model
from tests.support.ledger_fixtures import LEASE, NOW, TARGET, Clock, new_job, snapshot
from tests.support.lifecycle_model import Belief, Job

T = TypeVar("T")

B = "b1"
BATCH = keys.batch(B)
CREDENTIALS = ("acme", "zeta")

EXAMPLES = int(os.environ.get("PROVISION_TEST_EXAMPLES", "40"))

Answer = Literal[
    "created", "rejected", "unprocessed", "exhausted", "failed", "refused", "withdrawn", "doubted", "unseen"
]
ANSWERS: dict[Answer, tuple[Event, Bounds, Outcome]] = {
    "created": (Event.CREATED, Bounds(1, 0), Outcome.CREATED),
    "rejected": (Event.REJECTED, Bounds(0, -1), Outcome.REJECTED),
    "unprocessed": (Event.RETRY_DUE, Bounds(0, -1), Outcome.UNPROCESSED),
    "exhausted": (Event.EXHAUSTED, Bounds(0, 0), Outcome.FAILED),
    "failed": (Event.RETRY_DUE, Bounds(0, 0), Outcome.FAILED),
    "refused": (Event.REFUSED, Bounds(0, -1), Outcome.DENIED),
    "withdrawn": (Event.REFUSED, Bounds(0, -1), Outcome.UNPROCESSED),  # before a byte was sent
    "doubted": (Event.DOUBTED, Bounds(0, 0), Outcome.IN_DOUBT),
    "unseen": (Event.RETRY_DUE, Bounds(0, 0), Outcome.IN_DOUBT),  # on_in_doubt=retry
}

NEAR = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3])
"""Which of several to take: mostly the first, where the one to which most can happen stands."""

BECAUSE = st.sampled_from(["", "a second one is no harm"])

HOLDS = (scopes.EVERYTHING, scopes.of_batch(B), scopes.of_credential("acme"), scopes.of_target(TARGET))


class LedgerAgainstModel(RuleBasedStateMachine):
    """Each rule does one thing to both; the invariants compare everything."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.redis = Redis.from_url(self.url)
        self.ledger = Ledger(self.redis, self.clock)
        self.jobs: dict[int, Job] = {}
        self.credential: dict[int, str] = {}
        self.token = 0
        self.attempts = 0  # of the batch: intents granted and not withdrawn
        self.leases: dict[int, float] = {}
        self.waiting: dict[int, float] = {}
        self.holds: set[str] = set()
        self.first: int | None = None  # the highest number that is sent before the batch is paused
        self.submissions = 0
        self.hands: list[tuple[Claim, int]] = []  # every claim ever made, with the next attempt to send
        self.posts: list[tuple[Claim, int]] = []  # every POST that was let go
        self.run(self.redis.flushall())

    def teardown(self) -> None:
        self.run(self.ledger.close())
        self.loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T] | Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def do(self, call: Call[T]) -> T:
        reply: T = self.run(self.ledger.do(call))
        return reply

    def put(self, number: int, job: Job) -> None:
        """What follows from a move for leases and waiting."""
        self.jobs[number] = job
        if job.state not in (State.CLAIMED, State.SENDING):
            self.leases.pop(number, None)
        if job.state is not State.QUEUED:
            self.waiting.pop(number, None)

    def held(self, credential: str) -> str:
        if self.holds & {scopes.EVERYTHING, scopes.of_batch(B)}:
            return "paused"
        return "braked" if self.holds & {scopes.of_credential(credential), scopes.of_target(TARGET)} else ""

    def claims_by_life(self) -> list[int]:
        """Indexes of `hands`: the claims that still hold first, then the stale ones, the newest first."""
        indexes = range(len(self.hands) - 1, -1, -1)
        return sorted(indexes, key=lambda i: not self.holds_still(self.hands[i][0]))

    def holds_still(self, claim: Claim) -> bool:
        job = self.jobs[claim.number]
        return job.token == claim.token and job.state in (State.CLAIMED, State.SENDING)

    def posts_by_life(self) -> list[tuple[Claim, int]]:
        """POSTs without an answer first, the newest first."""

        def order(post: tuple[Claim, int]) -> tuple[bool, int, int]:
            job, (token, attempt) = self.jobs[post[0].number], (post[0].token, post[1])
            sent = job.state is State.SENDING and job.last == (token, attempt)
            answered = not sent and job.belief((token, attempt)) in (None, Belief.ANSWERED)
            return answered, -token, -attempt

        return sorted(self.posts, key=order)

    def some_job_is(self, *states: State) -> bool:
        return any(job.state in states for job in self.jobs.values())

    # -- what happens -------------------------------------------------------------------------------

    @initialize(more=st.integers(1, 3), few=st.sampled_from([0, 0, 1, 2]))
    def open(self, more: int, few: int) -> None:
        self.do(transitions.open_batch(B, "name", {}))
        if few:
            self.limit(jobs=few, end=False)
        for _ in range(more):
            self._accept()

    @precondition(lambda self: len(self.jobs) < 5)
    @rule()
    def accept(self) -> None:
        self._accept()

    def _accept(self) -> None:
        n = len(self.jobs) + 1
        credential = CREDENTIALS[n % 2]
        [accepted] = self.do(transitions.accept(B, [new_job(f"k{n}", credential, fingerprint="fp")], "ana"))
        assert (accepted.verdict, accepted.job_id) == (Verdict.NEW, f"{B}.{n}")
        self.jobs[n] = Job()
        self.credential[n] = credential

    def kept_fingerprint(self, n: int) -> str:
        return str(self.run(snapshot(self.redis))[f"{keys.jobs(B)} {n}"]["fingerprint"])

    @rule(jobs=st.integers(1, 2), end=st.booleans())
    def limit(self, jobs: int, end: bool) -> None:
        """A submission asks for its first few jobs, and may end without any."""
        self.submissions += 1
        few = first_few(jobs, "ana", f"s{self.submissions}")
        self.do(transitions.open_batch(few.asked, "name", {}, first=few))
        if self.first is None:
            self.first = len(self.jobs) + jobs
        if end:
            ended = len(self.jobs) <= self.first
            assert self.do(transitions.end_first(B, few)) == ended
            self.first = None if ended else self.first

    def is_due(self, n: int) -> bool:
        return self.first is None or n <= self.first

    def _pause_after_first(self, *, roomy: bool) -> None:
        """After a claim of nothing: the rest is paused if and only if the first few have ended."""
        hold = self.run(self.redis.hget(keys.HOLDS, scopes.of_batch(B)))
        paused = hold is not None and scopes.of_batch(B) not in self.holds
        states = {n: job.state for n, job in self.jobs.items()}
        over = (
            not self.waiting
            and not any(self.is_due(n) and state in UNSETTLED for n, state in states.items())
            and any(state is State.QUEUED for state in states.values())
        )
        assert not paused or over
        # A ready list that was not looked into may begin with a job that was cancelled.
        assert paused or not over or self.holds or not roomy
        if paused:
            self.holds.add(scopes.of_batch(B))
            self.first = None

    @precondition(lambda self: self.some_job_is(State.DEAD, State.CANCELLED, State.SUCCEEDED, State.QUEUED))
    @rule(pick=st.integers(0, 4), fp=st.sampled_from(["fp", "other"]), justification=BECAUSE)
    def hand_over_again(self, pick: int, fp: str, justification: str) -> None:
        n = pick % len(self.jobs) + 1
        job = self.jobs[n]
        again = new_job(f"k{n}", self.credential[n], fingerprint=fp)
        same = self.kept_fingerprint(n) == fp
        [planned] = self.do(transitions.accept("", [again], "", justification=justification, dry=True))
        [accepted] = self.do(transitions.accept("b2", [again], "ana", justification=justification))
        assert planned == accepted
        kept = self.kept_fingerprint(n)
        refused = job.bounds.most > 0 and not justification
        verdicts = {
            State.SUCCEEDED: Verdict.SUCCEEDED if same else Verdict.CHANGED,
            State.IN_DOUBT: Verdict.IN_DOUBT,
            State.CANCELLED: Verdict.RISKY if refused else Verdict.REDRIVEN,
            State.DEAD: Verdict.DEAD if same else Verdict.RISKY if refused else Verdict.REDRIVEN,
        }
        untouched = job.state is State.QUEUED and not job.attempts and not job.bounds.most
        on_its_way = Verdict.QUEUED if same else Verdict.REPLACED if untouched else Verdict.CHANGED
        assert accepted.verdict == verdicts.get(job.state, on_its_way)
        assert accepted.job_id == f"{B}.{n}"
        assert not (refused and accepted.verdict is Verdict.REDRIVEN)
        if accepted.verdict in (Verdict.REDRIVEN, Verdict.REPLACED):
            assert kept == fp
        if accepted.verdict is Verdict.REDRIVEN:
            self.put(n, model.redriven(job))

    @precondition(lambda self: self.some_job_is(State.QUEUED))
    @rule(most=st.integers(1, 4), room=st.sampled_from([None, None, None, 0, 1]))
    def claim(self, most: int, room: int | None) -> None:
        rooms = {} if room is None else {"acme": (room, room)}
        call = transitions.claim(B, worker="w", lease=LEASE, target=TARGET, most=most, rooms=rooms)
        claims = self.do(call)
        for number, due in list(self.waiting.items()):
            if due <= self.clock.now:
                del self.waiting[number]
        ready = {
            c: [
                n
                for n, job in self.jobs.items()
                if self.credential[n] == c
                and job.state is State.QUEUED
                and n not in self.waiting
                and self.is_due(n)
                and not self.held(c)
            ]
            for c in CREDENTIALS
        }
        room_of = {"acme": most if room is None else room, "zeta": most}
        could = sum(min(len(ready[c]), room_of[c]) for c in CREDENTIALS)
        assert len(claims.jobs) == min(most, could)
        if len(claims.jobs) < sum(map(len, ready.values())):
            assert claims.more
        assert claims.next_due == (min(self.waiting.values()) if self.waiting else None)
        for claim in claims.jobs:
            assert claim.number in ready[claim.credential]
            assert claim.attempts == self.jobs[claim.number].attempts
            assert claim.token > self.token
            self.token = claim.token
            self.put(claim.number, model.claimed(self.jobs[claim.number], claim.token))
            self.leases[claim.number] = self.clock.now + LEASE
            self.hands.append((claim, claim.attempts + 1))
        if self.first is not None and not claims.jobs:
            self._pause_after_first(roomy=room != 0)

    @precondition(lambda self: self.holds or self.first)
    @rule()
    def say_yes(self) -> None:
        """A person resumes the batch: what holds it, or else its limit, is ended."""
        held = scopes.of_batch(B) in self.holds
        came = self.run(self.ledger.operations.release(scopes.of_batch(B)))
        assert came == ("released" if held or self.first is not None else "not_held")
        if held:
            self.holds.remove(scopes.of_batch(B))
        else:
            self.first = None

    @precondition(lambda self: self.hands)
    @rule(pick=NEAR, skip=st.sampled_from([0, 0, 0, 0, 0, 0, -1, 1]), times=st.integers(1, 2))
    def intend(self, pick: int, skip: int, times: int) -> None:
        """The newest claim most often, a stale one at times; said once or twice."""
        index = self.claims_by_life()[pick % len(self.hands)]
        claim, attempt = self.hands[index]
        attempt = max(1, attempt + skip)
        for _ in range(times):
            before = self.jobs[claim.number]
            job, go = model.sending(before, (claim.token, attempt), self.held(claim.credential))
            intent = Intent(claim.number, claim.token, attempt, claim.credential)
            [grant] = self.do(transitions.sending(B, [intent], lease=LEASE, target=TARGET))
            assert grant.go == go
            assert (grant.word is Go.HELD) == (not go and job != before)
            assert grant.word is not Go.HELD or grant.reason == job.reason
            self.put(claim.number, job)
            if go and job != before:
                self.attempts += 1
                self.leases[claim.number] = self.clock.now + LEASE
                self.posts.append((claim, attempt))
                self.hands[index] = (claim, attempt + 1)

    @precondition(lambda self: self.posts)
    @rule(pick=NEAR, answer=st.sampled_from(list(ANSWERS)), delay=st.none() | st.just(20.0))
    def answer(self, pick: int, answer: Answer, delay: float | None) -> None:
        claim, attempt = self.posts_by_life()[pick % len(self.posts)]
        event, change, outcome = ANSWERS[answer]
        job = self.jobs[claim.number]
        after = model.answered(job, (claim.token, attempt), event, answer, change, answer == "unseen")
        withdrawn = answer == "withdrawn"
        evidence = Evidence.NOTHING_SENT if withdrawn else Evidence.SENT
        self.attempts -= withdrawn and after != job
        said = Answered(
            number=claim.number,
            token=claim.token,
            event=event,
            reason=answer,
            change=change,
            attempt=Attempt(attempt, NOW, 0.1, outcome, evidence, error=answer, next_delay=delay),
            result=Result(f"{claim.token}.{attempt}", "key") if event is Event.CREATED else None,
        )
        [recorded] = self.do(transitions.answered(B, [said]))
        assert recorded.taken or after == job
        assert (recorded.state, recorded.reason) == (after.state, after.reason)
        assert recorded.moved or (after.state, after.reason) == (job.state, job.reason)
        if after.state is State.QUEUED and job.state is State.IN_DOUBT and delay:
            self.waiting[claim.number] = self.clock.now + delay
        self.put(claim.number, after)

    @precondition(lambda self: self.hands)
    @rule(pick=NEAR, delay=st.sampled_from([0.0, 10.0]))
    def defer(self, pick: int, delay: float) -> None:
        claim, _ = self.hands[self.claims_by_life()[pick % len(self.hands)]]
        job = self.jobs[claim.number]
        after = model.deferred(job, claim.token, "later")
        [handed] = self.do(transitions.deferred(B, [Deferral(claim.number, claim.token, delay, "later")]))
        assert handed.taken == handed.moved == (after != job)
        assert (handed.state, handed.reason) == (after.state, after.reason)
        if handed.taken and delay:
            self.waiting[claim.number] = self.clock.now + delay
        self.put(claim.number, after)

    @precondition(lambda self: self.hands)
    @rule(pick=NEAR)
    def renew(self, pick: int) -> None:
        claim, _ = self.hands[self.claims_by_life()[pick % len(self.hands)]]
        job = self.jobs[claim.number]
        mine = job.state in (State.CLAIMED, State.SENDING) and job.token == claim.token
        lost = self.do(transitions.renew(B, [(claim.number, claim.token)], lease=LEASE))
        assert lost == ([] if mine else [claim.number])
        if mine:
            self.leases[claim.number] = self.clock.now + LEASE

    @rule(seconds=st.sampled_from([1, 10, 20, 31]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.leases)
    @rule(retry=st.booleans(), lapse=st.sampled_from([True, True, False]))
    def rescue(self, retry: bool, lapse: bool) -> None:
        if lapse:
            self.clock.advance(LEASE)
        rescued = self.do(transitions.rescue(B, on_in_doubt="retry" if retry else "hold"))
        queued = doubted = 0
        for number in [n for n, end in self.leases.items() if end <= self.clock.now]:
            job = model.lapsed(self.jobs[number], retry=retry)
            queued += job.state is State.QUEUED
            doubted += job.state is State.IN_DOUBT
            self.put(number, job)
        states = [lapse.state for lapse in rescued.jobs]
        assert (states.count(State.QUEUED), states.count(State.IN_DOUBT)) == (queued, doubted)

    @precondition(lambda self: self.some_job_is(State.QUEUED) and not self.holds)
    @rule(retry=st.booleans())
    def a_worker_falls_silent_while_sending(self, retry: bool) -> None:
        """Three steps in one: from here on its answer will be late, which is where the scripts are subtle."""
        self.claim(most=1, room=None)
        if self.hands:
            self.intend(pick=0, skip=0, times=1)
        self.rescue(retry=retry, lapse=True)

    @precondition(lambda self: not self.holds)
    @rule(scope=st.sampled_from(HOLDS))
    def hold(self, scope: str) -> None:
        assert self.run(self.ledger.operations.hold(scope, actor="ana", justification="")) == (
            scope not in self.holds
        )
        self.holds.add(scope)

    @precondition(lambda self: self.holds)
    @rule()
    def release(self) -> None:
        for scope in self.holds:
            assert self.run(self.ledger.operations.release(scope)) == "released"
        self.holds.clear()

    @precondition(lambda self: self.some_job_is(State.QUEUED, State.CLAIMED, State.SENDING))
    @rule(first=st.integers(1, 3), last=st.integers(1, 4), credential=st.none() | st.just("acme"))
    def cancel(self, first: int, last: int, credential: str | None) -> None:
        gone = 0
        for n in range(first, last + 1):
            if n in self.jobs and credential in (None, self.credential[n]):
                job = model.cancelled(self.jobs[n])
                gone += job.state is State.CANCELLED and self.jobs[n].state is not State.CANCELLED
                self.put(n, job)
        assert self.do(transitions.cancel(B, first, last, "ana", credential)) == gone

    @precondition(lambda self: self.some_job_is(State.DEAD, State.CANCELLED))
    @rule(pick=st.integers(0, 3), justification=BECAUSE)
    def redrive(self, pick: int, justification: str) -> None:
        gone = [n for n, job in self.jobs.items() if job.state in (State.DEAD, State.CANCELLED)]
        n = gone[pick % len(gone)]
        after = model.redriven(self.jobs[n], accepts=bool(justification))
        risky = self.jobs[n].bounds.most > 0
        came = Redriven(0, 0, 1) if risky and not justification else Redriven(1, int(risky), 0)
        assert self.do(transitions.redrive(B, [n], "ana", justification=justification)) == came
        self.put(n, after)

    @precondition(lambda self: self.some_job_is(State.IN_DOUBT))
    @rule(pick=st.integers(0, 3), created=st.booleans(), typed=st.booleans())
    def resolve(self, pick: int, created: bool, typed: bool) -> None:
        doubtful = [n for n, job in self.jobs.items() if job.state is State.IN_DOUBT]
        n = doubtful[pick % len(doubtful)]
        after = model.resolved(self.jobs[n], created=created)
        result = Result("typed") if created and typed else None
        assert self.run(
            self.ledger.operations.resolve(B, n, created=created, actor="ana", result=result)
        ) == (after != self.jobs[n])
        self.put(n, after)

    # -- what must agree at every step --------------------------------------------------------------

    @invariant()
    def all_of_redis_agrees_with_the_model(self) -> None:
        state = self.run(snapshot(self.redis))
        if not self.jobs:
            return
        settled = not self.some_job_is(*UNSETTLED)
        if settled and self.first is not None and len(self.jobs) > self.first:
            self.first = None
        kept = state[BATCH].get("first")
        assert (None if kept is None else int(kept)) == self.first
        for n, job in self.jobs.items():
            self._same_job(job, state[f"{keys.jobs(B)} {n}"])
        self._same_counts(state)
        self._same_indexes(state)
        self._no_result_is_lost(state)

    def _same_job(self, job: Job, kept: dict[str, str]) -> None:
        beliefs = {name: word for name, word in kept.items() if name.startswith("post ")}
        assert (
            kept["state"],
            kept["reason"],
            int(kept.get("token", 0)),
            int(kept.get("attempts", 0)),
            Bounds(int(kept.get("least", 0)), int(kept.get("most", 0))),
            beliefs,
        ) == (
            job.state,
            job.reason,
            job.token,
            job.attempts,
            job.bounds,
            {f"post {token}:{attempt}": belief for (token, attempt), belief in job.posts},
        )
        assert ("worker" in kept) == (job.state in (State.CLAIMED, State.SENDING))

    def _same_counts(self, state: dict[str, Any]) -> None:
        batch, jobs = state[BATCH], self.jobs.values()
        recount = {each: sum(job.state is each for job in jobs) for each in State}
        assert {each: int(batch.get(each, 0)) for each in State} == recount
        assert sum(recount.values()) == int(batch["accepted"]) == len(jobs)
        assert int(batch.get("least", 0)) == sum(job.bounds.least for job in jobs)
        assert int(batch.get("most", 0)) == sum(job.bounds.most for job in jobs)
        assert int(batch.get("attempts", 0)) == self.attempts
        unsettled = any(job.state in UNSETTLED for job in jobs)
        assert (B in state.get(keys.ACTIVE, {})) == unsettled
        assert ("settled_at" in batch) == (not unsettled)

    def _same_indexes(self, state: dict[str, Any]) -> None:
        leases = {int(n): end / 1000 for n, end in state.get(keys.leases(B), {}).items()}
        assert leases == self.leases
        assert set(leases) == {n for n, j in self.jobs.items() if j.state in (State.CLAIMED, State.SENDING)}

        waiting = {int(n): due / 1000 for n, due in state.get(keys.waiting(B), {}).items()}
        assert waiting == self.waiting
        for n, job in self.jobs.items():
            ready = state.get(keys.ready(B, self.credential[n]), [])
            if job.state is State.QUEUED:
                assert n in waiting or str(n) in ready
        lists = {c for c in CREDENTIALS if keys.ready(B, c) in state}
        assert lists <= set(state.get(f"{BATCH}:credentials", []))

        causes: dict[str, int] = {}
        for each in (State.DEAD, State.IN_DOUBT):
            members = {n for n, job in self.jobs.items() if job.state is each}
            assert set(map(int, state.get(keys.settled_badly(B, each), {}))) == members
            for n in members:
                cause = f"{each}:{self.jobs[n].reason}"
                causes[cause] = causes.get(cause, 0) + 1
        assert {cause: int(n) for cause, n in state.get(keys.causes(B), {}).items()} == causes

        risk: dict[str, int] = {}
        for job in self.jobs.values():
            if job.state is State.DEAD:
                risk[f"all:{job.reason}"] = risk.get(f"all:{job.reason}", 0) + 1
                if job.bounds.most > 0:
                    risk[f"risky:{job.reason}"] = risk.get(f"risky:{job.reason}", 0) + 1
        assert {field: int(n) for field, n in state.get(keys.risk(B), {}).items()} == risk

    def _no_result_is_lost(self, state: dict[str, Any]) -> None:
        """Every POST that was recorded as created has its widget in the ledger, each once."""
        words = words_of(self.run(self.redis.hgetall(keys.words(B))))
        kept = " ".join(state[f"{keys.jobs(B)} {n}"].get("result", "") for n in self.jobs)
        kept += " ".join(state.get(keys.late_results(B), {}).values())
        for n, job in self.jobs.items():
            story = state[f"{keys.jobs(B)} {n}"].get("story", "").encode()
            created = sum(a.outcome is Outcome.CREATED for a in read_history(story, words)[0])
            mine = [c for c, _ in self.posts if c.number == n]
            ids = {f'"{c.token}.{a}"' for c, a in self.posts if c in mine}
            assert sum(kept.count(each) for each in ids) == created
            if created:
                assert job.state is State.SUCCEEDED


@pytest.mark.timeout(max(120, 3 * EXAMPLES))
def test_the_scripts_do_what_the_model_does(valkey_url: str) -> None:
    machine = type("Machine", (LedgerAgainstModel,), {"url": valkey_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize="CI" in os.environ,
        ),
    )
