"""
`provision` as a process of its own that does not load the program anew: it is forked from one that has.

Loading takes most of the time of most commands, and the tests run hundreds of them. What is run this way is
the same `main` with arguments, folder, environment and streams of its own, and it ends as any process does.
Tests of the start itself, of signals and of what lives on start the program instead.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

LOADED = ("console.cli.app", "provisioning.broker.queue", "kombu.transport.redis", "celery.app.amqp")
"""What most verbs load, if late."""

MOST_INPUT = 60_000
"""Bytes of standard input that fit into a pipe."""

_MOST_MESSAGE = 1 << 17


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
    asked = json.dumps({"argv": [program, *args], "cwd": str(cwd), "env": dict(env)}).encode()
    there, here = os.pipe()
    answer, end = socket.socketpair()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, answer:
        with end:
            try:
                os.write(here, stdin)
            finally:
                os.close(here)
            try:
                fds = [end.fileno(), there, out.fileno(), err.fileno()]
                socket.send_fds(_forker(env.get("COLUMNS")), [asked], fds)
            finally:
                os.close(there)
        answer.settimeout(seconds)
        code = int(answer.recv(16).decode() or "-1")
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess([program, *args], code, out.read(), err.read())


@cache
def _forker(columns: str | None) -> socket.socket:
    """Where to ask for a fork; the console finds out its width when it is loaded."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PROVISION_")}
    environ.pop("COLUMNS", None)
    if columns is not None:
        environ["COLUMNS"] = columns
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(theirs.fileno())],
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
                    os.write(answer, str(code).encode())
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
    for module in LOADED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # nothing of it is looked through in every fork
    sys.argv = _serve(socket.socket(fileno=int(sys.argv[1])))
    from console.__main__ import main

    sys.exit(main())  # type: ignore[func-returns-value]
