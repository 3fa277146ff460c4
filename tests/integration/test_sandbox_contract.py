"""What the running sandbox accepts and answers, held against our transcription of the public contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sandbox.faults import FAULTS
from tests.support.repository import ROOT
from tests.support.sandbox_process import CREATE, SandboxProcess, basic, running_sandbox

OPENAPI = json.loads((ROOT / "docs/reference/widget-api.openapi.json").read_text(encoding="utf-8"))

SMALLEST: dict[str, Any] = {"bot": {}, "widget": {}}
FULLER = {
    "bot": {"id": "100200300"},
    "widget": {
        "properties": {"type": "normal"},
        "theme": {"position": "br", "status": True, "vars": {"color": {"primary": "rgba(1, 2, 3, 1)"}}},
        "startButton": {"borderPercentage": "50%"},
        "tooltipPanel": {"backgroundColor": "main"},
    },
    "credentials": {"blackList": [], "whiteList": ["example-credential-1"]},
}


def schema(name: str) -> Draft202012Validator:
    """A validator for one of the contract's schemas; references resolve within the whole document."""
    return Draft202012Validator({**OPENAPI, "$ref": f"#/components/schemas/{name}"})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with running_sandbox("--client", "acme:s3cret", "--client", "no-company-1:x") as running:
        yield running


@pytest.fixture(autouse=True)
def _calm(sandbox: SandboxProcess) -> None:
    sandbox.post_faults({})
    sandbox.reset()


def create(sandbox: SandboxProcess, body: object) -> Any:
    return sandbox.create(body, ("acme", "s3cret"))


def test_the_transcription_is_made_of_valid_schemas() -> None:
    for each in OPENAPI["components"]["schemas"].values():
        Draft202012Validator.check_schema(each)


@pytest.mark.parametrize("body", [SMALLEST, FULLER], ids=["smallest", "fuller"])
def test_what_the_contract_allows_is_created_and_answered_by_the_contract(
    sandbox: SandboxProcess, body: dict[str, Any]
) -> None:
    schema("CreateWidgetRequest").validate(body)
    reply = create(sandbox, body)
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")
    answer = reply.json()
    schema("CreateWidgetResponse").validate(answer)
    assert (answer["status"], answer["statusMessage"]) == (1, "success")
    assert answer["data"]["ApiKey"]["key"]
    assert sandbox.stats()["widgets"] == 1


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"bot": {}},
        {"bot": {"id": 1}, "widget": {}},
        {"bot": [], "widget": {}},
        {"bot": {}, "widget": {"theme": "dark"}},
        {**SMALLEST, "credentials": {"whiteList": [7]}},
    ],
)
def test_what_the_contract_forbids_is_refused_field_by_field(sandbox: SandboxProcess, body: object) -> None:
    assert not schema("CreateWidgetRequest").is_valid(body)
    reply = create(sandbox, body)
    assert reply.status == 422
    schema("Error").validate(reply.json())
    assert reply.json()["validationError"]
    assert sandbox.stats()["widgets"] == 0


def test_each_answer_carries_a_key_and_id_of_its_own(sandbox: SandboxProcess) -> None:
    keys = [create(sandbox, FULLER).json()["data"]["ApiKey"] for _ in range(3)]
    assert len({key["key"] for key in keys}) == len({key["widgetId"] for key in keys}) == 3
    assert sandbox.stats()["bodies_created_twice"] == 1


def test_an_empty_bot_makes_a_new_one(sandbox: SandboxProcess) -> None:
    bots = {create(sandbox, SMALLEST).json()["data"]["Bot"]["id"] for _ in range(2)}
    assert len(bots) == 2
    assert sandbox.stats()["bots_created"] == 2


@pytest.mark.parametrize(
    ("authorization", "envelope"),
    [
        (None, {"message": "Authentication failed"}),
        (basic("acme", "wrong"), "error"),
        ("Bearer x", None),
    ],
)
def test_a_401_comes_in_three_shapes(
    sandbox: SandboxProcess, authorization: str | None, envelope: object
) -> None:
    headers = {"Content-Type": "application/json"}
    if authorization:
        headers["Authorization"] = authorization
    reply = sandbox.request("POST", CREATE, json.dumps(SMALLEST).encode(), headers)
    assert reply.status == 401
    if envelope is None:
        assert reply.body == b"Unauthorized"
    else:
        schema("Error").validate(reply.json())
        assert reply.json() == envelope or envelope in reply.json()
    assert sandbox.stats()["widgets"] == 0


def test_a_credential_without_a_company_is_a_500_that_says_so(sandbox: SandboxProcess) -> None:
    reply = sandbox.create(SMALLEST, ("no-company-1", "x"))
    assert reply.status == 500
    schema("Error").validate(reply.json())
    assert "no company assigned" in reply.json()["error"]["description"]
    assert reply.json()["error"]["key"] == "internal_server_error"


@pytest.mark.parametrize(("prefix", "status"), [("404", 404), ("403", 403), ("422", 422)])
def test_magic_bot_ids_are_refused_in_both_cases_and_both_forms_of_message(
    sandbox: SandboxProcess, prefix: str, status: int
) -> None:
    replies = [create(sandbox, {"bot": {"id": f"{prefix}-{n}"}, "widget": {}}) for n in range(16)]
    for reply in replies:
        schema("Error").validate(reply.json())
    assert {reply.status for reply in replies} == {status}
    assert {reply.json()["error"]["key"].isupper() for reply in replies} == {True, False}
    assert {type(reply.json()["message"]) for reply in replies} == {str, list}
    assert sandbox.stats()["widgets"] == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/widgets", 404), ("POST", "/", 404), ("GET", CREATE, 405), ("PUT", CREATE, 405)],
)
def test_a_wrong_address_is_answered_without_an_envelope(
    sandbox: SandboxProcess, method: str, path: str, status: int
) -> None:
    reply = sandbox.request(method, path, headers={"Authorization": basic("acme", "s3cret")})
    assert reply.status == status
    assert not reply.body.startswith(b"{")


def test_what_is_not_json_is_a_400_and_another_media_type_counts_as_no_body(sandbox: SandboxProcess) -> None:
    headers = {"Authorization": basic("acme", "s3cret"), "Content-Type": "application/json"}
    assert sandbox.request("POST", CREATE, b"{bot", headers).status == 400
    headers["Content-Type"] = "text/plain"
    assert sandbox.request("POST", CREATE, json.dumps(SMALLEST).encode(), headers).status == 422


def test_a_body_beyond_reason_is_a_413(sandbox: SandboxProcess) -> None:
    # Just beyond: the rest of the body still fits the sockets' buffers, so that the answer is read.
    assert create(sandbox, {**SMALLEST, "x": "y" * 1024 * 1024}).status == 413


def test_the_old_spelling_of_the_block_list_is_reported(sandbox: SandboxProcess) -> None:
    assert create(sandbox, {**SMALLEST, "credentials": {"blacKList": ["x"]}}).status == 200
    assert sandbox.stats()["misspelt_lists"] == 1


@pytest.mark.parametrize(
    "name", [name for name in FAULTS if name.startswith("error-4") or name in ("error-500", "no-company")]
)
def test_refusals_by_fault_keep_to_the_error_envelope_too(sandbox: SandboxProcess, name: str) -> None:
    sandbox.post_faults({name: 1})
    for n in range(6):
        reply = create(sandbox, {"bot": {"id": str(n)}, "widget": {}})
        if reply.body != b"Unauthorized":
            schema("Error").validate(reply.json())
    assert sandbox.stats()["widgets"] == 0
