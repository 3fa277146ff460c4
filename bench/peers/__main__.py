"""
Hand jobs over to a peer: `python -m bench.peers MODULE FILE`, and print how long that took.

FILE has a job a line: its key, a tab, its body. Only the handing over is timed, not Python's start or the
reading of the file.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path


def main(module: str, file: str) -> None:
    """Prints one JSON object: `rows` and `seconds`."""
    peer = import_module(f"bench.peers.{module}")
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    jobs = [(key, body) for key, _, body in (line.partition("\t") for line in lines)]
    began = time.perf_counter()
    peer.enqueue(jobs)
    print(json.dumps({"rows": len(jobs), "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
