"""Checks that PROVISION_CA_FILE can be used: a worker could otherwise not start."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from provisioning.checks.finding import Finding, fatal, ok
from provisioning.text import AnyText, Text


def check_ca_file(file: Path | None) -> Iterator[Finding]:
    """Reads the file as the worker will; no finding if none is set."""
    if file is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        reason: AnyText = Text("it holds no PEM certificate")
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        yield ok(
            "settings.ca_file",
            Text("the certificates in {file} are trusted in addition to those of the system", file=file),
        )
        return
    yield fatal(
        "settings.ca_file",
        Text("PROVISION_CA_FILE is {file}, which is not usable: {reason}", file=file, reason=reason),
        "use a file that starts with -----BEGIN CERTIFICATE-----, or unset PROVISION_CA_FILE",
    )
