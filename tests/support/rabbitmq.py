"""A RabbitMQ of the tests' own, on loopback: stopped, killed, wiped and started again on the same port."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amqp import Connection
from amqp.exceptions import NotFound

START_SECONDS = 90.0
"""Far more than a start takes (5 s), for busy machines."""

ABSENT = "no RabbitMQ on this machine: apt-get install rabbitmq-server"


def rabbitmq_scripts() -> Path | None:
    """Folder of RabbitMQ's own scripts, not the packagers' wrappers, which want root; None without one."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))
    return found[-1] if found and shutil.which("erl") and shutil.which("epmd") else None


class RabbitMq:
    """
    One node and the port mapper (epmd) that Erlang wants beside it, both on loopback.

    Args:
        folder: where its data, its log and Erlang's cookie lie.
    """

    def __init__(self, folder: Path) -> None:
        scripts = rabbitmq_scripts()
        if scripts is None:
            raise RuntimeError(ABSENT)
        self._scripts = scripts
        self._folder = folder
        self._port, mapper, distribution = _free_ports(3)
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),  # Erlang makes its cookie here
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(mapper),
            "RABBITMQ_NODENAME": f"provision{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            # With it the script becomes the server, so that the process we started is the one to be hurt.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
        }
        (folder / "plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 1MB\n")
        self._mapper: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    @property
    def address(self) -> str:
        """Host and port, as AMQP's own client wants them."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it on whatever data it had, and waits until it lets a client in."""
        if self._mapper is None:
            self._mapper = self._spawn("epmd", "-port", self._environ["ERL_EPMD_PORT"])
        self._process = self._spawn(str(self._scripts / "rabbitmq-server"))
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ did not start: {(self._folder / 'output').read_text()[-2000:]}")
            time.sleep(0.05)

    def freeze(self) -> None:
        """It answers nobody, and its connections stay open."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was frozen."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM: it closes its queues and goes."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: it goes as it stands."""
        self._end(signal.SIGKILL)

    def wipe(self) -> None:
        """Deletes all that it keeps: queues, messages, users; it must not be running."""
        shutil.rmtree(self._folder / "data")

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` says. Raises: CalledProcessError."""
        return subprocess.run(
            [str(self._scripts / "rabbitmqctl"), "--quiet", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=True,
        ).stdout

    def purge(self, queue: str) -> None:
        """Empties a queue, if there is one."""
        with (
            contextlib.suppress(NotFound),
            Connection(self.address, connect_timeout=5, read_timeout=10) as connection,
        ):
            connection.channel().queue_purge(queue)

    def leave(self) -> None:
        """Ends both processes."""
        self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait(START_SECONDS)

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(START_SECONDS)

    def _answers(self) -> bool:
        try:
            with Connection(f"127.0.0.1:{self._port}", connect_timeout=2, read_timeout=2):
                return True
        except OSError:
            return False


@contextmanager
def running_rabbitmq(folder: Path) -> Iterator[RabbitMq]:
    """A node that lets clients in; gone when the block ends."""
    node = RabbitMq(folder)
    try:
        node.start()
        yield node
    finally:
        node.leave()


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
