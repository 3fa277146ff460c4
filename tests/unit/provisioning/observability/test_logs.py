"""Lines: what they look like, what they can hold, and that no secret is among it."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from redis.exceptions import ResponseError

from provisioning.attempt import Attempt, Evidence, Outcome, Result
from provisioning.config.settings import Settings
from provisioning.errors import InvalidInputError, LedgerUnavailableError
from provisioning.ledger import Claim
from provisioning.lifecycle import State
from provisioning.observability import log_events, logs
from provisioning.observability.log_events import EVENTS
from provisioning.observability.log_fields import CONTEXT, FIELDS
from tests.support.repository import ROOMS, ROOT
from worker.events.log_listener import log_telemetry_event
from worker.events.telemetry import (
    Attempted,
    BrakeApplied,
    BrakeReleased,
    Claimed,
    Ended,
    Lapsed,
    Returned,
    TargetLost,
    TargetRecovered,
    TargetSuspected,
    Telemetry,
    TelemetryEvent,
)

CLIENT_SECRET = "s3cret-of-the-company"
WIDGET_KEY = "wk_9f8e7d6c5b4a"
BODY_MARKER = "portal-lima-in-the-body"
REDIS_PASSWORD = "hunter2hunter2"
PLANTED = (CLIENT_SECRET, WIDGET_KEY, BODY_MARKER, REDIS_PASSWORD)

SETTINGS = Settings(
    client_id="company",
    client_secret=SecretStr(CLIENT_SECRET),
    redis_url=SecretStr(f"redis://:{REDIS_PASSWORD}@127.0.0.1:6379/0"),
    log_level="debug",
)


class Log:
    """What has been written."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """Everything from debug on, as a worker writes it; afterwards logging is as it was."""
    monkeypatch.setattr(logs, "_writer", logs._writer)
    root = logging.getLogger()
    before, levels = list(root.handlers), {name: logging.getLogger(name).level for name in logs.LIBRARIES}
    log = Log()
    logs.configure("worker", SETTINGS, worker="worker-1@host", stream=log.stream)
    yield log
    root.handlers[:] = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)


def _job() -> Claim:
    body = f'{{"bot":{{"id":"1"}},"credentials":{{"whiteList":["{BODY_MARKER}"]}}}}'.encode()
    return Claim(
        7, 1, WIDGET_KEY, "default", 8, 0, body, trace=f"00-{'a' * 32}-{'b' * 16}-01", batch="bbfkkd48"
    )


def _attempt(n: int, outcome: Outcome, *, status: int | None = 200, at: float = 1000.0) -> Attempt:
    return Attempt(n, at, 0.25, outcome, Evidence.ANSWERED, status, "http_500", f"said {WIDGET_KEY}")


FAILED = _attempt(1, Outcome.FAILED, status=500)
CREATED = _attempt(2, Outcome.CREATED, at=1001.0)
RESULT = Result("w1", WIDGET_KEY)

HAPPENINGS: list[TelemetryEvent] = [
    Claimed(_job()),
    Attempted(_job(), FAILED, State.CLAIMED, "http_500"),
    Attempted(_job(), CREATED, State.SUCCEEDED, "created"),
    Ended(_job(), State.SUCCEEDED, "created", [FAILED, CREATED], RESULT),
    Ended(_job(), State.DEAD, "http_500", [FAILED]),
    Ended(_job(), State.IN_DOUBT, "read_timeout", [FAILED]),
    Ended(_job(), State.CANCELLED, "cancelled", []),
    Returned(_job(), 2.5, "shutdown"),
    Lapsed("bbfkkd48", 7, State.QUEUED, WIDGET_KEY, 8, "worker-2@host"),
    Lapsed("bbfkkd48", 7, State.IN_DOUBT, WIDGET_KEY, 8, "worker-2@host"),
    BrakeApplied("credential:default", f"refused ({WIDGET_KEY} {BODY_MARKER})", "unauthorized"),
    BrakeApplied("target:https://api.example", f"is down ({WIDGET_KEY})", "html"),
    BrakeReleased("credential:default"),
    TargetSuspected("http_503"),
    TargetLost("http_503"),
    TargetRecovered(12.5),
]


# --- Lines ---


def test_one_line_closes_a_job_with_all_that_one_asks_first(log: Log) -> None:
    log_telemetry_event(Ended(_job(), State.SUCCEEDED, "created", [FAILED, CREATED], RESULT))
    [line] = log.lines
    timestamp = line.pop("timestamp")
    assert timestamp.endswith("Z")
    assert line == {
        "level": "info",
        "event": "job.succeeded",
        "program": "worker",
        "worker": "worker-1@host",
        "job_id": "bbfkkd48.7",
        "batch_id": "bbfkkd48",
        "trace_id": "a" * 32,
        "row": 8,
        "credential": "default",
        "state": "succeeded",
        "cause": "created",
        "attempts": 2,
        "status": 200,
        "duration_s": 1.25,
        "least": 1,
        "most": 2,
    }


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda each: type(each).__name__)
def test_every_happening_makes_one_line(log: Log, happening: TelemetryEvent) -> None:
    log_telemetry_event(happening)
    assert len(log.lines) == 1


def test_a_retry_is_a_warning_and_every_other_attempt_debug(log: Log) -> None:
    log_telemetry_event(Attempted(_job(), FAILED, State.CLAIMED, "http_500"))
    log_telemetry_event(Attempted(_job(), CREATED, State.SUCCEEDED, "created"))
    assert [(line["level"], line["event"]) for line in log.lines] == [
        ("warning", "retry.scheduled"),
        ("debug", "attempt.finished"),
    ]


def test_what_is_below_the_level_is_not_written(log: Log) -> None:
    logs.configure("worker", SETTINGS.model_copy(update={"log_level": "error"}), stream=log.stream)
    for happening in HAPPENINGS:
        log_telemetry_event(happening)
    logging.getLogger("celery.worker").warning("%s ready.", "w")
    assert {line["level"] for line in log.lines} == {"error"}


def test_a_line_says_where_it_was_said(log: Log) -> None:
    async def work() -> None:
        with logs.bound(job_id="b.1", batch_id="b"):
            await asyncio.create_task(said())

    async def said() -> None:
        logs.log_event(log_events.ANSWER_MISREAD, exception=ValueError())

    asyncio.run(work())
    assert (log.lines[0]["job_id"], log.lines[0]["batch_id"]) == ("b.1", "b")


def test_text_is_for_people(log: Log) -> None:
    logs.configure("worker", SETTINGS.model_copy(update={"log_format": "text"}), stream=log.stream)
    log_telemetry_event(HAPPENINGS[3])
    assert "job.succeeded" in log.text
    assert not log.text.startswith("{")
    assert "\x1b" not in log.text  # no colours off a terminal


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours_and_no_json(log: Log) -> None:
    stream = _Terminal()
    logs.configure("worker", SETTINGS, stream=stream)
    log_telemetry_event(HAPPENINGS[3])
    assert "\x1b" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


# --- Secrets ---


def _raise(error: BaseException) -> BaseException:
    secret_local = CLIENT_SECRET  # noqa: F841 - a traceback with locals would show it
    try:
        try:
            raise KeyError(WIDGET_KEY)  # noqa: TRY301
        except KeyError as inner:
            raise error from inner
    except BaseException as caught:  # noqa: BLE001 - whatever it is
        return caught


ERRORS = [
    ValueError(f"invalid literal {WIDGET_KEY}"),
    ConnectionRefusedError(111, f"to {REDIS_PASSWORD}"),
    ResponseError(f"unknown command 'X', with args beginning with: '{BODY_MARKER}' {WIDGET_KEY}"),
    ResponseError(f"WRONGTYPE of '{BODY_MARKER}'"),
    LedgerUnavailableError(f"Redis at redis://:{REDIS_PASSWORD}@h:1/0 cannot be reached"),
    InvalidInputError(f"{WIDGET_KEY!r} cannot be a name"),
    UnicodeDecodeError("utf-8", BODY_MARKER.encode(), 0, 1, WIDGET_KEY),
    RuntimeError(CLIENT_SECRET, {"body": BODY_MARKER}),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_no_secret_is_in_an_exception(log: Log, error: BaseException) -> None:
    caught = _raise(error)
    logs.log_event(log_events.PERIODIC_TASK_FAILED, doing="look", exception=caught)
    logs.log_event(log_events.LEDGER_LOST, doing="look", error=caught)
    logging.getLogger("asyncio").error("Task exception %r", caught, exc_info=caught)
    Telemetry([lambda _: (_ for _ in ()).throw(error)]).publish(HAPPENINGS[0])
    assert len(log.lines) == 4
    for line in log.lines:
        assert type(error).__name__ in json.dumps(line)
    assert "test_logs.py" in log.lines[0]["exception"]
    _assert_clean(log)


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda each: type(each).__name__)
def test_no_secret_is_in_a_happening(log: Log, happening: TelemetryEvent) -> None:
    log_telemetry_event(happening)
    _assert_clean(log)


SMUGGLED: list[object] = [
    CLIENT_SECRET,
    f"Bearer {WIDGET_KEY} of {CLIENT_SECRET}",
    SecretStr(BODY_MARKER),
    _job(),
    RESULT,
    _job().body,
    {"key": WIDGET_KEY},
    [WIDGET_KEY],
    f"redis://:{REDIS_PASSWORD}@h/0?key={WIDGET_KEY}",
    f"https://h/path?key={WIDGET_KEY}",
]


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
def test_no_secret_passes_through_any_field_of_any_event(log: Log, event: log_events.Event) -> None:
    for value in SMUGGLED:
        logs.log_event(event, **dict.fromkeys((*event.fields, "body", "key", "widget_key"), value))
    assert len(log.lines) == len(SMUGGLED)
    for line in log.lines:
        assert set(line) <= {"timestamp", "level", "event", *CONTEXT, *event.fields}
    _assert_clean(log)


RECORDS: list[tuple[str, tuple[object, ...]]] = [
    ("POST %s with %s", (f"https://h/?k={WIDGET_KEY}", {"body": BODY_MARKER})),
    (f"unread answer {WIDGET_KEY}", ()),
    (f"unread answer {{'key': '{BODY_MARKER}'}}", ()),
    (f"Task failed\nfuture: <Task exception=ValueError('{WIDGET_KEY}')>", ()),
    ("body %r", (_job().body,)),
    ("key %s", (WIDGET_KEY,)),
    (f"Bearer {WIDGET_KEY}", ()),
    ("wrong number of arguments %s %s", (WIDGET_KEY,)),
    (f"connecting to redis://:{REDIS_PASSWORD}@127.0.0.1", ()),
]


@pytest.mark.parametrize(("template", "args"), RECORDS, ids=lambda each: str(each)[:20])
def test_no_secret_is_in_what_a_library_says(log: Log, template: str, args: tuple[object, ...]) -> None:
    logger = logging.getLogger("aiohttp.client")
    # Past pytest's own handler, which raises for a template that does not fit.
    record = logger.makeRecord(logger.name, logging.ERROR, "client.py", 1, template, args, None)
    next(each for each in logging.getLogger().handlers if isinstance(each, logs._Library)).handle(record)
    [line] = log.lines
    assert (line["event"], line["logger"], line["level"]) == ("library.logged", "aiohttp.client", "error")
    _assert_clean(log)


def test_a_message_that_celery_cannot_place_is_not_quoted(log: Log) -> None:
    body = f'\'{{"jobs": ["{BODY_MARKER}", "{WIDGET_KEY}"]}}\' (80b)'
    logging.getLogger("celery.worker.consumer").error("Received unregistered task: %s\n%s", "x.y", body)
    assert log.lines[0]["message"] == "Received unregistered task: x.y"
    _assert_clean(log)


def _assert_clean(log: Log) -> None:
    assert log.text
    for secret in PLANTED:
        assert secret not in log.text


# --- No line is worth a job ---


class _Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_stream_that_takes_nothing_harms_nobody(log: Log) -> None:
    logs.configure("worker", SETTINGS, stream=_Full())
    for happening in HAPPENINGS:
        log_telemetry_event(happening)
    logging.getLogger("celery").error("a library")


def test_a_bug_in_a_line_is_said_and_forgotten(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError(WIDGET_KEY)

    monkeypatch.setitem(FIELDS, "job_id", type(FIELDS["job_id"])(broken, "", ""))
    log_telemetry_event(HAPPENINGS[3])
    [line] = log.lines
    assert (line["event"], line["kind"]) == ("log.failed", "RuntimeError")


# --- The catalogue and the code ---


def _said() -> Iterator[tuple[str, set[str] | None, str]]:
    """Every call of `log_event` in the code: the event's constant, the fields given by name, where."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id == "log_event"
                ):
                    named = {keyword.arg for keyword in node.keywords if keyword.arg}
                    for constant in _constants(node.args[0]):
                        yield constant, named, f"{path.name}:{node.lineno}"


