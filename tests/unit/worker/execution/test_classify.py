from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.attempt import Evidence, Outcome, Result
from provisioning.causes import Cause
from worker.classification import Classification
from worker.execution.classify import MESSAGE_LENGTH, classify
from worker.execution.reply import Answer, NoAnswer

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT

KEY = "wk_sandbox_0001"
SUCCESS: dict[str, Any] = {
    "message": ["Widget was created successfully!"],
    "statusMessage": "success",
    "status": 1,
    "data": {
        "Bot": {"id": "100200300"},
        "Widget": {"id": "w-0001"},
        "ApiKey": {
            "id": 501,
            "state": 1,
            "key": KEY,
            "widgetId": "w-0001",
            "createdAt": "2026-01-15T10:30:00.000Z",
        },
    },
}


def answer(status: int, body: object = b"", content_type: str = "", retry_after: str = "") -> Answer:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Answer(status, raw, content_type=content_type, retry_after=retry_after)


def found(status: int, body: object = b"", content_type: str = "", retry_after: str = "") -> Classification:
    return classify(answer(status, body, content_type, retry_after), NOW)


def envelope(code: str = "", key: str = "", message: object = "No.", **more: object) -> dict[str, object]:
    error = {name: value for name, value in (("code", code), ("key", key)) if value}
    return {"message": message, "statusMessage": "failed", "error": error, **more}


def test_the_documented_success_is_a_created_widget_with_its_key() -> None:
    result = Result("w-0001", KEY, "501", "100200300", "2026-01-15T10:30:00.000Z")
    assert found(200, SUCCESS) == Classification(Outcome.CREATED, result=result, alive=True)


@pytest.mark.parametrize(
    ("status", "body", "alive"),
    [
        (200, SUCCESS, True),
        (200, "not JSON", None),
        (500, {"statusMessage": "failed", "error": {"key": "internal_server_error"}}, True),
        (500, "Internal Server Error", None),
        (500, {"timestamp": 1, "path": "/v1/widget/create"}, None),
        (502, {"statusMessage": "failed", "error": {}}, False),
        (503, "<html><title>503</title></html>", False),
        (504, "", False),
        (429, "Too Many Requests", True),
        (422, {}, True),
        (401, "Unauthorized", True),
        (404, "<html>", None),
        (302, "", None),
    ],
)
def test_what_an_answer_shows_of_the_api_itself(status: int, body: object, alive: bool | None) -> None:
    assert found(status, body).alive is alive


def test_no_answer_shows_nothing_at_work() -> None:
    reply = NoAnswer(Evidence.NOTHING_SENT, Cause.CONNECT_REFUSED)
    assert classify(reply, NOW).alive is False


def test_numeric_ids_become_text() -> None:
    data = {"Bot": {"id": 100}, "ApiKey": {"id": 7.0, "key": KEY, "widgetId": 42}}
    result = found(200, SUCCESS | {"data": data}).result
    assert result == Result("42", KEY, "7", "100", "")


def test_the_widget_id_is_taken_from_the_widget_when_the_key_does_not_carry_it() -> None:
    data = {"Widget": {"id": "w-9"}, "ApiKey": {"key": KEY}}
    assert found(200, SUCCESS | {"data": data}).result == Result("w-9", KEY, "", "", "")


def test_the_key_of_a_widget_is_masked_in_every_repr() -> None:
    meant = found(200, SUCCESS)
    assert KEY not in repr(meant)
    assert KEY not in repr(meant.result)
    assert KEY not in str(answer(200, SUCCESS))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"status": 0}, Cause.STATUS_NOT_1),
        ({"status": True}, Cause.STATUS_NOT_1),
        ({"status": "1"}, Cause.STATUS_NOT_1),
        ({"status": 200}, Cause.STATUS_NOT_1),
        ({"statusMessage": "FAILED"}, Cause.STATUS_NOT_1),
        ({"statusMessage": None}, Cause.STATUS_NOT_1),
        ({"data": None}, Cause.KEY_MISSING),
        ({"data": {"ApiKey": {}}}, Cause.KEY_MISSING),
        ({"data": {"ApiKey": {"key": "  "}}}, Cause.KEY_MISSING),
        ({"data": {"ApiKey": {"key": 12}}}, Cause.KEY_MISSING),
        ({"data": {"ApiKey": [KEY]}}, Cause.KEY_MISSING),
    ],
)
def test_a_200_that_fails_any_part_of_the_success_test_is_in_doubt(
    change: dict[str, object], cause: Cause
) -> None:
    meant = found(200, SUCCESS | change)
    assert (meant.outcome, meant.cause, meant.result) == (Outcome.IN_DOUBT, cause, None)


