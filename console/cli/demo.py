"""The demonstration: sandbox with faults, embedded Valkey, a worker and the example file, all temporary."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path

from console.cli.language import tr
from console.cli.shell import talk
from provisioning.config.settings import PREFIX
from provisioning.embedded.own_process import own_module
from provisioning.embedded.workplace import local_sandbox, undisturbed
from provisioning.errors import InvalidInputError

EXAMPLE = Path(__file__).parents[2] / "examples" / "tenants.csv"
OUTCOMES = Path("demo.outcomes")


def run_demo(rate: str) -> int:
    """
    Runs the whole program on 300 rows. Returns: 0 if it worked.

    It demonstrates rejected and doubtful rows: apply's exit code 3 is a success here.
    Raises: InvalidInputError if the example file is missing.
    """
    if not EXAMPLE.exists():
        raise InvalidInputError("the demo needs examples/tenants.csv", hint="run it from a checkout")
    with tempfile.TemporaryDirectory(prefix="provision-demo-") as folder:
        home = Path(folder)
        with local_sandbox(home / "sandbox.log", "--scenario", "demo", "--seed", "7") as api:
            command = ["provision", "apply", os.path.relpath(EXAMPLE)]
            command += ["--skip-invalid", "--yes", "--to", str(OUTCOMES)]
            talk.print(tr("a sandbox with faults is running at {url}", url=api.url))
            talk.print(f"$ {' '.join(command)}\n", style="bold", soft_wrap=True)
            kept = f"{PREFIX}LANGUAGE"
            environ = {
                name: value
                for name, value in os.environ.items()
                if not name.startswith(PREFIX) or name == kept
            }
            environ |= {
                f"{PREFIX}API_URL": api.url,
                f"{PREFIX}CLIENT_ID": "sandbox",
                f"{PREFIX}CLIENT_SECRET": "sandbox",
                f"{PREFIX}RATE": rate,
                f"{PREFIX}HOME": str(home / "provision"),
            }
            code = _run(own_module("console", *command[1:]), environ)
    if code in (0, 3):
        talk.print()
        talk.print(tr("done: sandbox, worker and ledger are removed; the outcome files are kept"))
        return 0
    return code


def _run(command: list[str], environ: dict[str, str]) -> int:
    """Runs a command to its end; Ctrl-C is passed on once, and it has time to stop normally."""
    process = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        with undisturbed():
            process.wait()
        raise
