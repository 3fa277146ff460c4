"""Why Redis could not be reached: the error of the operating system or of OpenSSL, for messages."""

from __future__ import annotations

import os
import socket
import ssl


def reason(error: BaseException) -> str:
    """The text of the operating system's error; if there is none, the text of the client's."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, socket.gaierror):
        return str(cause.strerror)
    if isinstance(cause, ssl.SSLError):
        return tls_reason(cause)
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return str(error)


def tls_reason(error: ssl.SSLError) -> str:
    """The text of an OpenSSL error. Its `errno` means something else in the operating system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).replace("_", " ").lower()


def tls_trouble(error: BaseException | None) -> ssl.SSLError | None:
    """The OpenSSL error that caused an error of the client; None if there is none."""
    for _ in range(4):  # a Sentinel's error has the client's as its cause, and that has OpenSSL's
        if error is None or isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