def test_the_word_success_is_read_without_regard_to_case() -> None:
    assert found(200, SUCCESS | {"statusMessage": "SUCCESS"}).outcome is Outcome.CREATED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>Sign in</title></html>",
        b"OK",
        b"[1]",
        b"null",
        b'{"status":1',
        b"\xff\xfe{",
        b"[" * 5000,
        b'{"a":' * 5000,
    ],
)
def test_a_200_that_is_not_a_json_object_is_in_doubt(body: bytes) -> None:
    meant = found(200, body, content_type="text/html")
    assert (meant.outcome, meant.cause) == (Outcome.IN_DOUBT, Cause.NOT_JSON)


def test_a_success_with_a_byte_order_mark_is_still_a_success() -> None:
    assert found(200, b"\xef\xbb\xbf" + msgspec.json.encode(SUCCESS)).outcome is Outcome.CREATED


def test_a_cut_success_does_not_leak_its_key_into_the_message() -> None:
    body = msgspec.json.encode(SUCCESS)
    for status in (200, 500):
        for cut in range(1, len(body)):
            assert KEY not in found(status, body[:-cut]).message


def test_a_message_that_quotes_the_key_or_a_credential_is_masked() -> None:
    assert KEY not in found(200, SUCCESS | {"status": 0, "message": f"made {KEY}"}).message
    said = found(400, envelope(message="bad header Basic Y2xpZW50OnNlY3JldA==")).message
    assert said == "bad header Basic ***"


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 226, 299])
def test_a_2xx_other_than_200_is_in_doubt_even_with_a_full_envelope(status: int) -> None:
    meant = found(status, SUCCESS)
    assert (meant.outcome, meant.cause) == (Outcome.IN_DOUBT, f"http_{status}")


STATUSES = {
    Outcome.DENIED: [401],
    Outcome.MISDIRECTED: [300, 301, 302, 304, 307, 308, 404, 405, 407, 421, 501, 505, 511],
    Outcome.REJECTED: [400, 402, 403, 406, 409, 410, 413, 414, 415, 418, 422, 428, 431, 451, 499],
    Outcome.UNPROCESSED: [408, 425, 429],
    Outcome.FAILED: [500, 502, 503],
    Outcome.IN_DOUBT: [
        100,
        101,
        103,
        199,
        504,
        506,
        507,
        508,
        510,
        520,
        521,
        522,
        523,
        524,
        525,
        526,
        530,
        599,
        600,
    ],
}


@pytest.mark.parametrize(
    ("status", "outcome"), [(status, outcome) for outcome, all_ in STATUSES.items() for status in all_]
)
def test_a_status_alone_has_one_meaning(status: int, outcome: Outcome) -> None:
    assert found(status).outcome is outcome


@pytest.mark.parametrize(
    ("status", "body", "outcome", "cause"),
    [
        (401, b"Unauthorized", Outcome.DENIED, "unauthorized"),
        (401, {"message": "Authentication failed"}, Outcome.DENIED, "unauthorized"),
        (401, envelope(key="UNAUTHORIZED"), Outcome.DENIED, "unauthorized"),
        (403, envelope(key="Unauthorized"), Outcome.DENIED, "unauthorized"),
        (403, envelope(code="forbidden_bot"), Outcome.REJECTED, "forbidden_bot"),
        (403, envelope(key="FORBIDDEN_BOT"), Outcome.REJECTED, "forbidden_bot"),
        (403, b"<html><title>Blocked</title>", Outcome.REJECTED, "http_403"),
        (404, envelope(code="E1019", key="BOT_NOT_FOUND"), Outcome.REJECTED, "bot_not_found"),
        (404, envelope(code="bot_not_found"), Outcome.REJECTED, "bot_not_found"),
        (404, envelope(code="e1019"), Outcome.REJECTED, "bot_not_found"),
        (
            404,
            envelope(key="BOT_NOT_FOUND", message="The bot is not assigned to the company"),
            Outcome.REJECTED,
            "bot_not_found",
        ),
        (404, envelope(key="ROUTE_NOT_FOUND"), Outcome.MISDIRECTED, "not_the_api"),
        (404, b"<html><title>404 Not Found</title>", Outcome.MISDIRECTED, "not_the_api"),
        (405, b"", Outcome.MISDIRECTED, "method_not_allowed"),
        (302, b"", Outcome.MISDIRECTED, "redirected"),
        (422, envelope(code="E0422", key="UNPROCESSABLE_ENTITY"), Outcome.REJECTED, "unprocessable_entity"),
        (422, envelope(code="E0422"), Outcome.REJECTED, "e0422"),
        (400, {"error": {"key": "not a word! <b>"}}, Outcome.REJECTED, "http_400"),
        (400, {"error": "text"}, Outcome.REJECTED, "http_400"),
        (429, b"slow down", Outcome.UNPROCESSED, "rate_limited"),
        (500, envelope(key="INTERNAL_SERVER_ERROR"), Outcome.FAILED, "http_500"),
        (500, envelope(message="The token has no company assigned"), Outcome.DENIED, "no_company_assigned"),
        (500, envelope(message=["No company assigned."]), Outcome.DENIED, "no_company_assigned"),
        (500, b"the client does not have a company", Outcome.DENIED, "no_company_assigned"),
        (
            500,
            envelope(message="El token no tiene una empresa asignada"),
            Outcome.DENIED,
            "no_company_assigned",
        ),
        (500, envelope(message="Token sin compañía"), Outcome.DENIED, "no_company_assigned"),
        (500, envelope(message="O token não tem empresa"), Outcome.DENIED, "no_company_assigned"),
        (500, envelope(key="COMPANY_NOT_FOUND"), Outcome.DENIED, "no_company_assigned"),
        (500, envelope(message="The company has 3 bots"), Outcome.FAILED, "http_500"),
        (500, envelope(message="The token has a company assigned"), Outcome.FAILED, "http_500"),
        (502, b"<html><title>502 Bad Gateway</title>", Outcome.FAILED, "http_502"),
        (504, b"", Outcome.IN_DOUBT, "http_504"),
    ],
)
def test_the_body_refines_what_the_status_says(
    status: int, body: object, outcome: Outcome, cause: str
) -> None:
    meant = found(status, body)
    assert (meant.outcome, meant.cause) == (outcome, cause)


