"""
`provision health`: for probes of containers and supervisors. Exit code 0 if healthy, 1 if not.

A probe runs every few seconds on every worker, so this module imports nothing but the standard library, and
`console.__main__` calls it before anything else is loaded. It contacts neither Redis nor the broker.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from provisioning.health.heartbeat import Heartbeat, folder_of, read_heartbeat, read_heartbeats
from provisioning.health.liveness import PROBE_LIMIT
from provisioning.printable import printable

WELL, UNWELL = 0, 1

ANSWER_WITHIN = 5.0
"""Seconds for a server to answer an HTTP probe."""


def parser() -> argparse.ArgumentParser:
    """The arguments of `provision health`."""
    parser = argparse.ArgumentParser(
        prog="provision health",
        description=(
            "Check the health of the workers on this host, or of a server: exit code 0 if healthy, else 1."
        ),
        epilog="Example: provision health --live",
        allow_abbrev=False,
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--live", action="store_true", help="liveness (the default)")
    kind.add_argument("--ready", action="store_true", help="readiness: it can accept work")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--worker", metavar="NAME", help="check only this worker; default: all in the folder")
    which.add_argument("--file", metavar="FILE", type=Path, help="check only this heartbeat file")
    which.add_argument(
        "--url", metavar="URL", help="check a server: its /healthz, or its /readyz with --ready"
    )
    parser.add_argument(
        "--limit",
        metavar="SECONDS",
        type=_seconds,
        default=PROBE_LIMIT,
        help=f"maximum age of a heartbeat (default {PROBE_LIMIT:g})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per worker")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Checks the health, prints it, and returns the exit code."""
    chosen = parser().parse_args(arguments)
    if chosen.url is not None:
        return _report_server(chosen.url, ready=chosen.ready, as_json=chosen.json)
    folder = folder_of(os.environ)
    try:
        if chosen.file is not None:
            one = read_heartbeat(chosen.file)
            beats = [] if one is None else [one]
        else:
            beats = [
                beat for beat in read_heartbeats(folder) if chosen.worker is None or _is(beat, chosen.worker)
            ]
    except OSError as error:
        return _report_none(f"the heartbeat cannot be read ({error.strerror})", as_json=chosen.json)
    if not beats:
        where = chosen.file or f"in {folder.absolute()}"
        subject = f"worker {chosen.worker}" if chosen.worker else "worker"
        return _report_none(f"no live {subject} has a heartbeat {where}", as_json=chosen.json)
    return _report(beats, time.monotonic(), ready=chosen.ready, limit=chosen.limit, as_json=chosen.json)


def _report(beats: Iterable[Heartbeat], now: float, *, ready: bool, limit: float, as_json: bool) -> int:
    code = WELL
    for beat in beats:
        stuck, unready = beat.stuck(now, limit), beat.unready(now, limit)
        trouble = unready if ready else stuck
        if trouble:
            code = UNWELL
        if as_json:
            print(json.dumps(_public(beat, now, stuck, unready)))
        elif trouble:
            print(printable(f"{'not ready' if ready else 'not alive'}: {beat.worker}: {trouble}"))
        else:
            print(printable(f"{'ready' if ready else 'alive'}: {beat.worker}"))
    return code


def _public(beat: Heartbeat, now: float, stuck: str | None, unready: str | None) -> dict[str, object]:
    signs = beat.signs
    last = {
        "engine": signs.engine,
        "ledger": signs.ledger,
        "consumer": signs.consumer,
        "message": signs.message,
    }
    # While Celery reconnects, a part may have a time in the future.
    ages = {name: None if at is None else round(max(0.0, now - at), 1) for name, at in last.items()}
    return {
        "worker": beat.worker,
        "pid": beat.pid,
        "alive": stuck is None,
        "ready": unready is None,
        "why": stuck or unready,
        "ages": ages,
        "credentials": beat.credentials,
        "stopping": beat.stopping,
    }


def _report_none(reason: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"worker": None, "alive": False, "ready": False, "why": reason}))
    else:
        print(printable(reason))
    return UNWELL


def _report_server(url: str, *, ready: bool, as_json: bool) -> int:
    address = _address(url, ready=ready)
    code, text = _asked(address)
    well = code == 200
    if as_json:
        print(
            json.dumps({"url": address, "ready" if ready else "alive": well, "why": None if well else text})
        )
    else:
        word = "ready" if ready else "alive"
        print(printable(f"{word if well else f'not {word}'}: {address}{'' if well else f': {text}'}"))
    return WELL if well else UNWELL


def _address(url: str, *, ready: bool) -> str:
    """The address to request: as given if it has a path, else that of our own server's probe."""
    from urllib.parse import urlsplit

    page = urlsplit(url).path.strip("/")
    return url if page else f"{url.rstrip('/')}/{'readyz' if ready else 'healthz'}"


def _asked(address: str) -> tuple[int | None, str]:
    """The status of the answer and a message; None if there was no answer."""
    # Only here: HTTP and TLS cost more to import than all the rest.
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None, "it is no http:// or https:// address"
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    try:
        connection = connect(parts.hostname, parts.port, timeout=ANSWER_WITHIN)
        try:
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        return None, f"no answer ({getattr(error, 'strerror', None) or error or type(error).__name__})"
    return status, f"it answers {status}"


def _is(beat: Heartbeat, name: str) -> bool:
    """Whether a name selects this worker: its whole name, the part before the host, or its `--name`."""
    before_host = beat.worker.partition("@")[0]
    return name in (beat.worker, before_host, before_host.removesuffix(f"-{beat.pid}"))


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
