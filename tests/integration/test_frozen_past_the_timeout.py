"""A process that is stopped for longer than the read timeout keeps the answers that came meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from provisioning.attempt import Evidence

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

READ_TIMEOUT = 1.0

POSTS = f"""
import sys
from provisioning.config.credentials import Credential
from worker.execution.api import Timeouts, WidgetApi
from worker.process.engine_thread import new_loop
from worker.execution.transport import Wire

async def post():
    async with WidgetApi(sys.argv[1], timeouts=Timeouts(read={READ_TIMEOUT})) as api:
        wire = Wire()
        await api.create_widget(b"{{}}", Credential("default", "id", "secret"), wire)
        print(wire.evidence.value)

new_loop().run_until_complete(post())
"""


async def test_an_answer_that_came_while_the_process_was_stopped_is_read_before_it_is_too_late() -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        asked.set()
        await answered.wait()
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    posting = await asyncio.create_subprocess_exec(
        sys.executable, "-c", POSTS, url, stdout=asyncio.subprocess.PIPE
    )
    async with server, asyncio.timeout(60):
        await asked.wait()
        await _until_it_waits(posting.pid)
        os.kill(posting.pid, signal.SIGSTOP)
        answered.set()
        await asyncio.sleep(
            2 * READ_TIMEOUT
        )  # the time that it is frozen for: nothing else can be waited for
        os.kill(posting.pid, signal.SIGCONT)
        said, _ = await posting.communicate()
    assert said.decode().strip() == Evidence.ANSWERED


async def _until_it_waits(pid: int) -> None:
    """Until the process has slept through ten looks: it is in its loop's wait for sockets."""
    asleep = 0
    while asleep < 10:
        await asyncio.sleep(0.01)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        asleep = asleep + 1 if state == "S" else 0
