# ruff: noqa: ARG001 - all faults have the same signature
"""
The faults that the sandbox can inject, one function each. Its name is the fault's name, its docstring is the
description that users see.

A fault only decides: it returns a `Conduct`, and `wire` executes it. Stages:

    door   before the request is read; can happen to every POST. Nothing is created.
    work   the request is valid, and no widget exists yet. Nothing is created.
    made   the widget exists, and its answer is wrong or lost. A retry then creates a duplicate.

A refused request (401, 404, 422, …) does not reach `work` or `made`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from sandbox import contract
from sandbox.conduct import Closed, Conduct, Dribbled, HalfStatusLine, Reset, Stalled, Truncated, Whole
from sandbox.contract import HTML, JSON, TEXT, Answer
from sandbox.draws import draw


class Stage(StrEnum):
    """When a fault happens during the handling of a request."""

    DOOR = "door"
    WORK = "work"
    MADE = "made"


@dataclass(frozen=True, slots=True)
class Case:
    """
    The request that a fault happens to.

    Attributes:
        due: the correct answer, at stage `made`; an empty one before.
        argument: the number after the probability; None if none was given.
        form: any whole number, equal for equal requests; selects a spelling of the answer.
    """

    due: Answer = Answer(200)  # noqa: RUF009 - frozen, and its headers are never written to
    argument: float | None = None
    form: int = 0


Play = Callable[[Case], Conduct]


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault.

    Attributes:
        name: as on the command line.
        stage: when it happens.
        takes: meaning of its argument; empty if it has none.
        play: decides what the sandbox does.
    """

    name: str
    stage: Stage
    takes: str
    play: Play

    @property
    def meaning(self) -> str:
        """Its description, one line."""
        return " ".join((self.play.__doc__ or "").split())

    @property
    def creates(self) -> bool:
        """Whether a widget exists after it."""
        return self.stage is Stage.MADE


FAULTS: dict[str, Fault] = {}
"""Every fault by name, in the order of this file."""


def fault(stage: Stage, takes: str = "") -> Callable[[Play], Play]:
    """Add the function to `FAULTS` under its own name, with hyphens."""

    def add(play: Play) -> Play:
        name = play.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, stage, takes, play)
        return play

    return add


# Stage `door`: a gateway, a proxy or a wrong server answers instead of the API.

_RETRY_AFTER = "Retry-After in whole seconds; none: no such header"


@fault(Stage.DOOR)
def reset_before(case: Case) -> Conduct:
    """The connection is reset before anything was done."""
    return Reset()


@fault(Stage.DOOR)
def error_502(case: Case) -> Conduct:
    """502 with a gateway's HTML page."""
    return Whole(contract.gateway_error(502, "Bad Gateway"))


@fault(Stage.DOOR, takes=_RETRY_AFTER)
def error_503(case: Case) -> Conduct:
    """503 with a gateway's HTML page."""
    return Whole(contract.gateway_error(503, "Service Unavailable", _whole(case.argument)))


@fault(Stage.DOOR)
def error_504(case: Case) -> Conduct:
    """504 with a gateway's HTML page; nothing was done behind it."""
    return Whole(contract.gateway_error(504, "Gateway Timeout"))


@fault(Stage.DOOR, takes=_RETRY_AFTER)
def error_429(case: Case) -> Conduct:
    """429, too many requests."""
    return Whole(contract.too_many(_whole(case.argument)))


@fault(Stage.DOOR)
def error_401(case: Case) -> Conduct:
    """401 although the credentials are right, in one of its three shapes."""
    return Whole(contract.unauthorized(("envelope", "message", "text")[case.form % 3]))


@fault(Stage.DOOR)
def html(case: Case) -> Conduct:
    """404 with a web page, as a wrong host would answer."""
    return Whole(Answer(404, b"<!doctype html>\n<title>Not found</title>\n<h1>404</h1>\n", HTML))


@fault(Stage.DOOR)
def redirect(case: Case) -> Conduct:
    """302 to a login page."""
    return Whole(Answer(302, b"", {**TEXT, "Location": "/login"}))


# Stage `work`: the API refuses or fails before it creates anything.


@fault(Stage.WORK)
def error_500(case: Case) -> Conduct:
    """500 before anything was created."""
    return Whole(contract.internal_error(case.form))


@fault(Stage.WORK)
def no_company(case: Case) -> Conduct:
    """500 whose description says that the token has no company assigned."""
    return Whole(contract.no_company(case.form))


@fault(Stage.WORK)
def error_403(case: Case) -> Conduct:
    """403 FORBIDDEN_BOT, codes in either case."""
    return Whole(contract.forbidden_bot(case.form))


@fault(Stage.WORK)
def error_404_bot(case: Case) -> Conduct:
    """404 BOT_NOT_FOUND, codes in either case."""
    return Whole(contract.bot_not_found(case.form))


@fault(Stage.WORK)
def error_422(case: Case) -> Conduct:
    """422 with a validationError, for a request that is in order."""
    return Whole(contract.unprocessable({"widget.theme": "could not be processed"}, case.form))


@fault(Stage.WORK)
def status_0(case: Case) -> Conduct:
    """200 whose body says status 0, failed; nothing was created."""
    return Whole(_failed_200())


# Stage `made`: the widget exists, and a retry would create a second one.


