"""Whether the API can be reached, and how its certificate stands. It is sent no credential and no POST."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from provisioning.checks.finding import Finding, fatal, ok, warning
from provisioning.text import AnyText, Text

DAY = 24 * 3600
SOON = 14
"""Days before its end from which a certificate is worth a warning."""


@dataclass(frozen=True, slots=True)
class ApiFacts:
    """
    The result of connecting to the API.

    Attributes:
        unreached: why there was no connection; empty if there was one.
        untrusted: why TLS failed; empty if it did not, or is not used.
        status: of the answer to `HEAD` at the base address; None if there was none.
        days_left: until its certificate expires; None without TLS.
        issuer: of its certificate.
    """

    url: str
    tls: bool
    unreached: AnyText = ""
    untrusted: AnyText = ""
    status: int | None = None
    days_left: float | None = None
    issuer: str = ""


def gather_api(url: str, timeout: float, ca_file: Path | None = None) -> ApiFacts:
    """Connects, with TLS if used, and sends `HEAD` to the base address, which cannot create a widget."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    try:
        plain = socket.create_connection((host, port), timeout=timeout)
    except OSError as error:
        return ApiFacts(url, tls, unreached=_words(error))
    context = ssl.create_default_context()
    if ca_file is not None:  # besides the system's, as workers have it
        with contextlib.suppress(OSError):  # the check `settings.ca_file` reports why
            context.load_verify_locations(ca_file)
    with plain:
        connection: socket.socket = plain
        days, issuer = None, ""
        if tls:
            try:
                secure = context.wrap_socket(plain, server_hostname=host)
            except (OSError, ValueError) as error:
                return ApiFacts(url, tls, untrusted=_words(error))
            connection, (days, issuer) = secure, _certificate(secure)
        with connection:
            return ApiFacts(
                url, tls, status=_status(connection, host, parts.path), days_left=days, issuer=issuer
            )


def judge_api(facts: ApiFacts) -> Iterator[Finding]:
    """All findings on it."""
    if facts.unreached:
        yield fatal(
            "api.reachable",
            Text("cannot connect to the API at {url} ({reason})", url=facts.url, reason=facts.unreached),
            "check PROVISION_API_URL, the network and the firewalls",
        )
        return
    if facts.untrusted:
        yield fatal(
            "api.tls",
            Text(
                "the certificate of {url} is not trusted ({reason})",
                url=facts.url,
                reason=facts.untrusted,
            ),
            "for a CA of your own, set PROVISION_CA_FILE; otherwise contact the owner of the API",
        )
        return
    if facts.tls:
        yield _lasting(facts.days_left or 0.0, facts.issuer)
    if facts.status is None:
        yield warning(
            "api.reachable",
            Text("{url} accepts connections but does not answer a HEAD request", url=facts.url),
            "check that PROVISION_API_URL is the address of the API",
        )
    elif facts.status >= 500:
        yield warning(
            "api.reachable",
            Text("{url} answers {status}: it may be down", url=facts.url, status=facts.status),
            "try again later, or contact the owner of the API",
        )
    else:
        yield ok(
            "api.reachable",
            Text(
                "{url} answers ({status} to HEAD, which creates nothing)", url=facts.url, status=facts.status
            ),
        )


def _lasting(days: float, issuer: str) -> Finding:
    message = Text(
        "its certificate, issued by {issuer}, expires in {days:.0f} days",
        issuer=issuer or Text("an unknown issuer"),
        days=days,
    )
    if days < SOON:
        return warning("api.tls", message, "ask its owner to renew it: after that date no POST can be sent")
    return ok("api.tls", message)


def _certificate(secure: ssl.SSLSocket) -> tuple[float, str]:
    certificate = secure.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"])) if "notAfter" in certificate else 0.0
    issuer = {name: value for part in certificate.get("issuer", ()) for name, value in part}  # type: ignore[str-unpack]
    return (ends - time.time()) / DAY, str(issuer.get("organizationName") or issuer.get("commonName") or "")


def _status(connection: socket.socket, host: str, path: str) -> int | None:
    http = HTTPConnection(host)
    http.sock = connection
    try:
        http.request("HEAD", path or "/", headers={"User-Agent": "provision doctor"})
        return http.getresponse().status
    except (OSError, HTTPException):
        return None


def _words(error: Exception) -> AnyText:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, TimeoutError):
        return Text("no answer in time")
    return str(getattr(error, "strerror", None) or error)
