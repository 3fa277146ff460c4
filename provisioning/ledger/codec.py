"""
Decodes a stored job, its widget and its history: positions instead of names, numbers instead of words.

With a million jobs, each byte is a megabyte. A job is a JSON array of `schema.JOB`; the next line is its
widget, or empty; the lines below are its history, an array for each attempt and an object for each other
transition.
The scripts write them, this module reads them. The widget is also encoded here: it may be encrypted, and then
no script can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from provisioning.attempt import Attempt, Bounds, Evidence, Outcome, Result
from provisioning.digits import is_whole_number
from provisioning.errors import ContractError
from provisioning.ledger.records import JobRecord, Move
from provisioning.ledger.schema import ATTEMPT, JOB, REASON_OF, WORDS
from provisioning.lifecycle import State

_WHOLE_NUMBER = 10**15
"""Ids below this are stored as numbers: up to here JSON numbers are exact in every language."""

_decode_array = msgspec.json.Decoder(list[Any]).decode
_decode_move = msgspec.json.Decoder(Move).decode
_encode = msgspec.json.encode


def words_of(kept: Mapping[bytes, bytes]) -> dict[int, str]:
    """Number → word of a batch, from the hash that maps both ways; includes the fixed `WORDS`."""
    mine = {int(number): word.decode() for number, word in kept.items() if number.isdigit()}
    return {**dict(enumerate(WORDS, 1)), **mine}


_FIXED = words_of({})


class StoredJob:
    """
    A job as stored. `text` and `number` read its other fields.

    Attributes:
        result: its widget, encrypted or not; empty if it has none.
        history: the lines below that.
    Raises: ContractError if it cannot be read.
    """

    def __init__(self, value: bytes, words: Mapping[int, str] = _FIXED) -> None:
        array, _, below = value.partition(b"\n")
        self.result, _, self.history = below.partition(b"\n")
        try:
            self._values = dict(zip(JOB, _decode_array(array), strict=False))
            self.state = State(_word(self._values["state"], words))
        except (msgspec.DecodeError, KeyError, ValueError) as error:
            raise ContractError(f"the ledger holds a job that this version cannot read: {error}") from error
        self._words = words

    def text(self, field: str) -> str:
        """A field that is a text or a word; empty if it is not set."""
        return _word(self._values.get(field, ""), self._words)

    def number(self, field: str) -> int:
        """A field that is a number; 0 if it is not set."""
        return int(self._values.get(field) or 0)

    @property
    def posts(self) -> dict[str, str]:
        """`TOKEN:ATTEMPT` of each POST without an answer in time → its `Belief`."""
        return dict(self._values.get("posts") or {})

    @property
    def reason(self) -> str:
        """Reason of its last transition."""
        return self.text("reason") or REASON_OF.get(self.state, "")

    def record(
        self, batch: str, number: int, *, due: float | None, result: bytes, late: list[bytes]
    ) -> JobRecord:
        """
        The complete record of the job.

        Args:
            due: ms before which it must not be started.
            result: its widget, decrypted; empty if it has none.
            late: further widgets, decrypted.
        """
        attempts, moves = read_history(self.history, self._words)
        return JobRecord(
            job_id=f"{batch}.{number}",
            batch=batch,
            number=number,
            key=self.text("key"),
            credential=self.text("credential"),
            row=self.number("row") or None,
            label=self.text("label"),
            state=self.state,
            reason=self.reason,
            at=self.number("at") / 1000,
            bounds=Bounds(self.number("least"), self.number("most")),
            attempts=attempts,
            moves=moves,
            worker=self.text("worker"),
            not_before=due / 1000 if due is not None else None,
            result=decode_result(result) if result else None,
            late_results=[decode_result(line) for line in late],
        )


def read_history(history: bytes, words: Mapping[int, str] = _FIXED) -> tuple[list[Attempt], list[Move]]:
    """
    A job's attempts and its other recorded transitions, oldest first.

    If the lease of an attempt expired and its answer came late, the history has two lines for it; the answer
    replaces the expired one.
    Raises: ContractError if a line is neither.
    """
    attempts: list[Attempt] = []
    moves: list[Move] = []
    lapsed: dict[tuple[int | None, int], int] = {}
    for line in history.splitlines():
        try:
            if line.startswith(b"{"):
                moves.append(_decode_move(line))
                continue
            attempt = _attempt(_decode_array(line), words)
        except (msgspec.DecodeError, KeyError, ValueError, TypeError) as error:
            raise ContractError(
                f"the ledger holds a line of history that this version cannot read: {error}"
            ) from error
        post = (attempt.token, attempt.n)
        if attempt.late and post in lapsed:
            attempts[lapsed.pop(post)] = attempt
            continue
        if attempt.error == "lease_lapsed":
            lapsed[post] = len(attempts)
        attempts.append(attempt)
    return attempts, moves


def _attempt(values: list[Any], words: Mapping[int, str]) -> Attempt:
    at = dict(zip(ATTEMPT, values, strict=False))
    delay = at.get("next_delay", "")
    return Attempt(
        n=at["n"],
        at=at["at"] / 1000,
        seconds=at["seconds"] / 1000,
        outcome=Outcome(_word(at["outcome"], words)),
        evidence=Evidence(_word(at["evidence"], words)),
        status=at.get("status") or None,
        error=_word(at.get("error", ""), words),
        message=_word(at.get("message", ""), words),
        next_delay=None if delay == "" else delay / 1000,
        worker=_word(at.get("worker", ""), words),
        late=bool(at.get("late")),
        token=at.get("token") or None,
    )


def _word(value: str | int, words: Mapping[int, str]) -> str:
    return value if isinstance(value, str) else words[value]


def encode_result(result: Result) -> bytes:
    """Encodes a widget, before encryption: its members in order, as numbers where that loses nothing."""
    *ids, created_at = msgspec.structs.astuple(result)
    return _encode([*(_short(text) for text in ids), _milliseconds(created_at)])


def decode_result(value: bytes) -> Result:
    """
    Decodes a stored, decrypted widget.

    Raises: ContractError if it cannot be read.
    """
    try:
        *ids, created_at = _decode_array(value)
        written = created_at if isinstance(created_at, str) else _written(created_at)
        widget_id, key, api_key_id, bot_id = map(str, ids)
        return Result(widget_id, key, api_key_id, bot_id, written)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise ContractError("the ledger holds a widget that this version cannot read") from error


def _short(text: str) -> str | int:
    number = int(text) if is_whole_number(text) and len(text) <= len(str(_WHOLE_NUMBER)) else -1
    return number if str(number) == text and number < _WHOLE_NUMBER else text


def _milliseconds(text: str) -> str | int:
    """The time in ms if the text is a time in the form of `_written`; otherwise the text."""
    try:
        number = round(datetime.fromisoformat(text).timestamp() * 1000)
        return number if _written(number) == text else text
    except (ValueError, OverflowError, OSError):
        return text


def _written(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"
