"""
Runs Flower with a password, read-only by default, and with persistent data.

It runs in this process, so that no command line contains the password. Flower's own settings (`FLOWER_…`)
apply, except those that this command sets itself; a `flowerconfig.py` in the working directory is ignored.
"""

from __future__ import annotations

import fcntl
import ipaddress
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flower.api.control import ControlHandler
from flower.app import Flower
from flower.command import apply_env_options, extract_settings, setup_logging
from flower.options import options
from flower.urls import settings as web_settings
from flower.views.monitor import Metrics
from tornado import web

from provisioning.broker.queue import make_app
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError
from provisioning.text import Text

USER = "operator"
"""User name for a generated password."""

MOST_TASKS = 10_000
"""Most tasks that Flower keeps, the latest ones: some 50 MB, and half a second to save."""

SAVED_EVERY = 60_000
"""Milliseconds between saves: a SIGKILL of Flower loses so much data."""

FORGOTTEN_AFTER = 24 * 3600
"""Seconds after which a stopped worker is removed: each start of a worker has a new name."""

COLUMNS = "uuid,state,retries,args,exception,name,result,received,runtime,worker"
"""Columns of the tasks page, the most important first; the last need a wide screen."""

NO_DOOR = "Flower does not accept jobs: use provision apply, the HTTP API or provision.submit"
NO_PACE = "the rate limit is per credential: use provision pace"
NO_TASK = "Flower cannot cancel jobs: use provision cancel or provision pause"


class _Refused(ControlHandler):  # type: ignore[misc] # Flower ships no types
    """Answers 403 with what to do instead, to authenticated users."""

    def initialize(self, reason: str) -> None:
        self._reason = reason

    @web.authenticated
    def post(self, *_: str) -> None:
        raise web.HTTPError(403, self._reason)


class _Metrics(Metrics):  # type: ignore[misc]
    """Flower's own metrics, which it would show without authentication."""

    get = web.authenticated(Metrics.get)


def run_flower(
    settings: Settings, host: str, port: int, *, control: bool, on_ready: Callable[[str, str], None]
) -> None:
    """
    Runs Flower until a KeyboardInterrupt, and saves its data.

    Args:
        port: 0 for any free one.
        control: whether workers may be shut down from it.
        on_ready: gets its address, and the password if one was generated.

    Raises: ConfigurationError if there is no password for an address that other hosts reach, if the address
        is in use, or if another Flower uses this PROVISION_HOME.
    """
    os.umask(0o077)  # only its owner may read its data
    auth, made = _auth(settings, host)
    memory = _memory(settings.home.absolute())
    with (memory / "lock").open("w") as lock:
        _alone(lock.fileno(), memory)
        _set_options(host, port, auth, memory, read_only=not control)
        extract_settings()
        setup_logging()
        # Workers stop and start: Flower would log eight times that one does not answer.
        logging.getLogger("flower.inspector").setLevel(logging.ERROR)
        flower = Flower(capp=make_app(settings), options=options, **web_settings)
        flower.add_handlers(".*", _refusals())
        try:
            port = flower.start_http_server()
        except OSError as error:
            raise ConfigurationError(
                Text(
                    "Flower cannot listen on {host}:{port} ({strerror})",
                    host=host,
                    port=port,
                    strerror=error.strerror,
                ),
                hint="choose another --port",
            ) from error
        on_ready(_url(host, port), made)
        try:
            flower.start()
        except KeyboardInterrupt:
            pass
        finally:
            flower.stop()
            logging.disable()  # the broker may end before the threads that listen to it: no news either


def _auth(settings: Settings, host: str) -> tuple[str, str]:
    """User and password, and the password again if it was generated here."""
    if auth := settings.flower_auth.get_secret_value():
        return auth, ""
    if not _is_loopback(host):
        raise ConfigurationError(
            Text("Flower at {host} is reachable from the network and has no password", host=host),
            hint="set PROVISION_FLOWER_AUTH to USER:PASSWORD",
        )
    password = secrets.token_urlsafe(12)
    return f"{USER}:{password}", password


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _memory(home: Path) -> Path:
    """The folder of Flower's data, for its owner only: the data is unpickled."""
    folder = home / "flower"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            Text(
                "Flower cannot save its state in {folder} ({strerror})",
                folder=folder,
                strerror=error.strerror,
            ),
            hint="set PROVISION_HOME",
        ) from error
    return folder


def _alone(lock: int, memory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(
            Text("another Flower saves its state in {memory}", memory=memory),
            hint="stop one of them, or set PROVISION_HOME",
        ) from None


def _set_options(host: str, port: int, auth: str, memory: Path, *, read_only: bool) -> None:
    options.max_tasks = MOST_TASKS
    options.state_save_interval = SAVED_EVERY
    options.purge_offline_workers = FORGOTTEN_AFTER
    options.tasks_columns = COLUMNS
    apply_env_options()
    os.environ.pop("FLOWER_UNAUTHENTICATED_API", None)
    options.address = host
    options.port = port
    options.basic_auth = [auth]
    options.read_only = read_only
    options.persistent = True
    options.db = str(memory / "tasks")


def _refusals() -> list[Any]:
    anywhere = r"(?:/.*)?"  # FLOWER_URL_PREFIX
    return [
        (rf"{anywhere}/api/task/(?:apply|async-apply|send-task)/.*", _Refused, {"reason": NO_DOOR}),
        (rf"{anywhere}/api/task/(?:revoke|abort)/.*", _Refused, {"reason": NO_TASK}),
        (rf"{anywhere}/api/task/(?:timeout|rate-limit)/.*", _Refused, {"reason": NO_PACE}),
        (rf"{anywhere}/metrics", _Metrics),
    ]


def _url(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    prefix = f"/{options.url_prefix.strip('/')}" if options.url_prefix else ""
    return f"http{'s' if options.certfile else ''}://{name}:{port}{prefix}/"
