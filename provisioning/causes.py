"""
Why an attempt ended as it did, and what to do about it: one stable word and one sentence each.

The words stand in the ledger, in outcome files and on dashboards, so a word once published is never
renamed. `docs/reference/causes.md` is generated from `CAUSES`. Two kinds are made from data instead:
`http_500` by `http_status`, and the API's own error keys (`bot_not_found`), which arrive in lower case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """The words that this program coins itself."""

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
    """The word for an answer that says nothing but its status: `http_500`."""
    return f"http_{status}"


@dataclass(frozen=True, slots=True)
class Explained:
    """
    A cause in words.

    Attributes:
        meaning: what happened.
        advice: what a person can do about jobs that ended so, as a sentence.
    """

    meaning: str
    advice: str


_RESEND = "Nothing was sent: when it is mended, redrive them as they are."
_LOOK = (
    "Look in Jelou's console; then resolve or reconcile them: created where there is a widget, else absent."
)
_LOST = "There very likely is a widget, its key lost: look in Jelou's console and resolve them as created."
_READ = "Read what the API said (provision job JOB); mend the rows in failed.csv and apply it, or redrive."
_RISKY = (
    "Each may have a widget: look in Jelou's console, then redrive with --accept-duplicates --because TEXT."
)
_COMPANY = (
    "Have the credential put right, then provision resume --credential NAME; the jobs have stayed queued."
)
_ADDRESS = "Set PROVISION_API_URL to the API's address, restart the workers, then provision resume --target."

CAUSES: dict[str, dict[str, Explained]] = {
    "Nothing was sent, and that is proven": {
        Cause.DNS_FAILURE: Explained(
            "the name has no address, or nobody could say",
            "Mend the workers' DNS, or PROVISION_API_URL. " + _RESEND,
        ),
        Cause.CONNECT_REFUSED: Explained("nobody listens there", "Find out why the API is down. " + _RESEND),
        Cause.CONNECT_TIMEOUT: Explained(
            "look-up, TCP and TLS together took too long", "Look at the network between. " + _RESEND
        ),
        Cause.CONNECT_FAILURE: Explained(
            "no connection for any other reason", "Look at the network between. " + _RESEND
        ),
        Cause.TLS_FAILURE: Explained(
            "no handshake, or a certificate that we do not trust",
            "Set PROVISION_CA_FILE if a proxy signs with its own. " + _RESEND,
        ),
        Cause.POOL_TIMEOUT: Explained(
            "our own cap on connections left no room in time",
            "Lower the pace, or raise PROVISION_MAX_IN_FLIGHT. " + _RESEND,
        ),
    },
    "At least one byte may have left": {
        Cause.WRITE_TIMEOUT: Explained("the server did not take the body in time", _LOOK),
        Cause.WRITE_FAILURE: Explained("the connection was gone before the body was through", _LOOK),
        Cause.READ_TIMEOUT: Explained("silence, or an answer that dribbled past the deadline", _LOOK),
        Cause.READ_FAILURE: Explained("the connection failed while we waited", _LOOK),
        Cause.CONNECTION_RESET: Explained("RST: the peer threw the connection away", _LOOK),
        Cause.CONNECTION_CLOSED: Explained("FIN: the peer hung up without an answer", _LOOK),
        Cause.PROTOCOL_ERROR: Explained("what came is not HTTP", _LOOK),
        Cause.TRUNCATED_ANSWER: Explained("status and headers came, the body did not come whole", _LOST),
        Cause.ANSWER_TOO_LARGE: Explained("the body is longer than we are willing to hold", _LOST),
    },
    "A 200 that does not prove a widget": {
        Cause.NOT_JSON: Explained("not an object in JSON: a page of a proxy, or a cut body", _LOOK),
        Cause.STATUS_NOT_1: Explained("the envelope's own status or word is not that of success", _LOOK),
        Cause.KEY_MISSING: Explained("a success without the widget's key: made, perhaps, and lost", _LOST),
    },
    "An answer whose reason has no error key of its own": {
        Cause.UNAUTHORIZED: Explained("401", _COMPANY),
        Cause.NO_COMPANY: Explained("any answer that says so: the credential belongs to nobody", _COMPANY),
        Cause.NOT_THE_API: Explained(
            "404 without a bot code: nothing of ours lives at that address", _ADDRESS
        ),
        Cause.REDIRECTED: Explained("3xx", _ADDRESS),
        Cause.METHOD_NOT_ALLOWED: Explained("405", _ADDRESS),
        Cause.RATE_LIMITED: Explained(
            "429", "Lower the pace (provision pace NAME RATE), then redrive them: nothing was done."
        ),
    },
    "The API's own error keys": {
        "bot_not_found": Explained(
            "the bot is not assigned to the company",
            "Mend bot.id in failed.csv and apply it, or have the bot assigned and redrive.",
        ),
        "forbidden_bot": Explained(
            "the company may not use this bot",
            "Have the company allowed to use the bot and redrive, or mend bot.id in failed.csv and apply it.",
        ),
        "unprocessable_entity": Explained(
            "a field is missing or wrong; the message names it", "Mend the field in failed.csv and apply it."
        ),
        "message_could_not_be_send": Explained(
            "400, of other calls of the API",
            "Read its message with provision job, and make sure that PROVISION_API_URL is right.",
        ),
        "notification_could_not_be_send": Explained(
            "400, of other calls of the API",
            "Read its message with provision job, and make sure that PROVISION_API_URL is right.",
        ),
        "e0422": Explained(
            "likewise, by the code alone", "Mend the field that the message names in failed.csv and apply it."
        ),
    },
    "Of the program itself": {
        Cause.LEASE_LAPSED: Explained(
            "the worker fell silent while it was sending: nobody knows what came of the POST", _LOOK
        ),
        Cause.SHUTDOWN: Explained(
            "the worker had to stop: before a POST nothing was sent, during one it is in doubt", _LOOK
        ),
        Cause.FROZEN: Explained(
            "the worker stood still for so long that the job might be another's; nothing was sent",
            "Nothing need be done: the job is queued. Look at why the worker's machine stalled.",
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
