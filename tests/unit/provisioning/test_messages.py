"""What is read of a message before Celery sees it: a letter that can be carried out, or a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.messages import DRAIN, SUBMIT, TASKS, UnreadableError, read

NOW = datetime(2026, 11, 26, tzinfo=UTC)
HEADERS = {"task": SUBMIT, "id": "m1", "lang": "py", "timelimit": [None, None], "origin": "gen1@host"}
BODY = [[], {"jobs": []}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
"""Whatever JSON can hold."""


def test_what_celery_sends_is_read_and_its_headers_are_cleaned() -> None:
    letter = read(HEADERS | {"stamps": 5, "group": {}, "argsrepr": "()", "kwargsrepr": 5}, BODY, NOW)
    assert letter.body == ([], {"jobs": []}, BODY[2])
    assert letter.headers == {
        "lang": "py", "task": SUBMIT, "id": "m1", "eta": None, "retries": 0, "argsrepr": "()"
    }  # fmt: skip


@pytest.mark.parametrize("headers", [{}, {"task": None, "id": None}, {"id": "other", "task": SUBMIT}])
def test_the_protocol_that_has_everything_in_the_body_is_read_too(headers: dict[str, Any]) -> None:
    body = {"task": SUBMIT, "id": "m1", "args": [], "kwargs": {"jobs": [1]}, "retries": 0, "eta": None}
    letter = read(headers, body, NOW)
    assert (letter.task, letter.body) == (SUBMIT, ([], {"jobs": [1]}, {}))
    assert letter.headers["id"] == (headers.get("id") or "m1")


def test_a_message_may_wait_for_its_time_and_expire_later_than_now() -> None:
    late = {"eta": "2026-11-27T00:00:00+00:00", "expires": "2026-11-28T00:00:00"}
    assert read(HEADERS | late, BODY, NOW).headers["eta"] == late["eta"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"task": "provision.submitt"},
            "no task is named 'provision.submitt'; did you mean provision.submit?",
        ),
        ({"task": "celery.chain"}, "no task is named 'celery.chain'"),
        ({"id": None}, "the headers cannot be read"),
        ({"eta": "tomorrow"}, "the header eta is not an ISO 8601 time"),
        ({"expires": "2026-11-25T23:59:59Z"}, "it expired at 2026-11-25T23:59:59Z"),
        ({"expires": "2026-11-26T00:00:00"}, "it expired at"),
    ],
)
def test_headers_that_cannot_be_carried_out_are_named(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        read(HEADERS | changed, BODY, NOW)
    assert str(refused.value).startswith(reason)


@given(
    task=st.sampled_from(TASKS),
    changed=st.dictionaries(st.sampled_from([*HEADERS, "eta"]), ANYTHING),
    body=ANYTHING,
)
def test_whatever_comes_is_a_letter_or_a_reason(task: str, changed: dict[str, Any], body: Any) -> None:
    for each in (body, [body, {}, {}], [[], body, {}], [[], {}, body], {"args": body, "kwargs": {}}):
        try:
            letter = read(HEADERS | {"task": task} | changed, each, NOW)
        except UnreadableError:
            pass
        else:
            args, kwargs, embed = letter.body
            assert letter.task in TASKS
            assert isinstance(letter.headers["id"], str)
            assert (type(args), type(kwargs), type(embed)) == (list, dict, dict)


@given(kwargs=st.dictionaries(st.sampled_from(["v", "batch", "x"]), ANYTHING))
def test_a_ring_has_a_version_that_is_known_and_a_batch(kwargs: dict[str, Any]) -> None:
    try:
        letter = read(HEADERS | {"task": DRAIN}, [[], kwargs, {}], NOW)
    except UnreadableError:
        assert kwargs.keys() != {"v", "batch"} or kwargs["v"] != 1 or not isinstance(kwargs["batch"], str)
    else:
        assert letter.body[1] == kwargs
        assert (kwargs["v"], type(kwargs["batch"])) == (1, str)
