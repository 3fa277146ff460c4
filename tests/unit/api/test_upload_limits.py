"""What keeps one upload, or one token, from keeping all others waiting."""

from __future__ import annotations

import asyncio
import hashlib
import io
from typing import BinaryIO, cast

import pytest

from api.problem import Kind, ProblemError
from api.slots import ALL, OF_A_TOKEN, Slots
from api.watched import JUDGED_WITHIN, MOST_BLANK, Watched
from producers.files.reading import Reading
from provisioning.errors import InvalidInputError
from tests.fixtures.workbook import workbook


async def test_one_token_leaves_room_for_others_and_nobody_waits_for_ever() -> None:
    slots = Slots(wait_timeout=0.01)
    leave = asyncio.Event()
    inside: list[str] = []

    async def upload(token: str) -> None:
        async with slots.place(token):
            inside.append(token)
            await leave.wait()

    greedy = [asyncio.create_task(upload("greedy")) for _ in range(ALL + 3)]
    others = [asyncio.create_task(upload(f"other{n}")) for n in range(ALL)]
    done, _ = await asyncio.wait(greedy + others, return_when=asyncio.ALL_COMPLETED, timeout=0.2)
    refused = [task.exception() for task in done]
    assert inside == ["greedy"] * OF_A_TOKEN + ["other0", "other1"]
    assert {error.kind for error in refused if isinstance(error, ProblemError)} == {Kind.BUSY}
    assert len(refused) == len(greedy) + len(others) - ALL
    leave.set()
    await asyncio.gather(*greedy, *others, return_exceptions=True)
    async with slots.place("other3"):  # and it is as it was
        assert slots._users == {"other3": 1}


def test_a_body_that_takes_too_long_is_refused_until_it_was_judged() -> None:
    now = [0.0]
    file = Watched(io.BytesIO(b"key"), clock=lambda: now[0])
    assert file.read(2) == b"ke"
    now[0] = JUDGED_WITHIN + 1
    with pytest.raises(ProblemError) as caught:
        file.read(2)
    assert caught.value.kind is Kind.TOO_LARGE
    file.rest()
    assert file.read(2) == b"y"


def test_a_deadline_that_passes_while_a_workbook_is_unpacked_is_no_damage_of_it() -> None:
    rows = [
        ["key", "bot.id"],
        *([hashlib.sha512(bytes([n % 256, n >> 8])).hexdigest(), "100"] for n in range(5000)),
    ]
    now = [0.0]
    watched = cast(BinaryIO, Watched(io.BytesIO(workbook(rows, shared=False)), clock=lambda: now[0]))
    with Reading(watched) as reading:
        assert next(reading)
        now[0] = JUDGED_WITHIN + 1
        with pytest.raises(ProblemError) as caught:
            list(reading)
    assert caught.value.kind is Kind.TOO_LARGE


@pytest.mark.parametrize("nothing", [b"\n", b";;;\r\n", "\n".encode("utf-16-le"), b",,,,\n"])
def test_a_stretch_of_nothing_is_passed_over_up_to_a_limit(nothing: bytes) -> None:
    def read_all(size: int) -> None:
        file = Watched(io.BytesIO(b"key;bot.id\n" + nothing * (size // len(nothing)) + b"a;1\n"))
        while file.read(1 << 16):
            pass

    read_all(MOST_BLANK // 2)
    with pytest.raises(InvalidInputError, match="blank"):
        read_all(MOST_BLANK * 2)
