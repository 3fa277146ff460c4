"""What a batch may be called: one rule, whichever way it comes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli.names import batch_name
from producers.batch_name import check_batch_name, new_batch_id
from producers.celery_intake import take_in
from producers.submit import submit
from provisioning.errors import InvalidInputError
from provisioning.ledger import Ledger, transitions
from provisioning.printable import is_shown
from tests.integration.test_celery_intake import Silent, refused
from tests.support.http_server import job
from tests.support.ledger_fixtures import new_job

REFUSED = [
    "",
    "   ",
    "x" * 201,
    "two\nlines",
    "null\x00",
    "bidi\u202eeman",
    "a/b",
    "/",
    "a\\b",
    ".",
    "..",
    " .. ",
    "b94dg5zh",
    "B94DG5ZH",
    " b94dg5zh ",
    "bandejas",
]


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_taken_for_something_else_is_no_name(name: str) -> None:
    with pytest.raises(InvalidInputError):
        check_batch_name(name)


@pytest.mark.parametrize(
    "name", ["tenants", "b94dg5z", "b94dg5zhh", "b94dg5zh-1", "ñandú 2026", "a..b", "single"]
)
def test_any_other_text_is_a_name(name: str) -> None:
    assert check_batch_name(name) == name


@pytest.mark.parametrize("name", ["familia 👨\u200d👩\u200d👧.csv", "می\u200cخواهم"])
def test_a_joiner_that_is_part_of_what_is_seen_is_visible(name: str) -> None:
    assert check_batch_name(name) == name
    with pytest.raises(InvalidInputError):
        check_batch_name(f"cafe\u200d{name}")


@given(st.text(max_size=210))
def test_a_name_is_one_visible_segment_of_a_path(name: str) -> None:
    try:
        check_batch_name(name)
    except InvalidInputError:
        return
    assert is_shown(name)
    assert not set(name) & set("/\\\n\r\t\x1b\x00")
    assert name not in (".", "..")


def test_no_id_is_a_name() -> None:
    for _ in range(100):
        with pytest.raises(InvalidInputError):
            check_batch_name(new_batch_id())


async def test_an_id_means_its_batch_whatever_others_are_called(ledger: Ledger) -> None:
    await ledger.do(transitions.open_batch("b94dg5zh", "payroll", {}))
    await ledger.do(transitions.open_batch("b2222222", "b94dg5zh", {}))  # by an older version
    assert await ledger.queries.batch_id("b94dg5zh") == "b94dg5zh"
    assert await ledger.queries.batch_id("payroll") == "b94dg5zh"
    assert await ledger.queries.batch_id("b2222222") == "b2222222"


async def test_nothing_is_handed_over_under_such_a_name(ledger: Ledger) -> None:
    with pytest.raises(InvalidInputError):
        await submit(ledger, [new_job("a")], name="b94dg5zh", actor="ana", notify=lambda _: None)
    assert await ledger.redis.dbsize() == 0


@pytest.mark.parametrize("name", REFUSED)
async def test_a_message_with_such_a_name_is_kept_with_its_reason(ledger: Ledger, name: str) -> None:
    await take_in(ledger, "t1", (), {"jobs": [job("a")], "batch": name}, Silent())
    assert ["the name of a batch" in kept["reason"] for kept in await refused(ledger)] == [True]
    assert [status async for status in ledger.queries.batches()] == []


@pytest.mark.parametrize("file", ["bandejas.csv", "data/b94dg5zh.csv.gz"])
def test_a_file_that_gives_such_a_name_is_told_the_way_out(file: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        batch_name(file)
    assert "--name" in caught.value.hint


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("clientes.marzo.csv", "clientes.marzo"),
        ("clientes.abril.csv", "clientes.abril"),
        ("data/tenants.CSV.GZ", "tenants"),
        ("tenants.v2", "tenants.v2"),
        ("tenants.jsonl", "tenants"),
        ("2026.11.26.xlsx", "2026.11.26"),
        ("https://example.com/v1/tenants.may.csv?page=1", "tenants.may"),
        ("-", "stdin"),
        ("/dev/stdin", "stdin"),
        ("/dev/fd/63", "stdin"),
    ],
)
def test_a_batch_is_named_after_all_of_its_file_but_the_format(file: str, name: str) -> None:
    assert batch_name(file) == name