@fault(Stage.MADE)
def error_500_after_create(case: Case) -> Conduct:
    """500 although the widget was created."""
    return Whole(contract.internal_error(case.form))


@fault(Stage.MADE)
def error_504_after_create(case: Case) -> Conduct:
    """504 with a gateway's HTML page although the widget was created."""
    return Whole(contract.gateway_error(504, "Gateway Timeout"))


@fault(Stage.MADE)
def status_0_after_create(case: Case) -> Conduct:
    """200 whose body says status 0, failed, although the widget was created."""
    return Whole(_failed_200())


@fault(Stage.MADE)
def no_key(case: Case) -> Conduct:
    """200 that says success and lacks data.ApiKey."""
    envelope = msgspec.json.decode(case.due.body)
    del envelope["data"]["ApiKey"]
    return Whole(Answer(200, msgspec.json.encode(envelope)))


@fault(Stage.MADE)
def not_json(case: Case) -> Conduct:
    """200 whose body is plain text."""
    return Whole(Answer(200, b"Widget was created successfully!", TEXT))


@fault(Stage.MADE)
def truncated(case: Case) -> Conduct:
    """200 with a Content-Length larger than what is written, then a close."""
    return Truncated(case.due)


@fault(Stage.MADE)
def half_status_line(case: Case) -> Conduct:
    """A few bytes of the status line, then a close."""
    return HalfStatusLine()


@fault(Stage.MADE)
def reset_after_create(case: Case) -> Conduct:
    """The connection is reset (TCP RST) without an answer."""
    return Reset()


@fault(Stage.MADE)
def close_after_create(case: Case) -> Conduct:
    """The connection is closed in order (TCP FIN) without an answer."""
    return Closed()


@fault(Stage.MADE, takes="seconds of silence; none: 30")
def stall_after_create(case: Case) -> Conduct:
    """Silence, then an orderly close without an answer."""
    return Stalled(30.0 if case.argument is None else case.argument)


@fault(Stage.MADE, takes="seconds the body takes; none: 2")
def slow_body(case: Case) -> Conduct:
    """The true 200, its body dribbled out bit by bit."""
    return Dribbled(case.due, 2.0 if case.argument is None else case.argument)


def _failed_200() -> Answer:
    body = {"message": ["Widget could not be created"], "statusMessage": "failed", "status": 0}
    return Answer(200, msgspec.json.encode(body), JSON)


def _whole(argument: float | None) -> int | None:
    return None if argument is None else round(argument)


# Selecting faults


@dataclass(frozen=True, slots=True)
class Chance:
    """
    A fault with its probability, given as `NAME=PROBABILITY[:ARG]`.

    Attributes:
        probability: share of the requests that reach its stage, 0 to 1.
        argument: of the fault; None if none was given.
    """

    fault: Fault
    probability: float
    argument: float | None = None

    @property
    def odds(self) -> str:
        """`PROBABILITY[:ARG]`, as it was written."""
        return f"{self.probability:g}" + ("" if self.argument is None else f":{self.argument:g}")


_CHANCE = re.compile(r"(?P<name>[^=]+)=(?P<probability>[^:]+)(?::(?P<argument>.*))?")


def parse(text: str) -> Chance:
    """
    Parse `NAME=PROBABILITY[:ARG]`.

    Raises: ValueError with a message for users.
    """
    found = _CHANCE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"fault {text!r} does not read NAME=PROBABILITY[:ARG]")
    name = found["name"].strip()
    known = FAULTS.get(name)
    if known is None:
        raise ValueError(f"there is no fault {name!r}; --list shows them all")
    probability = _number(found["probability"])
    if probability is None or probability > 1:
        raise ValueError(f"fault {name}: the probability {found['probability']!r} is not between 0 and 1")
    if found["argument"] is None:
        return Chance(known, probability)
    if not known.takes:
        raise ValueError(f"fault {name} takes no argument, and got {found['argument']!r}")
    argument = _number(found["argument"])
    if argument is None:
        raise ValueError(f"fault {name}: {found['argument']!r} is no number of seconds")
    return Chance(known, probability, argument)


def _number(text: str) -> float | None:
    """A number that is at least 0; None for everything else, also for `nan` and `inf`."""
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?|\.[0-9]+", text.strip()) else None


class ActiveFaults:
    """
    The active faults, and the random draw that selects requests for them.

    Each fault has its own draw. If several faults of one stage are drawn for a request, the first one in the
    list happens, so a later one happens a little less often than its probability.
    """

    def __init__(self, seed: int, chances: Iterable[Chance] = ()) -> None:
        self._seed = seed
        self._chances: dict[str, Chance] = {chance.fault.name: chance for chance in chances}
        self._by_stage: Mapping[Stage, tuple[Chance, ...]] = {
            stage: tuple(c for c in self._chances.values() if c.fault.stage is stage and c.probability)
            for stage in Stage
        }

    def __iter__(self) -> Iterator[Chance]:
        return iter(self._chances.values())

    def drawn(self, stage: Stage, body_digest: bytes, nth: int) -> Chance | None:
        """The fault that happens to this request at this stage; None if none."""
        for chance in self._by_stage[stage]:
            if draw(self._seed, chance.fault.name, body_digest, nth) < chance.probability:
                return chance
        return None
