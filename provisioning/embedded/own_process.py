"""
How a command starts another process of this program.

The folder that a person works in may hold a `worker.py` or a `redis.py` of somebody else, and `python -m`
looks there first. A process that has the credentials in its environment must never run such a file.
"""

from __future__ import annotations

import sys


def own_module(module: str, *arguments: str) -> list[str]:
    """The command that runs `python -m module` of this installation, whatever the working directory holds."""
    return [sys.executable, "-P", "-m", module, *arguments]
