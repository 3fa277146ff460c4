"""`python -m sandbox`: reads options, prints one line when ready, and stops at once on a signal."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from aiohttp import web

from sandbox import faults
from sandbox.app import build
from sandbox.endpoint import DEFAULT_CLIENTS, Options, Sandbox
from sandbox.faults import FAULTS
from sandbox.pace import Latency, Limit
from sandbox.scenarios import SCENARIOS, Scenario

T = TypeVar("T")

BACKLOG = 4096
"""Listen backlog of the kernel: a burst from one large worker must not be refused."""

GRACE_SECONDS = 0.01
"""Seconds for requests in flight when it stops: practically none. For aiohttp 0 means no limit."""


class Parser(argparse.ArgumentParser):
    """Prints an error in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"sandbox: {message}\n")


def main(argv: list[str] | None = None) -> int:
    """
    Run the sandbox until it gets a signal to stop.

    Returns: 0 when stopped by SIGTERM or SIGINT, 1 if the port is in use. Invalid options end the process
        with 2.
    """
    arguments = parser().parse_args(argv)
    if arguments.list:
        print(listing())
        return 0
    options = Options(
        seed=arguments.seed,
        scenario=arguments.scenario,
        faults=tuple(arguments.fault),
        latency=arguments.latency,
        limit=arguments.limit,
        clients=dict(arguments.client) or DEFAULT_CLIENTS,
    )
    try:
        asyncio.run(serve(options, arguments.host, arguments.port, arguments.ready_file))
    except OSError as problem:
        reason = problem.strerror or str(problem)
        print(f"sandbox: cannot serve on {arguments.host}:{arguments.port}: {reason}", file=sys.stderr)
        return 1
    return 0


async def serve(options: Options, host: str, port: int, ready_file: Path | None) -> None:
    """
    Answer requests until SIGTERM or SIGINT; requests in flight are dropped then.

    Raises: OSError if the address cannot be bound or the ready file not written.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = build(Sandbox(options))
    # A body is not decompressed, so that its digest is that of the bytes that the client sent.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE_SECONDS, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
        url = _url(host, runner.addresses[0][1])
        if ready_file is not None:
            _write_whole(ready_file, url)
        print(f"sandbox ready at {url} (scenario {options.scenario.name}, seed {options.seed})", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def parser() -> Parser:
    """The command line."""
    made = Parser(
        prog="provision sandbox",
        description="A local simulation of the API: POST /v1/widget/create, with faults on demand.",
        epilog="example: provision sandbox --scenario demo --fault stall-after-create=0.01:5 --seed 7",
        allow_abbrev=False,
    )
    add = made.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    add(
        "--port",
        type=_reader(_port),
        default=8089,
        help="port to listen on; 0 for any free port (default: 8089)",
    )
    add(
        "--scenario",
        type=_reader(_scenario),
        default=SCENARIOS["calm"],
        metavar="NAME",
        help=f"one of {', '.join(SCENARIOS)} (default: calm)",
    )
    add(
        "--fault",
        type=_reader(faults.parse),
        action="append",
        default=[],
        metavar="NAME=PROBABILITY[:ARG]",
        help="add a fault to those of the scenario; may be repeated",
    )
    add("--seed", type=int, default=1, help="random seed; the same seed and bodies give the same run")
    add(
        "--latency",
        type=_reader(Latency.parse),
        metavar="SECONDS",
        help="latency of answers: 0.2, or 0.1-0.4 for a range",
    )
    add(
        "--limit",
        type=_reader(Limit.parse),
        metavar="RATE",
        help="rate limit per credential, such as 5/s (default: none)",
    )
    add(
        "--client",
        type=_reader(_client),
        action="append",
        default=[],
        metavar="ID:SECRET",
        help="accept this credential; may be repeated (default: sandbox:sandbox)",
    )
    add("--ready-file", type=Path, metavar="PATH", help="write the URL to this file when ready")
    add("--list", action="store_true", help="list all faults and scenarios, and exit")
    return made


def listing() -> str:
    """Every fault and scenario with its meaning, for a terminal."""
    width = max(len(name) for name in FAULTS)
    lines = ["Faults (--fault NAME=PROBABILITY[:ARG])", ""]
    for fault in FAULTS.values():
        argument = f" [:ARG is {fault.takes}]" if fault.takes else ""
        made = "created" if fault.creates else ""
        lines.append(f"  {fault.name:{width}}  {made:7}  {fault.meaning}{argument}")
    lines += ["", "Scenarios (--scenario NAME)", ""]
    for scenario in SCENARIOS.values():
        lines.append(f"  {scenario.name:{width}}  {scenario.meaning}")
        what = [f"latency {scenario.latency}", *scenario.faults]
        if len(what) <= 8:
            lines.append(f"  {'':{width}}  {', '.join(what)}")
    return "\n".join(lines)


def _reader(read: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse show the reader's own sentence; for a ValueError it would make one up."""

    def reading(text: str) -> T:
        try:
            return read(text)
        except ValueError as problem:
            raise argparse.ArgumentTypeError(str(problem)) from problem

    return reading


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError(f"{text!r} is no port (0 to 65535)")
    return int(text)


def _scenario(text: str) -> Scenario:
    if text not in SCENARIOS:
        raise ValueError(f"there is no scenario {text!r}; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[text]


def _client(text: str) -> tuple[str, str]:
    client, colon, secret = text.partition(":")
    if not colon or not client or not secret:
        raise ValueError("a credential reads ID:SECRET")  # not repeated: half of it may be a secret
    return client, secret


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _write_whole(path: Path, text: str) -> None:
    """Whoever sees the file sees all of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