def test_a_200_that_blames_the_company_is_in_doubt_like_any_other_failed_200() -> None:
    meant = found(200, envelope(message="no company assigned", status=0))
    assert meant.outcome is Outcome.IN_DOUBT


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "plain"}, "plain"),
        ({"message": ["one", "two"]}, "one, two"),
        ({"message": [], "error": {"description": "described"}}, "described"),
        ({"error": {"clientMessages": {"es": "hola", "en": "hello"}}}, "hello"),
        ({"error": {"developerMessages": {"pt": "olá"}}}, "olá"),
        ({"statusMessage": "failed"}, "failed"),
        (b"plain text", "plain text"),
        (b"<!doctype html><TITLE>\n Oops </TITLE>", "an HTML page: Oops"),
        (b'{"broken', ""),
    ],
)
def test_the_message_is_what_the_api_said(body: object, message: str) -> None:
    assert found(400, body).message == message


def test_each_complaint_of_a_validation_error_is_shown_with_its_field() -> None:
    complaints = {
        "bot.id": [{"en": "is required", "es": "es requerido"}, {"es": "muy corto"}],
        "widget": {"pt": "inválido"},
        "theme": "wrong",
        "odd": 7,
    }
    meant = found(422, envelope(message=["Invalid"], validationError=complaints))
    assert meant.message == "Invalid; bot.id: is required, muy corto; widget: inválido; theme: wrong"


def test_a_long_message_is_shortened() -> None:
    message = found(400, {"message": "x" * 5000}).message
    assert len(message) == MESSAGE_LENGTH
    assert message.endswith("…")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:12:20 GMT", 0.0),
        ("9" * 400, 604_800.0),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("١٢", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float | None) -> None:
    assert found(429, retry_after=header).retry_after == seconds
    assert found(503, retry_after=header).retry_after == seconds


def test_retry_after_means_nothing_where_nothing_is_repeated() -> None:
    assert found(400, retry_after="7").retry_after is None


def test_only_proof_that_nothing_was_sent_makes_a_missing_answer_safe_to_repeat() -> None:
    for evidence in Evidence:
        meant = classify(NoAnswer(evidence, "connect_timeout", "no connection in time"), NOW)
        safe = evidence is Evidence.NOTHING_SENT
        assert meant.outcome is (Outcome.UNPROCESSED if safe else Outcome.IN_DOUBT)
        assert meant.cause == "connect_timeout"


def test_a_cut_answer_is_in_doubt_whatever_its_status_line_said() -> None:
    for status in (200, 401, 404, 429, 500):
        reply = NoAnswer(Evidence.STATUS_SEEN, "truncated_answer", "", status)
        assert classify(reply, NOW).outcome is Outcome.IN_DOUBT


RAW_SUCCESS = msgspec.json.encode(SUCCESS)
MESSAGE = b"Widget was created successfully!"


