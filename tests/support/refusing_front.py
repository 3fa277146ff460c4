"""A front before a Redis that answers commands by a refusal, for as long as it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from hiredis import Reader

TEXTS = {
    "LOADING": "Redis is loading the dataset in memory",
    "MASTERDOWN": "Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN": "The cluster is down",
    "READONLY": "You can't write against a read only replica.",
    "UNBLOCKED": "force unblock from blocking operation, instance state changed (master -> replica?)",
    "MISCONF": "Errors writing to the AOF file: No space left on device",
    "OOM": "command not allowed when used memory > 'maxmemory'.",
    "BUSY": "Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "NOPERM": "User default has no permissions to run the 'evalsha' command",
    "NOREPLICAS": "Not enough good replicas to write.",
    "SETTLING": "for 7 s",
    "TRYAGAIN": "Multiple keys request during rehashing of slot",
}
"""What Redis says, by the word that it begins with."""

LET_THROUGH = {
    *(b"HELLO", b"AUTH", b"CLIENT", b"SELECT", b"INFO"),
    *(b"SUBSCRIBE", b"PSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE"),
}
"""What Redis carries out in all these states."""


class Front:
    """
    An address before that of a Redis.

    Attributes:
        refusing: a word of `TEXTS` by which commands are answered; None to let everything through.
        refused: how many commands were.
    """

    def __init__(self, url: str) -> None:
        self.refusing: str | None = None
        self.refused = 0
        self._there = ("127.0.0.1", urlsplit(url).port or 0)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"

    def serve(self) -> None:
        """Takes connections until it is closed; each has two threads."""
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._server.accept()
                there = socket.create_connection(self._there)
                self._open += [here, there]
                for work in (self._ask, self._answer):
                    threading.Thread(target=work, args=(here, there), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _ask(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := here.recv(1 << 16):
                if self.refusing is None:
                    there.sendall(part)
                else:
                    self._refuse(here, there, part, self.refusing)
            there.shutdown(socket.SHUT_RDWR)

    def _refuse(self, here: socket.socket, there: socket.socket, part: bytes, word: str) -> None:
        reader = Reader()
        reader.feed(part)
        while (command := reader.gets()) is not False:
            if command[0].upper() in LET_THROUGH:
                there.sendall(_packed(command))
            else:
                self.refused += 1
                here.sendall(f"-{word} {TEXTS[word]}\r\n".encode())

    def _answer(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := there.recv(1 << 16):
                here.sendall(part)
            here.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def refusing_front(url: str) -> Iterator[Front]:
    """A front before the Redis at `url`, for as long as the block runs."""
    front = Front(url)
    serving = threading.Thread(target=front.serve, daemon=True)
    serving.start()
    try:
        yield front
    finally:
        front.close()
        serving.join()


def _packed(command: list[bytes]) -> bytes:
    words = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in command)
    return b"*%d\r\n%s" % (len(command), words)