def _constants(node: ast.expr) -> list[str]:
    names = [
        each.attr if isinstance(each, ast.Attribute) else each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute | ast.Name)
    ]
    return [name for name in names if name.isupper()]


CONSTANTS = {name: each for name, each in vars(log_events).items() if isinstance(each, log_events.Event)}


def test_every_field_that_the_code_gives_is_one_of_its_event() -> None:
    calls = list(_said())
    assert len(calls) > 30
    for constant, named, where in calls:
        unknown = (named or set()) - set(CONSTANTS[constant].fields)
        assert not unknown, f"{where}: {constant} has no {unknown}"


def test_every_event_is_said_and_every_field_is_some_event_s() -> None:
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if path.name != "log_events.py"
    )
    assert [name for name in CONSTANTS if name not in text] == []
    used = {field for event in EVENTS.values() for field in event.fields}
    assert set(FIELDS) == used | set(CONTEXT)


def test_names_are_a_noun_and_what_became_of_it() -> None:
    for name in EVENTS:
        noun, _, participle = name.partition(".")
        assert noun.isalpha()
        assert participle.endswith(("ed", "lost", "stuck", "misread")), name


def test_a_line_that_says_the_same_of_the_same_thing_is_written_once_in_a_while() -> None:
    seldom = logs.Seldom()
    lost = log_events.LEDGER_LOST
    look, record = {"doing": "look", "error": OSError("x")}, {"doing": "record", "error": OSError("x")}
    assert [seldom.due(lost, each, 0.0) for each in (look, record, look)] == [True, True, False]
    assert seldom.due(lost, {"doing": "look", "error": OSError("y")}, 0.0)
    assert [seldom.due(lost, look, now) for now in (lost.every - 0.1, lost.every, lost.every + 1)] == [
        False,
        True,
        False,
    ]
