"""
`provision` as a process of its own that does not load the program anew: it is forked from one that has.

Loading takes most of the time of most commands, and the tests run hundreds of them. What is run this way is
the same `main` with arguments, folder, environment and streams of its own, and it ends as any process does.
Tests of the start itself start the program instead, and so do workers, which become another program.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

COMMANDS = ("console.cli.app", "provisioning.broker.queue", "kombu.transport.redis", "celery.app.amqp")
SERVERS = (*COMMANDS, "api.server", "outcomes.outcome_files")
"""What they load, if late."""

MOST_INPUT = 60_000
"""Bytes of standard input that fit into a pipe."""

_MOST_MESSAGE = 1 << 17
_WORD = 16


def run(
    program: str,
    args: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    seconds: float,
) -> subprocess.CompletedProcess[bytes]:
    """
    Runs `provision` to its end.

    Args:
        program: its path, for what it says of itself.
    """
    if len(stdin) > MOST_INPUT:
        return subprocess.run(
            [program, *args], cwd=cwd, env=env, input=stdin, capture_output=True, timeout=seconds, check=False
        )
    there, here = os.pipe()
    with os.fdopen(there, "rb") as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with os.fdopen(here, "wb") as typed:
            typed.write(stdin)
        process = Forked([program, *args], COMMANDS, cwd=cwd, env=env, streams=(given, out, err))
        code = process.wait(seconds)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess([program, *args], code, out.read(), err.read())


class Forked:
    """A process that runs `provision`; as `subprocess.Popen`, of which it has a part."""

    def __init__(
        self,
        argv: Sequence[str],
        loaded: tuple[str, ...],
        *,
        cwd: Path,
        env: Mapping[str, str],
        streams: Sequence[IO[bytes]],
    ) -> None:
        asked = json.dumps({"argv": list(argv), "cwd": str(cwd), "env": dict(env)}).encode()
        self._answer, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.returncode: int | None = None
        with end:
            fds = [end.fileno(), *(stream.fileno() for stream in streams)]
            try:
                socket.send_fds(_forker(loaded, env.get("COLUMNS")), [asked], fds)
            except BrokenPipeError:  # it has died: what killed it is not what this test is about
                _forker.cache_clear()
                socket.send_fds(_forker(loaded, env.get("COLUMNS")), [asked], fds)
        self.pid = int(self._answer.recv(_WORD))

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._answer.settimeout(timeout)
            self.returncode = int(self._answer.recv(_WORD))
            self._answer.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except BlockingIOError:
            return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _forker(loaded: tuple[str, ...], columns: str | None) -> socket.socket:
    """Where to ask for a fork; the console finds out its width when it is loaded."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PROVISION_")}
    environ.pop("COLUMNS", None)
    if columns is not None:
        environ["COLUMNS"] = columns
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(theirs.fileno()), *loaded],
            cwd="/",
            env=environ,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(requests: socket.socket) -> list[str]:
    """Forks for every request until nobody can ask any more. Returns, in a fork: its arguments."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.data is not None:
                    pid, answer = key.data
                    waiting.unregister(key.fd)
                    os.close(key.fd)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    _say(answer, code)
                    os.close(answer)
                    continue
                asked, fds, _, _ = socket.recv_fds(requests, _MOST_MESSAGE, 4)
                if not asked:
                    os._exit(0)
                answer, *streams = fds
                pid = os.fork()
                if pid == 0:
                    return _become(json.loads(asked), streams, [answer, requests.detach()])
                for stream in streams:
                    os.close(stream)
                waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, answer))
                _say(answer, pid)


def _say(answer: int, number: int) -> None:
    """Tells who asked, unless they are gone."""
    with contextlib.suppress(ConnectionError):
        os.write(answer, str(number).encode())


def _become(asked: dict[str, object], streams: list[int], others: list[int]) -> list[str]:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for other in others:
        os.close(other)
    argv, env = asked["argv"], asked["env"]
    assert isinstance(argv, list)
    assert isinstance(env, dict)
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    os.environ.update(env)
    return argv


if __name__ == "__main__":
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # nothing of it is looked through in every fork
    sys.argv = _serve(socket.socket(fileno=int(sys.argv[1])))
    from console.__main__ import main

    sys.exit(main())  # type: ignore[func-returns-value]
