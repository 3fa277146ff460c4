"""`python -m sandbox`: options in, one line out when it is ready, gone at once when told to."""

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
"""Connections the kernel may hold for us: a burst from one large worker must not be refused."""

GRACE_SECONDS = 0.01
"""What requests in flight are given when we are told to stop: nothing. aiohttp takes 0 for "no end"."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"sandbox: {message}\n")


def main(argv: list[str] | None = None) -> int:
    """
    Run the sandbox until it is told to stop.

    Returns: 0 when stopped by SIGTERM or SIGINT, 1 if the port cannot be had; options that cannot be
        read leave with 2.
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
    Answer requests until SIGTERM or SIGINT; whatever is in flight then is dropped.

    Raises: OSError if the address cannot be bound or the ready file not written.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = build(Sandbox(options))
    # A body is taken byte for byte as it came, so that its digest is that of what the client sent.
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
        prog="python -m sandbox",
        description="A local Jelou: POST /v1/widget/create with its quirks, and faults on demand.",
        epilog="example: python -m sandbox --scenario demo --fault stall-after-create=0.01:5 --seed 7",
        allow_abbrev=False,
    )
    add = made.add_argument
    add("--host", default="127.0.0.1", help="address to listen on; anything but loopback must be named here")
    add("--port", type=_reader(_port), default=8089, help="0 picks a free one")
    add(
        "--scenario",
        type=_reader(_scenario),
        default=SCENARIOS["calm"],
        metavar="NAME",
        help=f"one of {', '.join(SCENARIOS)}; calm unless given",
    )
    add(
        "--fault",
        type=_reader(faults.parse),
        action="append",
        default=[],
        metavar="NAME=PROBABILITY[:ARG]",
        help="a misbehaviour on top of the scenario's; may be repeated",
    )
    add("--seed", type=int, default=1, help="the same seed and bodies repeat the same run")
    add("--latency", type=_reader(Latency.parse), metavar="SECONDS", help="0.2, or 0.1-0.4 for a range")
    add(
        "--limit", type=_reader(Limit.parse), metavar="RATE", help="5/s per credential; no limit unless given"
    )
    add(
        "--client",
        type=_reader(_client),
        action="append",
        default=[],
        metavar="ID:SECRET",
        help="a credential to accept; may be repeated; sandbox:sandbox unless given",
    )
    add("--ready-file", type=Path, metavar="PATH", help="the URL is written here when it answers")
    add("--list", action="store_true", help="show every fault and scenario, and leave")
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
