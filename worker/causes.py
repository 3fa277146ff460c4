"""
Why an attempt ended as it did: one stable word each, and nothing else.

The words stand in the ledger, in outcome files and on dashboards, so a word once published is never
renamed; `docs/reference/` lists them. Two kinds are made from data instead: `http_500` by
`http_status`, and the API's own error keys (`bot_not_found`, `e0422`), which arrive in lower case.
"""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """The words that this program coins itself."""

    # Nothing was sent, and that is proven.
    DNS_FAILURE = "dns_failure"  # the name has no address, or nobody could say
    CONNECT_REFUSED = "connect_refused"  # nobody listens there
    CONNECT_TIMEOUT = "connect_timeout"  # look-up, TCP and TLS together took too long
    CONNECT_FAILURE = "connect_failure"  # no connection for any other reason
    TLS_FAILURE = "tls_failure"  # no handshake, or a certificate that we do not trust
    POOL_TIMEOUT = "pool_timeout"  # our own cap on connections left no room in time

    # At least one byte may have left.
    WRITE_TIMEOUT = "write_timeout"  # the server did not take the body in time
    WRITE_FAILURE = "write_failure"  # the connection was gone before the body was through
    READ_TIMEOUT = "read_timeout"  # silence, or an answer that dribbled past the deadline
    READ_FAILURE = "read_failure"  # the connection failed while we waited
    CONNECTION_RESET = "connection_reset"  # RST: the peer threw the connection away
    CONNECTION_CLOSED = "connection_closed"  # FIN: the peer hung up without an answer
    PROTOCOL_ERROR = "protocol_error"  # what came is not HTTP
    TRUNCATED_ANSWER = "truncated_answer"  # status and headers came, the body did not come whole
    ANSWER_TOO_LARGE = "answer_too_large"  # the body is longer than we are willing to hold

    # A 200 that does not prove a widget.
    NOT_JSON = "not_json"  # not an object in JSON: a page of a proxy, or a cut body
    STATUS_NOT_1 = "status_not_1"  # the envelope's own status or word is not that of success
    KEY_MISSING = "key_missing"  # a success without the widget's key: made, perhaps, and lost

    # An answer whose reason has no error key of its own.
    UNAUTHORIZED = "unauthorized"  # 401
    NO_COMPANY = "no_company_assigned"  # any answer that says so: the credential belongs to nobody
    NOT_THE_API = "not_the_api"  # 404 without a bot code: nothing of ours lives at that address
    REDIRECTED = "redirected"  # 3xx
    METHOD_NOT_ALLOWED = "method_not_allowed"  # 405
    RATE_LIMITED = "rate_limited"  # 429


def http_status(status: int) -> str:
    """The word for an answer that says nothing but its status: `http_500`."""
    return f"http_{status}"
