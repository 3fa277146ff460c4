from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import contract
from sandbox.contract import Answer, Order, Widget
from tests.support.sandbox_process import basic

CLIENTS = {"acme": "s3cret:with:colons"}
WIDGET = Widget(number=7, bot_id="100200300", key="wk_x", created_at="2026-01-15T10:30:00.000Z")
GOOD = {"bot": {"id": "1"}, "widget": {}}


def body_of(answer: Answer) -> Any:
    return json.loads(answer.body)


def read(request: object, content_type: str = "application/json") -> Order | Answer:
    return contract.read(content_type, json.dumps(request).encode())


def problems_of(answer: Order | Answer) -> set[str]:
    assert isinstance(answer, Answer)
    assert answer.status == 422
    return set(body_of(answer)["validationError"])


def test_the_right_pair_proves_the_client_even_with_colons_in_the_secret() -> None:
    assert contract.identify(basic("acme", "s3cret:with:colons"), CLIENTS) == "acme"


def test_the_scheme_is_read_without_regard_to_case() -> None:
    header = basic("acme", "s3cret:with:colons").replace("Basic", "basic")
    assert contract.identify(header, CLIENTS) == "acme"


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (None, {"message": "Authentication failed"}),
        ("Bearer abc", b"Unauthorized"),
        ("Basic not-base64!", b"Unauthorized"),
        ("Basic " + "bm9jb2xvbg==", b"Unauthorized"),
        ("Basic é", b"Unauthorized"),
    ],
)
def test_each_way_to_lack_credentials_has_its_own_401(header: str | None, body: object) -> None:
    answer = contract.identify(header, CLIENTS)
    assert isinstance(answer, Answer)
    assert answer.status == 401
    assert (answer.body if isinstance(body, bytes) else body_of(answer)) == body


@pytest.mark.parametrize("pair", [("acme", "wrong"), ("nobody", "s3cret:with:colons"), ("acme", "")])
def test_a_wrong_pair_is_answered_with_the_envelope(pair: tuple[str, str]) -> None:
    answer = contract.identify(basic(*pair), CLIENTS)
    assert isinstance(answer, Answer)
    assert answer.status == 401
    assert body_of(answer)["error"]["code"] == "unauthorized"


def test_the_smallest_documented_body_asks_for_a_new_bot() -> None:
    assert read({"bot": {}, "widget": {}}) == Order(bot_id=None, widget={})


def test_unknown_members_pass_on_every_level() -> None:
    widget = {"startButton": {"size": "xl"}, "theme": {"vars": {"font": "Inter"}}, "topMenu": 1}
    assert read({"bot": {"id": "1", "name": "x"}, "widget": widget, "new": [1]}) == Order("1", widget)


def test_the_old_spelling_of_the_block_list_is_noticed_and_let_through() -> None:
    assert read({**GOOD, "credentials": {"blacKList": ["x"]}}) == Order("1", {}, misspelt=True)


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        ([], {"body"}),
        ({}, {"bot", "widget"}),
        ({"bot": {}}, {"widget"}),
        ({"bot": None, "widget": []}, {"bot", "widget"}),
        ({**GOOD, "credentials": []}, {"credentials"}),
        ({"bot": {"id": 100200300}, "widget": {}}, {"bot.id"}),
        ({"bot": {"id": None}, "widget": {}}, {"bot.id"}),
        ({"bot": {}, "widget": {"properties": "x", "theme": []}}, {"widget.properties", "widget.theme"}),
        ({**GOOD, "credentials": {"blackList": "x", "whiteList": [1]}},
         {"credentials.blackList", "credentials.whiteList"}),
    ],
)  # fmt: skip
def test_each_wrong_member_is_named(request_: object, fields: set[str]) -> None:
    assert problems_of(read(request_)) == fields


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_of_another_media_type_counts_as_none(content_type: str) -> None:
    assert problems_of(read(GOOD, content_type)) == {"bot", "widget"}


def test_a_charset_beside_the_media_type_is_fine() -> None:
    assert isinstance(read(GOOD, "Application/JSON; charset=utf-8"), Order)


@pytest.mark.parametrize("body", [b"{", b"\xff{}", b'{"bot":{},"widget":{}} x', b"[" * 100_000, b"NaN"])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    answer = contract.read("application/json", body)
    assert isinstance(answer, Answer)
    assert answer.status == 400


@given(st.binary(max_size=200))
def test_no_bytes_whatever_upset_the_reader(body: bytes) -> None:
    assert isinstance(contract.read("application/json", body), Order | Answer)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["bot", "id", "widget", "theme", "credentials"]), inner)
    ),
)


@given(JSON_VALUES)
def test_no_json_whatever_upsets_the_reader(request: object) -> None:
    assert isinstance(read(request), Order | Answer)


def test_success_has_the_documented_form() -> None:
    answer = contract.created(Order("100200300", {"theme": {"position": "br"}}), WIDGET)
    body = body_of(answer)
    assert answer.status == 200
    assert (body["status"], body["statusMessage"]) == (1, "success")
    assert isinstance(body["message"], list)
    assert body["data"]["Bot"] == {"id": "100200300"}
    assert body["data"]["Widget"] == {"theme": {"position": "br"}, "id": "w-000007"}
    key = body["data"]["ApiKey"]
    assert set(key) == {"id", "state", "key", "widgetId", "createdAt", "updatedAt"}
    assert (key["key"], key["widgetId"], key["state"]) == ("wk_x", "w-000007", 1)


@pytest.mark.parametrize(
    ("bot_id", "status", "word"),
    [
        ("404", 404, "bot_not_found"),
        ("404999", 404, "bot_not_found"),
        ("", 404, "bot_not_found"),
        ("403-x", 403, "forbidden_bot"),
        ("4221", 422, "unprocessable_entity"),
    ],
)
def test_magic_bot_ids_are_refused_in_either_case(bot_id: str, status: int, word: str) -> None:
    keys = set()
    for form in (0, 1):
        answer = contract.magic(bot_id, form)
        assert answer is not None
        assert answer.status == status
        keys.add(body_of(answer)["error"]["key"])
    assert keys == {word, word.upper()}


@pytest.mark.parametrize("bot_id", [None, "1", "100404", "+40412", "401", "500"])
def test_every_other_bot_is_welcome(bot_id: str | None) -> None:
    assert contract.magic(bot_id, 0) is None


@pytest.mark.parametrize("refuse", [contract.bot_not_found, contract.forbidden_bot, contract.internal_error])
def test_messages_are_arrays_in_one_form_and_strings_in_the_other(refuse: Any) -> None:
    assert isinstance(body_of(refuse(0))["message"], list)
    assert isinstance(body_of(refuse(1))["message"], str)


def test_the_documented_404_has_no_status_member() -> None:
    body = body_of(contract.bot_not_found(0))
    assert "status" not in body
    assert (body["error"]["code"], body["error"]["key"]) == ("E1019", "BOT_NOT_FOUND")


def test_only_the_500_without_a_company_says_so() -> None:
    assert b"no company assigned" in contract.no_company(0).body
    assert b"company" not in contract.internal_error(0).body


def test_retry_after_is_sent_only_when_there_is_a_time_to_name() -> None:
    assert contract.too_many(3).headers["Retry-After"] == "3"
    assert "Retry-After" not in contract.too_many(None).headers
    assert contract.gateway_error(503, "Service Unavailable", 0).headers["Retry-After"] == "0"
