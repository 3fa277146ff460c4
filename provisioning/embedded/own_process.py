"""
How a command starts another process of this program.

The working directory may contain an unrelated `worker.py` or `redis.py`, and `python -m` searches it first. A
process with the credentials in its environment must never run such a file.
"""

from __future__ import annotations

import sys


def own_module(module: str, *arguments: str) -> list[str]:
    """The command for `python -m module` of this installation, independent of the working directory."""
    return [sys.executable, "-P", "-m", module, *arguments]