@pytest.mark.parametrize(
    "body",
    [
        RAW_SUCCESS.replace(MESSAGE, "Éxito".encode("latin-1")),
        RAW_SUCCESS.replace(MESSAGE, rb"\ud83d"),
        RAW_SUCCESS.replace(b'"state":1', b'"state":' + b"9" * 5000),
        RAW_SUCCESS.replace(b'"state":1', b'"state":-' + b"9" * 400_000),
        RAW_SUCCESS.replace(b'"state":1', b'"state":1e999'),
        RAW_SUCCESS.replace(b'"state":1', b'"state":NaN'),
    ],
)
def test_what_is_illegible_elsewhere_in_a_success_does_not_cost_the_key(body: bytes) -> None:
    assert found(200, body) == found(200, SUCCESS)
    assert found(200, body).result is not None


@pytest.mark.parametrize("widget", [b"9" * 5000, rb'"\ud83d"', b'"\xc9"', b"1e999"])
def test_an_illegible_id_is_stored_as_something_that_a_ledger_can_keep(widget: bytes) -> None:
    meant = found(200, RAW_SUCCESS.replace(b'"widgetId":"w-0001"', b'"widgetId":' + widget))
    assert meant.outcome is Outcome.CREATED
    assert meant.result is not None
    assert meant.result.key == KEY
    assert len(msgspec.json.encode(meant.result)) < 500


@pytest.mark.parametrize("key", [rb"wk_\ud83d", b"wk_\xc9"])
def test_a_key_that_is_itself_illegible_is_in_doubt(key: bytes) -> None:
    meant = found(200, RAW_SUCCESS.replace(KEY.encode(), key))
    assert (meant.outcome, meant.cause) == (Outcome.IN_DOUBT, Cause.KEY_MISSING)


@pytest.mark.parametrize(
    ("good", "bad"), [(b'"status":1', b'"status":0'), (b'"success"', b'"failed"'), (b'"key"', b'"yek"')]
)
def test_a_mended_body_proves_nothing_that_a_whole_one_would_not(good: bytes, bad: bytes) -> None:
    body = RAW_SUCCESS.replace(MESSAGE, b"\xc9").replace(good, bad)
    assert found(200, body).outcome is Outcome.IN_DOUBT
    assert found(202, RAW_SUCCESS.replace(MESSAGE, b"\xc9")).outcome is Outcome.IN_DOUBT


def test_a_cut_body_is_not_mended() -> None:
    body = RAW_SUCCESS.replace(MESSAGE, b"\xc9")
    assert {found(200, body[:end]).cause for end in range(len(body))} == {Cause.NOT_JSON}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "message": json_values,
        "statusMessage": st.sampled_from(["success", "SUCCESS", "failed"]) | json_values,
        "status": st.sampled_from([1, 0, 1.0, True, "1"]) | json_values,
        "error": st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("key", "code", "description", "clientMessages"), json_values)
        )
        | json_values,
        "validationError": json_values,
        "data": st.fixed_dictionaries(
            {},
            optional={
                "Bot": json_values,
                "Widget": json_values,
                "ApiKey": st.fixed_dictionaries(
                    {}, optional={"key": st.just(KEY) | json_values, "widgetId": json_values}
                ),
            },
        )
        | json_values,
    },
)


@given(
    status=st.just(200) | st.integers(100, 699),
    body=envelopes.map(msgspec.json.encode) | json_values.map(msgspec.json.encode) | st.binary(),
    retry_after=st.text(max_size=40) | st.integers().map(str),
)
def test_no_answer_makes_it_raise_or_claim_a_widget_without_proof(
    status: int, body: bytes, retry_after: str
) -> None:
    meant = found(status, body, retry_after=retry_after)

    assert len(meant.message) <= MESSAGE_LENGTH
    assert (meant.outcome is Outcome.CREATED) == (meant.result is not None) == (not meant.cause)
    if meant.outcome is Outcome.CREATED:
        value = msgspec.json.decode(body)
        assert status == 200
        assert value["status"] == 1
        assert value["status"] is not True
        assert value["statusMessage"].strip().lower() == "success"
        assert meant.result is not None
        assert meant.result.key == value["data"]["ApiKey"]["key"] != ""


@given(
    body=envelopes.map(msgspec.json.encode), at=st.integers(0, 400), stray=st.binary(min_size=1, max_size=3)
)
def test_stray_bytes_make_nothing_that_cannot_be_stored(body: bytes, at: int, stray: bytes) -> None:
    meant = found(200, body[:at] + stray + body[at:])

    msgspec.json.encode((meant.message, meant.result))
    assert (meant.outcome is Outcome.CREATED) == (meant.result is not None) == (not meant.cause)
