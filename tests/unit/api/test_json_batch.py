"""A JSON body read as a stream: the same jobs as read whole, at the cost of the largest."""

from __future__ import annotations

import contextlib
import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import json_batch
from api.json_batch import LARGEST, look_through
from provisioning.errors import InvalidInputError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Slowly(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002 - never as much as is asked for
        return super().read(3)


@settings(max_examples=150)
@given(
    jobs=st.lists(values, max_size=6),
    name=st.none() | st.text(),
    behind=st.booleans(),
    indent=st.sampled_from([None, 2]),
    ascii_=st.booleans(),
)
def test_the_jobs_are_those_that_were_sent_wherever_a_read_ends(
    jobs: list[Any], name: str | None, behind: bool, indent: int | None, ascii_: bool
) -> None:
    body: dict[str, Any] = {"jobs": jobs, "name": name} if behind else {"name": name, "jobs": jobs}
    text = json.dumps(body, indent=indent, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
    if b"\xed" in text and not ascii_:
        return  # half a surrogate pair, which no decoder takes
    for file in (io.BytesIO(text), Slowly(text)):
        batch = look_through(file)
        assert batch.settings.name == name
        assert batch.count == len(jobs)
        for _ in range(2):
            assert [json.loads(job) for job in batch.jobs(file)] == jobs


GOOD = b'{"name":"n","jobs":[{"key":"a\\"]}","bot":[1,2]},"x",-1.5e3,true,null,[]],"new_bots":false}'


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for text in (body, b'{"jobs":[' + body):
        with contextlib.suppress(InvalidInputError):
            batch = look_through(io.BytesIO(text))
            assert len(list(batch.jobs(io.BytesIO(text)))) == batch.count


def test_whatever_breaks_off_is_refused() -> None:
    assert look_through(io.BytesIO(GOOD)).count == 6
    for end in range(len(GOOD)):
        with pytest.raises(InvalidInputError):
            look_through(io.BytesIO(GOOD[:end]))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"jobs":[],"jobs":[]}', "jobs appears twice"),
        (b'{"name":"a","name":"b","jobs":[]}', "name appears twice"),
        (b'{"jobs":5}', "jobs is not a list"),
        (b'{"name":"a"}', "jobs is missing"),
        (b'{"jobs":[],"s3cret":1}', "unknown member"),
        (b'{"jobs":[]} x', "not a JSON object"),
        (b'{"jobs":[1 2]}', "not a JSON object"),
        (b'{"jobs":[1,]}', "not a JSON object"),
        (b'{"jobs":[,1]}', "not a JSON object"),
        (b'[{"jobs":[]}]', "not a JSON object"),
        (b'{"jobs":[],"name":5}', "str"),
        (b'{"jobs":[],"defaults":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deep"),
        (b'{"jobs":["' + b"x" * (LARGEST + 200_000) + b'"]}', "more than"),
        (b'{"jobs":[' + b"1" * (LARGEST + 200_000) + b"]}", "more than"),
    ],
)
def test_what_is_no_batch_is_refused_without_repeating_it(body: bytes, said: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        look_through(io.BytesIO(body))
    assert said in caught.value.message
    assert "s3cret" not in caught.value.message


def test_too_many_jobs_are_refused_as_soon_as_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_batch, "MOST_JOBS", 1000)
    file = io.BytesIO(b'{"jobs":[' + b"1," * 1_000_000 + b"1]}")
    with pytest.raises(InvalidInputError, match="more than 1,000 jobs"):
        look_through(file)
    assert file.tell() < 200_000


def test_memory_does_not_grow_with_the_number_of_jobs() -> None:
    file = io.BytesIO(b'{"jobs":[' + b"1," * 40_000 + b"1]}")
    tracemalloc.start()
    try:
        assert sum(1 for _ in look_through(file).jobs(file)) == 40_001
        assert tracemalloc.get_traced_memory()[1] < 1 << 18  # less than a list of so many
    finally:
        tracemalloc.stop()
