"""
Causes of the results of attempts, and what to do about them: one stable word and one sentence each.

The words are in the ledger, in outcome files and on dashboards, so a published word is never
renamed. `docs/reference/causes.md` is generated from `CAUSES`. Two kinds come from data instead:
`http_500` by `http_status`, and the API's own error keys (`bot_not_found`), which arrive in lower case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum


class Cause(StrEnum):
    """The causes that this program defines."""

    DNS_FAILURE = "dns_failure"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_FAILURE = "connect_failure"
    TLS_FAILURE = "tls_failure"
    POOL_TIMEOUT = "pool_timeout"

    WRITE_TIMEOUT = "write_timeout"
    WRITE_FAILURE = "write_failure"
    READ_TIMEOUT = "read_timeout"
    READ_FAILURE = "read_failure"
    CONNECTION_RESET = "connection_reset"
    CONNECTION_CLOSED = "connection_closed"
    PROTOCOL_ERROR = "protocol_error"
    TRUNCATED_ANSWER = "truncated_answer"
    ANSWER_TOO_LARGE = "answer_too_large"

    NOT_JSON = "not_json"
    STATUS_NOT_1 = "status_not_1"
    KEY_MISSING = "key_missing"

    UNAUTHORIZED = "unauthorized"
    NO_COMPANY = "no_company_assigned"
    NOT_THE_API = "not_the_api"
    REDIRECTED = "redirected"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    RATE_LIMITED = "rate_limited"

    LEASE_LAPSED = "lease_lapsed"
    SHUTDOWN = "shutdown"
    FROZEN = "frozen"


def http_status(status: int) -> str:
    """The cause for an answer of which only the status is known: `http_500`."""
    return f"http_{status}"


@dataclass(frozen=True, slots=True)
class Advice:
    """
    What a person can do, in sentences: with commands, or with the buttons of the console.

    Attributes:
        command: on the command line.
        page: in the console.
        first: what comes before either.
    """

    command: str
    page: str
    first: str = ""

    def after(self, first: str) -> Advice:
        """The same, after another sentence."""
        return replace(self, first=first)

    @property
    def on_command_line(self) -> str:
        """The whole advice for a terminal."""
        return " ".join(self.in_terminal)

    @property
    def in_terminal(self) -> tuple[str, ...]:
        """The sentences for a terminal, each to be translated by itself."""
        return tuple(sentence for sentence in (self.first, self.command) if sentence)

    @property
    def on_page(self) -> tuple[str, ...]:
        """The sentences for a page, each to be translated by itself."""
        return tuple(sentence for sentence in (self.first, self.page) if sentence)


@dataclass(frozen=True, slots=True)
class Explained:
    """
    The description of a cause.

    Attributes:
        meaning: what happened.
        advice: what a person can do about jobs that ended so.
    """

    meaning: str
    advice: Advice


def _file(text: str) -> Advice:
    """Advice to correct a file: the command line applies it, the console sends it."""
    return Advice(text, text.replace("apply it", "send it"))


def _either(text: str) -> Advice:
    """Advice that is the same everywhere."""
    return Advice(text, text)


_RESEND = _either("Nothing was sent: after the repair, redrive the jobs.")
_LOOK = Advice(
    "Look in Jelou's console; then resolve or reconcile the jobs: created if there is a widget, else absent.",
    "Look in Jelou's console; then resolve the jobs: created if there is a widget, else absent.",
)
_LOST = _either(
    "A widget very likely exists, but its key is lost: look in Jelou's "
    "console and resolve the jobs as created."
)
_READ = Advice(
    "Read the answer of the API (provision job JOB); fix the rows in failed.csv and apply it, or redrive.",
    "Read the answer of the API on the page of a job; fix the rows in failed.csv and send it, or redrive.",
)
_RISKY = Advice(
    "Each may have a widget: look in Jelou's console, then redrive with --accept-duplicates --because TEXT.",
    "Each may have a widget: look in Jelou's console before you redrive them, and give the reason.",
)
_COMPANY = Advice(
    "Correct the credential, then run provision resume --credential NAME; the jobs are still queued.",
    "Correct the credential, then resume it; the jobs are still queued.",
)
_ADDRESS = Advice(
    "Correct PROVISION_API_URL, restart the workers, then run provision resume --target.",
    "Correct PROVISION_API_URL and restart the workers, then resume sending.",
)
_PACE = Advice(
    "Lower the pace (provision pace NAME RATE), then redrive the jobs: no widget was created.",
    "Lower the pace of the credential, then redrive the jobs: no widget was created.",
)
_MESSAGE = Advice(
    "Read its message with provision job, and make sure that PROVISION_API_URL is right.",
    "Read its message on the page of a job, and make sure that PROVISION_API_URL is right.",
)

CAUSES: dict[str, dict[str, Explained]] = {
    "Nothing was sent, and that is proven": {
        Cause.DNS_FAILURE: Explained(
            "the host name has no address, or DNS did not answer",
            _RESEND.after("Fix the DNS of the workers, or PROVISION_API_URL."),
        ),
        Cause.CONNECT_REFUSED: Explained(
            "the API refused the connection", _RESEND.after("Find out why the API is down.")
        ),
        Cause.CONNECT_TIMEOUT: Explained(
            "DNS, TCP and TLS together took too long",
            _RESEND.after("Check the network between the workers and the API."),
        ),
        Cause.CONNECT_FAILURE: Explained(
            "no connection, for another reason",
            _RESEND.after("Check the network between the workers and the API."),
        ),
        Cause.TLS_FAILURE: Explained(
            "the TLS handshake failed, or the certificate is not trusted",
            _RESEND.after("Set PROVISION_CA_FILE if a proxy signs with its own."),
        ),
        Cause.POOL_TIMEOUT: Explained(
            "no free connection in time under our own limit",
            _RESEND.after("Lower the pace, or raise PROVISION_MAX_IN_FLIGHT."),
        ),
    },
    "At least one byte may have left": {
        Cause.WRITE_TIMEOUT: Explained("the server did not read the request in time", _LOOK),
        Cause.WRITE_FAILURE: Explained("the connection closed before the whole request was sent", _LOOK),
        Cause.READ_TIMEOUT: Explained("no answer, or an incomplete one, before the deadline", _LOOK),
        Cause.READ_FAILURE: Explained("the connection failed before the answer", _LOOK),
        Cause.CONNECTION_RESET: Explained("the server reset the connection (RST)", _LOOK),
        Cause.CONNECTION_CLOSED: Explained("the server closed the connection without an answer (FIN)", _LOOK),
        Cause.PROTOCOL_ERROR: Explained("the answer is not HTTP", _LOOK),
        Cause.TRUNCATED_ANSWER: Explained("status and headers arrived, but not the whole body", _LOST),
        Cause.ANSWER_TOO_LARGE: Explained("the body of the answer is too large to read", _LOST),
    },
    "A 200 that does not prove a widget": {
        Cause.NOT_JSON: Explained(
            "the answer is not a JSON object: a proxy page, or an incomplete body", _LOOK
        ),
        Cause.STATUS_NOT_1: Explained("the status inside the answer does not mean success", _LOOK),
        Cause.KEY_MISSING: Explained(
            "success without the widget key: the widget may exist, its key is lost", _LOST
        ),
    },
    "An answer whose reason has no error key of its own": {
        Cause.UNAUTHORIZED: Explained("401", _COMPANY),
        Cause.NO_COMPANY: Explained("the API answered that the credential belongs to no company", _COMPANY),
        Cause.NOT_THE_API: Explained("404 without a bot error: the address is not that of the API", _ADDRESS),
        Cause.REDIRECTED: Explained("3xx", _ADDRESS),
        Cause.METHOD_NOT_ALLOWED: Explained("405", _ADDRESS),
        Cause.RATE_LIMITED: Explained("429", _PACE),
    },
    "The API's own error keys": {
        "bot_not_found": Explained(
            "the bot does not belong to the company",
            _file("Fix bot.id in failed.csv and apply it, or assign the bot to the company and redrive."),
        ),
        "forbidden_bot": Explained(
            "the company may not use this bot",
            _file(
                "Give the company access to the bot and redrive, or fix bot.id in failed.csv and apply it."
            ),
        ),
        "unprocessable_entity": Explained(
            "a field is missing or wrong; the message names it",
            _file("Fix the field in failed.csv and apply it."),
        ),
        "message_could_not_be_send": Explained(
            "400, an error of other API calls",
            _MESSAGE,
        ),
        "notification_could_not_be_send": Explained(
            "400, an error of other API calls",
            _MESSAGE,
        ),
        "e0422": Explained(
            "a field is missing or wrong; the answer has only a code",
            _file("Fix the field that the message names in failed.csv and apply it."),
        ),
    },
    "Of the program itself": {
        Cause.LEASE_LAPSED: Explained(
            "the worker stopped while it was sending: the outcome of the POST is unknown", _LOOK
        ),
        Cause.SHUTDOWN: Explained(
            "the worker was stopped: before the POST nothing was sent; during it the job is in doubt", _LOOK
        ),
        Cause.FROZEN: Explained(
            "the worker was frozen longer than its lease; nothing was sent",
            _either("No action needed: the job is queued. Find out why the machine of the worker stalled."),
        ),
    },
}
"""Every documented cause, under the heading that says how much is known."""

_BY_WORD = {word: explained for group in CAUSES.values() for word, explained in group.items()}
_STATUS = re.compile(r"http_(\d)\d\d")


def explained(cause: str) -> Explained:
    """What a cause means, and what to do about jobs that ended for it; an unknown cause has no meaning."""
    if known := _BY_WORD.get(cause):
        return known
    kind = _STATUS.fullmatch(cause)
    if cause == "http_504":
        return Explained("", _LOOK)
    return Explained("", _RISKY if kind and kind[1] == "5" else _READ)


def advice(cause: str) -> str:
    """
    What to do about jobs that ended for this cause, as a sentence for a terminal.

    >>> advice("http_500")[:23]
    'Each may have a widget:'
    """
    return explained(cause).advice.on_command_line
