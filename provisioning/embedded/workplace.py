"""The environment of a command: the Redis of the settings, or the embedded one with its own worker."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from provisioning.config.settings import PREFIX, Settings
from provisioning.embedded.own_process import own_module
from provisioning.embedded.valkey import embedded_valkey, is_running
from provisioning.errors import ConfigurationError, LedgerUnavailableError, ProvisioningError
from provisioning.observability import logs
from provisioning.text import Text

STOP_TIMEOUT = 20.0
"""Seconds a worker has to stop; it needs at most 10 (its POSTs are answered and recorded)."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """
    The environment of a command.

    Attributes:
        settings: with the address of the Redis that is used.
        embedded: whether that is the Valkey in PROVISION_HOME.
    """

    settings: Settings
    embedded: bool

    @property
    def redis_url(self) -> str:
        """Address of the ledger's Redis."""
        if self.settings.redis is None:
            raise RuntimeError("a workplace has a Redis")
        return self.settings.redis


@contextlib.contextmanager
def workplace() -> Iterator[Workplace]:
    """
    The settings of the environment and a Redis for them.

    Raises: ConfigurationError, LedgerUnavailableError.
    """
    settings = Settings.from_env(os.environ)
    # Commands print their own messages; log lines are only for the analysis of problems.
    logs.configure("cli", settings, least=logging.WARNING)
    if settings.redis is not None:
        yield Workplace(settings, embedded=False)
        return
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(embedded_valkey(settings.home.absolute()))
        try:
            yield Workplace(settings.model_copy(update={"redis_url": SecretStr(url)}), embedded=True)
        finally:
            with undisturbed():
                stack.close()


class LocalWorker:
    """A worker process that ends with the command that started it."""

    def __init__(self, place: Workplace) -> None:
        self._home = place.settings.home.absolute()
        self.log = self._home / "worker.log"
        environ = {**os.environ, f"{PREFIX}REDIS_URL": place.redis_url}
        with self.log.open("ab") as log:
            # In its own session: Ctrl-C is for this command, which then stops the worker gracefully.
            self._process = subprocess.Popen(
                own_module("worker", "--name", "apply", "--leash"),
                env=environ,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises: ProvisioningError if the worker has ended by itself."""
        code = self._process.poll()
        if code is not None:
            raise ProvisioningError(
                Text(
                    "the worker ended unexpectedly (exit code {code}); its log is {log}",
                    code=code,
                    log=self.log,
                ),
                hint="run the same command again: it goes on where it was",
            )

    def check_ledger(self) -> None:
        """Raises: LedgerUnavailableError if the embedded Valkey has ended: nothing would start it again."""
        if not is_running(self._home):
            raise LedgerUnavailableError(
                Text(
                    "the embedded Valkey ended unexpectedly; its log is {log}",
                    log=self._home / "valkey.log",
                ),
                hint="run the same command again: it goes on where it was",
            )

    def stop(self) -> None:
        """Stops the worker, which finishes its POSTs in flight, and waits for it."""
        with undisturbed():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """
    Ctrl-C and SIGTERM only print a message while the block runs.

    A second Ctrl-C would otherwise stop the ledger of a worker that is recording its last answers, and leave
    those jobs in doubt.
    """

    def ask_for_patience(*_: object) -> None:
        with contextlib.suppress(OSError):
            os.write(2, f"still stopping: it takes at most {STOP_TIMEOUT:g} s\n".encode())

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask_for_patience) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def local_worker(place: Workplace) -> Iterator[LocalWorker]:
    """A worker for as long as the block runs."""
    worker = LocalWorker(place)
    try:
        yield worker
    finally:
        worker.stop()


def check_reachable(api_url: str, timeout: float) -> None:
    """
    Checks that a server listens at the API's address, without sending it anything.

    Raises: ConfigurationError if nothing does.
    """
    parts = urlsplit(api_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=timeout):
            return
    except socket.gaierror as error:
        problem = Text(
            "the API's host {host} has no address ({reason})", host=parts.hostname, reason=error.strerror
        )
    except TimeoutError:
        problem = Text("the API at {url} does not answer within {seconds:g} s", url=api_url, seconds=timeout)
    except OSError as error:
        problem = Text("the API at {url} cannot be reached ({reason})", url=api_url, reason=error.strerror)
    raise ConfigurationError(problem, hint="check PROVISION_API_URL and the network; nothing was sent")


@dataclass(frozen=True, slots=True)
class LocalSandbox:
    """A sandbox process of this command, and its address."""

    url: str


@contextlib.contextmanager
def local_sandbox(log: Path, *options: str) -> Iterator[LocalSandbox]:
    """
    A sandbox for as long as the block runs, on a free port of this machine.

    Raises: ProvisioningError if it does not start.
    """
    ready = log.with_name("sandbox.url")
    ready.unlink(missing_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            own_module("sandbox", "--port", "0", "--ready-file", str(ready), *options),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 20
        while not (ready.exists() and ready.read_text().strip()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ProvisioningError(Text("the sandbox did not start; its log is {log}", log=log))
            time.sleep(0.02)
        yield LocalSandbox(ready.read_text().strip())
    finally:
        process.terminate()
        process.wait()
