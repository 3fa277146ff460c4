"""Why a Redis could not be reached: what the system said, without the client's wrapping."""

from __future__ import annotations

import os
import socket
import ssl


def reason(error: BaseException) -> str:
    """What the system said; the client's text in full where the system said nothing."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, socket.gaierror):
        return str(cause.strerror)
    if isinstance(cause, ssl.SSLError):
        return tls_reason(cause)
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return str(error)


def tls_reason(error: ssl.SSLError) -> str:
    """What OpenSSL found wrong: its errors have numbers that mean something else to the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).replace("_", " ").lower()


def tls_trouble(error: BaseException | None) -> ssl.SSLError | None:
    """The error of OpenSSL's that one of the client's came from; None if it came from none."""
    for _ in range(4):  # a Sentinel's wraps the client's, which wraps OpenSSL's
        if error is None or isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
