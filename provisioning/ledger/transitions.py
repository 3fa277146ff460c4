"""
Every transition of the ledger, as a value to be sent: one function a script of `lua/`.

Pure: a function takes exactly what its transition needs and returns the `Call`; what the ledger
promises about it stands at the head of the script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from provisioning import keys
from provisioning.attempt import Result
from provisioning.job import Accepted, NewJob, Verdict, spellings_of, split_job_id
from provisioning.learned_rate import LearnedRate
from provisioning.ledger import kept
from provisioning.ledger.records import (
    Answered,
    Claim,
    Claims,
    Deferral,
    Elsewhere,
    Grant,
    Hold,
    Intent,
    KnownRate,
    Match,
    Redriven,
    Release,
    Rescue,
    Selection,
    SourceFile,
    Whose,
)
from provisioning.ledger.scripts import Argument, Call
from provisioning.pace import AHEAD, BURST, Rate, Tokens

_json = msgspec.json.encode


SENT_BEFORE = -1
"""Instead of a number to draw by: probes are jobs that were sent before."""

RESCUED = 200
"""Lapsed leases settled in one call: about a millisecond of Redis' time."""


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def open_batch(batch: str, name: str, meta: Mapping[str, str], *, period: str = "") -> Call[tuple[str, bool]]:
    """
    Opens `batch` under a name, or finds the one that has it. Reads: its id, and whether it is new.

    Args:
        period: for which a batch has this name; one of an earlier period gives it up. Empty for good.
    """
    fields = [part for item in meta.items() for part in item]
    return Call(
        "open_batch",
        keys.batch(batch),
        [name, period, *fields],
        lambda reply: (_text(reply[0]), reply[1] == 1),
    )


def discard_batch(batch: str) -> Call[bool]:
    """Takes an empty batch back. Reads: whether it was empty and is gone."""
    return Call("discard_batch", keys.batch(batch), [], bool)


def add_source(batch: str, source: SourceFile) -> Call[bool]:
    """Notes a file whose rows were all handed over. Reads: whether it was not there yet."""
    facts = {"name": source.name, "sha256": source.sha256, "rows": source.rows, "by": source.by}
    return Call("add_source", keys.batch(batch), [source.sha256, _json(facts)], bool)


def accept(
    batch: str,
    jobs: Sequence[NewJob],
    who: str,
    *,
    because: str = "",
    leave_ended: bool = False,
    dry: bool = False,
    home: str = "",
) -> Call[list[Accepted]]:
    """
    Records jobs. Reads: the verdict on each, in order.

    Args:
        jobs: at most a few hundred at a time; Lua's stack takes some thousand arguments.
        who: the person or service that hands over, for the story of a redriven job.
        because: why a second widget is accepted of jobs that had ended; empty if it is not.
        leave_ended: whether jobs that were given up or cancelled stay as they are.
        dry: whether nothing is changed, and the verdicts are those there would be now. `batch` is '' then.
        home: batch with whose key the bodies are sealed; empty for `batch`.
    """
    spellings = {number: other for number, job in enumerate(jobs, 1) if (other := job.other_spellings())}
    args: list[str | bytes] = [
        who,
        because,
        "leave" if leave_ended else "",
        "dry" if dry else "",
        _json(spellings) if spellings else "",
    ]
    for job in jobs:
        content = job.fingerprint[: kept.FINGERPRINT]
        if dry:  # nothing else of it decides
            args += (job.key, job.credential, "", "", content, "", "")
            continue
        row = "" if job.row is None else str(job.row)
        args += (job.key, job.credential, row, job.label, content, job.trace, job.body)

    def read(reply: Any) -> list[Any]:
        pairs = zip(map(_text, reply[::2]), map(_text, reply[1::2]), strict=True)
        return [
            Elsewhere(split_job_id(job_id)[0]) if word == "elsewhere" else Accepted(Verdict(word), job_id)
            for word, job_id in pairs
        ]

    def again(which: int, home: str) -> Call[list[Accepted]]:
        return accept(batch, [jobs[which]], who, because=because, leave_ended=leave_ended, home=home)

    return Call("accept", keys.batch(batch), args, read, home=home, again=again)


