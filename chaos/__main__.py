"""`script/chaos`: plays the crash matrix and prints it as a table."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from chaos.matrix import BY_NAME, ON_RABBITMQ, QUICK, SCENARIOS
from chaos.scenario import Scenario
from chaos.table import prices, table
from chaos.verdict import Verdict
from tests.support.rabbitmq import ABSENT, RabbitMq, rabbitmq_scripts, running_rabbitmq


def main() -> int:
    """
    Plays scenarios one after the other.

    Returns: 0 if every promise was kept, 1 if one was broken; options that cannot be read leave with 2.
    """
    options = parser().parse_args()
    only_there = {each.name for each in ON_RABBITMQ} - {each.name for each in SCENARIOS}
    if not options.rabbitmq and only_there.isdisjoint(options.only or ()):
        return _play(options, None)
    if rabbitmq_scripts() is None:
        print(f"error: {ABSENT}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, running_rabbitmq(Path(folder)) as rabbitmq:
        return _play(options, rabbitmq)


def _play(options: argparse.Namespace, rabbitmq: RabbitMq | None) -> int:
    chosen = _chosen(options)
    done: list[tuple[Scenario, Verdict]] = []
    for scenario in chosen:
        print(f"{scenario.name:32} ", end="", file=sys.stderr, flush=True)
        if reason := scenario.missing():
            print(f"skipped: {reason}", file=sys.stderr)
            continue
        verdict = asyncio.run(scenario.run(options.seed, options.keep, rabbitmq=rabbitmq))
        done.append((scenario, verdict))
        print("BROKEN" if verdict.problems else "kept", file=sys.stderr, flush=True)
        for problem in verdict.problems[:10]:
            print(f"    {problem}", file=sys.stderr)
        if verdict.problems:
            also = " --rabbitmq" if rabbitmq else ""
            again = f"script/chaos --only {scenario.name} --seed {options.seed}{also}"
            print(f"    again: {again}", file=sys.stderr)
        if options.json:
            print(
                json.dumps({"scenario": scenario.name, "seed": options.seed, **asdict(verdict)}), flush=True
            )
    if not options.json:
        print("\n\n".join(part for part in (table(done), prices(done)) if part))
    return 1 if any(verdict.problems for _, verdict in done) else 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="script/chaos",
        description="Kill, freeze and starve real workers; count what was lost, doubled or left in doubt.",
        epilog="example: script/chaos --only after-request-sent --seed 7",
    )
    made.add_argument("--quick", action="store_true", help="the seven most telling, in under a minute")
    made.add_argument(
        "--only", action="append", choices=sorted(BY_NAME), metavar="NAME", help="may be repeated"
    )
    made.add_argument(
        "--seed", type=int, default=1, help="decides when a blow falls, and how latency is drawn"
    )
    made.add_argument("--rabbitmq", action="store_true", help="with a RabbitMQ as broker beside the Valkey")
    made.add_argument("--json", action="store_true", help="an object per scenario instead of the table")
    made.add_argument("--keep", type=Path, metavar="DIR", help="keep the logs of broken scenarios there")
    made.add_argument("--list", action=_List, nargs=0, help="show every scenario with its claim, and leave")
    return made


class _List(argparse.Action):
    def __call__(self, *_: object) -> None:
        for scenario in BY_NAME.values():
            print(f"{scenario.name:32} {scenario.claim}")
        raise SystemExit(0)


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    if options.only:
        return [BY_NAME[name] for name in options.only]
    whole = ON_RABBITMQ if options.rabbitmq else SCENARIOS
    return [scenario for scenario in whole if not options.quick or scenario.name in QUICK]


if __name__ == "__main__":
    sys.exit(main())
