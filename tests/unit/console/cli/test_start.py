"""What starting any command loads: it is paid for by every one."""

from __future__ import annotations

import subprocess
import sys

SLOW = {"celery", "kombu", "fastapi", "aiohttp", "uvicorn", "flower", "httpx"}
"""Libraries that a few commands need, and that take longer to load than a command to run."""


def test_a_command_loads_neither_celery_nor_a_server_before_it_needs_one() -> None:
    program = "import sys, console.cli.app; print(' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & SLOW == set()