def claim(
    batch: str,
    *,
    worker: str,
    lease: float,
    target: str,
    most: int,
    rooms: Mapping[str, tuple[int, int]],
    usual_room: int | None = None,
    draw: int | None = None,
) -> Call[Claims]:
    """
    Claims up to `most` ready jobs for `worker`.

    Args:
        lease: seconds.
        target: base address of the API; its brake is respected.
        rooms: most jobs to claim of single credentials, and most if the batch is urgent.
        usual_room: most jobs to claim of any other; None for `most`.
        draw: a number to draw by, for probes: jobs that were never sent, from anywhere in the batch;
            `SENT_BEFORE` for probes that were sent once or twice. None for jobs in their order.
    """
    limits = [part for name, (room, urgent) in rooms.items() for part in (name, room, urgent)]

    def read(reply: Any) -> Claims:
        flat, more, next_due, urgent, on_in_doubt = reply
        jobs = [
            Claim(
                batch=batch,
                number=int(flat[i]),
                token=int(flat[i + 1]),
                key=_text(flat[i + 2]),
                credential=_text(flat[i + 3]),
                row=int(flat[i + 4]) if flat[i + 4] else None,
                attempts=int(flat[i + 5]),
                most=int(flat[i + 6]),
                trace=_text(flat[i + 7]),
                again=flat[i + 8] == 1,
                body=flat[i + 9] or b"",
                urgent=urgent == 1,
                on_in_doubt=_text(on_in_doubt),
            )
            for i in range(0, len(flat), 10)
        ]
        due = float(next_due)
        return Claims(jobs, more == 1, due / 1000 if due else None)

    usual = most if usual_room is None else usual_room
    args = [worker, int(lease * 1000), target, most, usual, "" if draw is None else draw, *limits]
    return Call("claim", keys.batch(batch), args, read)


_GRANTS = {
    0: Grant(go=False),
    1: Grant(go=True),
    2: Grant(go=False, held=True),
    3: Grant(go=True, trial=True),
    4: Grant(go=False, cancelled=True),
}


def sending(batch: str, intents: Sequence[Intent], *, lease: float, target: str) -> Call[list[Grant]]:
    """Records intents to POST. Reads: whether each may start, in order. `lease` in seconds."""
    args: list[str | int] = [int(lease * 1000), target]
    for intent in intents:
        args += (intent.number, intent.token, intent.attempt, intent.credential)
    return Call("sending", keys.batch(batch), args, lambda reply: [_GRANTS[code] for code in reply])


def answered(batch: str, answers: Sequence[Answered], *, stop_loss: int = 0) -> Call[list[bool]]:
    """
    Records what came of POSTs. Reads: whether each was still the caller's to record, in order.

    Args:
        stop_loss: first jobs dead of one cause that hold the batch back; 0 for never.
    """
    args: list[str | bytes | int] = [stop_loss]
    for answer in answers:
        # The widget goes for itself, to be sealed.
        said = msgspec.structs.replace(answer, result=None)
        args += (_json(said), kept.encode_result(answer.result) if answer.result else "")
    return Call("answered", keys.batch(batch), args, lambda reply: [code > 0 for code in reply])


def deferred(batch: str, deferrals: Sequence[Deferral]) -> Call[list[bool]]:
    """Hands claimed jobs back. Reads: whether each was still the caller's, in order."""
    args: list[str | int] = []
    for job in deferrals:
        args += (job.number, job.token, int(job.delay * 1000), job.reason)
    return Call("deferred", keys.batch(batch), args, lambda reply: [code == 1 for code in reply])


def renew(batch: str, held: Sequence[tuple[int, int]], *, lease: float) -> Call[list[int]]:
    """Renews leases of (number, token) pairs for `lease` seconds. Reads: numbers of the lost jobs."""
    args = [int(lease * 1000), *(part for pair in held for part in pair)]
    return Call("renew", keys.batch(batch), args, lambda reply: [int(number) for number in reply])


def rescue(
    batch: str, *, on_in_doubt: Literal["hold", "retry"], attempts: int = 0, most: int = RESCUED
) -> Call[Rescue]:
    """
    Settles up to `most` lapsed leases of a batch.

    Args:
        attempts: a job with so many is in doubt even where doubts are retried; 0 for no limit.
    """

    def read(reply: Any) -> Rescue:
        queued, doubted, ready, facts = reply
        whose = {
            int(n): Whose(_text(key), int(row) if row else None, _text(worker))
            for n, key, row, worker in zip(*[iter(facts)] * 4, strict=True)
        }
        return Rescue([int(n) for n in queued], [int(n) for n in doubted], ready == 1, whose)

    return Call("rescue", keys.batch(batch), [most, on_in_doubt, attempts], read)


def cancel(batch: str, first: int, last: int, who: str, credential: str | None = None) -> Call[int]:
    """Calls off what is queued or claimed between two numbers. Reads: how many jobs that were."""
    return Call("cancel", keys.batch(batch), [first, last, who, credential or ""], int)


