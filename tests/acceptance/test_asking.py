"""`provision apply` asks the person at the terminal, also where the rows come by pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import termios
import threading

import pytest

from tests.support.commands import PATIENCE, PROVISION, Desk

ROWS = b"key,bot.id\na,100200300\nb,100200301\n"


@pytest.mark.parametrize(("answer", "begun"), [(b"n\n", False), (b"y\n", True)])
def test_rows_from_a_pipe_are_not_sent_without_asking(
    desk: Desk, redis_url: str, answer: bytes, begun: bool
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [PROVISION, "apply", "-", "--name", "piped", "--detach"],
        cwd=desk.folder,
        env=desk.environ(REDIS_URL=redis_url) | {"TERM": "xterm"},
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        assert process.stdin is not None
        process.stdin.write(ROWS)
        process.stdin.close()
        shown = b""
        while b"Send 2?" not in shown:
            piece = os.read(ours, 4096)
            assert piece, shown
            shown += piece
        os.write(ours, answer)
        with_end = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other side has gone
                break
            if not piece:
                break
            with_end += piece
        assert process.wait(PATIENCE) == 0, with_end
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        os.close(ours)
    batches = desk.run("status", "--json", REDIS_URL=redis_url).objects
    assert bool([each for each in batches if each.get("name") == "piped"]) is begun
    assert (b"provision worker" in with_end) is begun  # nobody is there to send them
