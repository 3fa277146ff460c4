"""
Causes of the results of attempts, and what to do about them: one stable word and one sentence each.

The words are in the ledger, in outcome files and on dashboards, so a published word is never
renamed. `docs/reference/causes.md` is generated from `CAUSES`. Two kinds come from data instead:
`http_500` by `http_status`, and the API's own error keys (`bot_not_found`), which arrive in lower case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
class Explained:
    """
    The description of a cause.

    Attributes:
        meaning: what happened.
        advice: what a person can do about jobs that ended so, as a sentence.
    """

    meaning: str
    advice: str


_RESEND = "Nothing was sent: after the repair, redrive the jobs."
_LOOK = (
    "Look in Jelou's console; then resolve or reconcile the jobs: created if there is a widget, else absent."
)
_LOST = (
    "A widget very likely exists, but its key is lost: look in Jelou's "
    "console and resolve the jobs as created."
)
_READ = "Read the answer of the API (provision job JOB); fix the rows in failed.csv and apply it, or redrive."
_RISKY = (
    "Each may have a widget: look in Jelou's console, then redrive with --accept-duplicates --because TEXT."
)
_COMPANY = "Correct the credential, then run provision resume --credential NAME; the jobs are still queued."
_ADDRESS = "Correct PROVISION_API_URL, restart the workers, then run provision resume --target."

CAUSES: dict[str, dict[str, Explained]] = {
    "Nothing was sent, and that is proven": {
        Cause.DNS_FAILURE: Explained(
            "the host name has no address, or DNS did not answer",
            "Fix the DNS of the workers, or PROVISION_API_URL. " + _RESEND,
        ),
        Cause.CONNECT_REFUSED: Explained(
            "the API refused the connection", "Find out why the API is down. " + _RESEND
        ),
        Cause.CONNECT_TIMEOUT: Explained(
            "DNS, TCP and TLS together took too long",
            "Check the network between the workers and the API. " + _RESEND,
        ),
        Cause.CONNECT_FAILURE: Explained(
            "no connection, for another reason",
            "Check the network between the workers and the API. " + _RESEND,
        ),
        Cause.TLS_FAILURE: Explained(
            "the TLS handshake failed, or the certificate is not trusted",
            "Set PROVISION_CA_FILE if a proxy signs with its own. " + _RESEND,
        ),
        Cause.POOL_TIMEOUT: Explained(
            "no free connection in time under our own limit",
            "Lower the pace, or raise PROVISION_MAX_IN_FLIGHT. " + _RESEND,
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
        Cause.RATE_LIMITED: Explained(
            "429", "Lower the pace (provision pace NAME RATE), then redrive the jobs: no widget was created."
        ),
    },
    "The API's own error keys": {
        "bot_not_found": Explained(
            "the bot does not belong to the company",
            "Fix bot.id in failed.csv and apply it, or assign the bot to the company and redrive.",
        ),
        "forbidden_bot": Explained(
            "the company may not use this bot",
            "Give the company access to the bot and redrive, or fix bot.id in failed.csv and apply it.",
        ),
        "unprocessable_entity": Explained(
            "a field is missing or wrong; the message names it", "Fix the field in failed.csv and apply it."
        ),
        "message_could_not_be_send": Explained(
            "400, an error of other API calls",
            "Read its message with provision job, and make sure that PROVISION_API_URL is right.",
        ),
        "notification_could_not_be_send": Explained(
            "400, an error of other API calls",
            "Read its message with provision job, and make sure that PROVISION_API_URL is right.",
        ),
        "e0422": Explained(
            "a field is missing or wrong; the answer has only a code",
            "Fix the field that the message names in failed.csv and apply it.",
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
            "No action needed: the job is queued. Find out why the machine of the worker stalled.",
        ),
    },
}
"""Every documented cause, under the heading that says how much is known."""

_BY_WORD = {word: explained for group in CAUSES.values() for word, explained in group.items()}
_STATUS = re.compile(r"http_(\d)\d\d")


def advice(cause: str) -> str:
    """
    What to do about jobs that ended for this cause, as a sentence.

    >>> advice("http_500")[:23]
    'Each may have a widget:'
    """
    if explained := _BY_WORD.get(cause):
        return explained.advice
    kind = _STATUS.fullmatch(cause)
    if cause == "http_504":
        return _LOOK
    if kind and kind[1] == "5":
        return _RISKY
    return _READ