def matching(batch: str, wanted: Selection, after: str, most: int) -> Call[tuple[str, list[Match]]]:
    """Looks through at most `most` jobs. Reads: where it ended, empty at the end; those that are meant."""

    def ms(at: float | None) -> str:
        return "" if at is None else str(int(at * 1000))

    def read(reply: Any) -> tuple[str, list[Match]]:
        flat = reply[1]
        found = [
            Match(int(flat[i]), _text(flat[i + 1]), int(flat[i + 2]) / 1000, flat[i + 3], flat[i + 4])
            for i in range(0, len(flat), 5)
        ]
        return _text(reply[0]), found

    key, *other_spellings = spellings_of(wanted.key)
    filters = (wanted.reason, wanted.credential, key, ms(wanted.since), ms(wanted.until))
    args = [wanted.state or "", after, most, *filters, *other_spellings]
    return Call("matching", keys.batch(batch), args, read)


def redrive(batch: str, numbers: Sequence[int], who: str, *, because: str = "") -> Call[Redriven]:
    """
    Queues dead or cancelled jobs again.

    Args:
        because: why a second widget is accepted; empty leaves the jobs that may make one.
    """
    return Call("redrive", keys.batch(batch), [who, because, *numbers], lambda reply: Redriven(*reply))


def reap(
    batch: str, what: str, sweep: str, most: int, *, ended_by: float = 0.0, count_from: int | None = None
) -> Call[tuple[int, bool]]:
    """
    Lets go of a class of things in a stretch of a batch. Reads: of how many jobs; if that was all.

    Args:
        sweep: a word for this going over the batch; of `batches` ms when it settled, as the caller read it.
        ended_by: Unix seconds; of jobs that ended later nothing is let go of, but for `batches`.
        count_from: number to look from, where nothing shall be changed.
    """
    count = "" if count_from is None else count_from
    args: list[Argument] = [what, sweep, most, int(ended_by * 1000), count]
    return Call("reap", keys.batch(batch), args, lambda reply: (int(reply[0]), reply[1] == 1))


def resolve(batch: str, number: int, *, created: bool, who: str, result: Result | None = None) -> Call[bool]:
    """Settles a doubt by a person's word. Reads: whether the job was in doubt."""
    word = "created" if created else "absent"
    found = kept.encode_result(result) if result else ""
    return Call("resolve", keys.batch(batch), [number, word, who, found], bool)


def shred(batch: str, first: int, last: int) -> Call[int]:
    """Lets go of the widgets between two numbers. Reads: how many there were."""
    return Call("shred", keys.batch(batch), [first, last], int)


def take(credential: str, rate: Rate, want: int) -> Call[Tokens]:
    """
    Reserves up to `want` sending times of a credential's pace.

    Args:
        rate: the pace where no operator has set another one.
    """

    def read(reply: Any) -> Tokens:
        count = int(reply[0])
        start, interval = float(reply[1]) / 1000, float(reply[2]) / 1000
        return Tokens(None if count < 0 else count, start, interval, learned=reply[4] == 1)

    args: list[Argument] = [credential, rate.word, want, int(AHEAD * 1000), int(BURST * 1000)]
    return Call("take", keys.pace(credential), args, read)


def learned_rate(credential: str) -> Call[KnownRate]:
    """Reads what 429s have taught of a credential's rate."""
    return Call("learned", keys.LEARNED, [credential], _known_rate)


def replace_learned_rate(credential: str, read: bytes, rate: LearnedRate | None) -> Call[KnownRate]:
    """
    Replaces what is known of a credential's rate. Reads: whether it was replaced, and what is known now.

    Args:
        read: what was known, as it was read; if it is something else by now, nothing is done.
    """
    new = b"" if rate is None else _json(rate)
    return Call("learned", keys.LEARNED, [credential, read, new], _known_rate)


def _known_rate(reply: Any) -> KnownRate:
    raw = reply[1] if isinstance(reply[1], bytes) else str(reply[1]).encode()
    return KnownRate(
        msgspec.json.decode(raw, type=LearnedRate) if raw else None, raw, reply[2] / 1000, reply[0] == 1
    )


def brake(hold: Hold) -> Call[bool]:
    """
    Puts a brake on `hold.scope`, until a person lets it go on.

    Reads: whether it is on now; False if the scope was held already.
    """
    return Call("brake", keys.HOLDS, [hold.scope, _json(hold)], bool)


def release(scope: str) -> Call[Release]:
    """A person lets a scope go on."""
    words: tuple[Release, ...] = ("not_held", "released", "probe")
    return Call("release", keys.HOLDS, [scope], lambda reply: words[reply])


def tried(scope: str, shown: Literal["good", "bad", "unclear"]) -> Call[bool]:
    """What the probe through a brake has shown. Reads: whether the brake has come off by it."""
    return Call("tried", keys.HOLDS, [scope, shown], lambda reply: reply == 3)
