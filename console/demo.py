"""The demonstration: sandbox with faults, embedded Valkey, a worker, the example file; then all is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from console.workplace import local_sandbox
from provisioning.errors import InvalidInputError
from provisioning.settings import PREFIX

EXAMPLE = Path(__file__).parent.parent / "examples" / "tenants.csv"
OUTCOMES = Path("outcomes") / "demo"


def run_demo(rate: str) -> int:
    """
    Shows the whole program at work on 300 rows. Returns: 0 if it went as it should.

    Rows that are rejected or in doubt are what it has to show: apply's exit code 3 is a success here.
    Raises: InvalidInputError where the example is not at hand.
    """
    if not EXAMPLE.exists():
        raise InvalidInputError("the demo needs examples/tenants.csv", hint="run it from a checkout")
    talk = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="provision-demo-") as folder:
        home = Path(folder)
        with local_sandbox(home / "sandbox.log", "--scenario", "demo", "--seed", "7") as api:
            command = ["provision", "apply", str(EXAMPLE.relative_to(Path.cwd()))]
            command += ["--skip-invalid", "--yes", "--to", str(OUTCOMES)]
            talk.print(f"a sandbox with faults listens at {api.url}", highlight=False)
            talk.print(f"$ {' '.join(command)}\n", style="bold", highlight=False, soft_wrap=True)
            environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
            environ |= {
                f"{PREFIX}API_URL": api.url,
                f"{PREFIX}CLIENT_ID": "sandbox",
                f"{PREFIX}CLIENT_SECRET": "sandbox",
                f"{PREFIX}RATE": rate,
                f"{PREFIX}HOME": str(home / "provision"),
            }
            code = subprocess.call([sys.executable, "-m", "console", *command[1:]], env=environ)
    return 0 if code in (0, 3) else code
