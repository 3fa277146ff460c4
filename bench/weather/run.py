"""One run in a weather: rows handed over to a contender that is up and warm, and watched until their end."""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import dataclass

from bench import redis_server, stage
from bench.bare_loop import PlainLoop
from bench.contenders import Contender
from bench.doing import Counts, Doing, Queued
from bench.redis_server import Keeping
from bench.rows import FIRST_BOT
from bench.server import nginx
from bench.server.post_log import seen
from bench.weather.table import IN_FLIGHT, LATENCY, WARM_UP, Weather

EVERY: float = 0.01
"""Seconds between two looks at the rows' ends."""


@dataclass(frozen=True)
class Weathered:
    """
    What one run gave.

    Attributes:
        seconds: from handing over (the start of its command; a loop's go) to the last row's end, as the
            contender itself sees it; to the bound if rows are unsettled then.
        posting_s: the same from the first POST.
        created, dead, in_doubt: as the contender itself sees them.
        unsettled: rows that had not come to their end within the run's bound.
        posts, duplicates: as the server saw them.
        which: a checksum over the rows that have a widget, by the server.
        load: of the machine in the minute before.
    """

    contender: str
    family: str
    weather: str
    processes: int
    in_flight: int
    rows: int
    seconds: float
    posting_s: float
    created: int
    dead: int
    in_doubt: int
    unsettled: int
    posts: int
    duplicates: int
    which: int
    load: float


def run(contender: Contender, weather: Weather, *, processes: int, bound: float) -> Weathered:
    """
    Runs a contender once.

    Args:
        bound: seconds from handing over after which the rest is left unsettled.

    Raises: RuntimeError if its processes end or nothing is sent; nginx.NoServerError.
    """
    load = os.getloadavg()[0]
    in_flight = IN_FLIGHT // processes
    keeping: Keeping = "everysec" if contender.family == "ours" else "nothing"
    over = nginx.Over(
        weather.name, FIRST_BOT + WARM_UP, weather.rows, weather.leaves_after, weather.stays_away
    )
    with stage.folder() as files, stage.folder(in_memory=True) as swift:
        with (
            nginx.running(swift, LATENCY, 0.0, over) as server,
            redis_server.running(files, keeping) as redis,
            stage.at_work(
                contender, files, stage.environ_of(files, server.url, redis.url, in_flight)
            ) as doing,
        ):
            doing.start(contender.commands(processes, in_flight))
            doing.warm_up(WARM_UP)
            began = _begin(doing, weather.rows)
            counts, ended = _watch(doing, weather.rows, began + bound)
        posts = [post for post in server.posts() if post.mark >= str(over.first_bot)]
    if not posts:
        raise RuntimeError(f"{contender.name} sent nothing in {bound:.0f} s")
    found = seen(posts)
    created = sorted({post.mark for post in posts if post.status == 200})
    return Weathered(
        contender=contender.name,
        family=contender.family,
        weather=weather.name,
        processes=processes,
        in_flight=in_flight,
        rows=weather.rows,
        seconds=round(ended - began, 3),
        posting_s=round(ended - found.first, 3),
        created=counts.created,
        dead=counts.dead,
        in_doubt=counts.in_doubt,
        unsettled=weather.rows - counts.settled,
        posts=found.posts,
        duplicates=found.duplicates,
        which=zlib.crc32(" ".join(created).encode()),
        load=round(load, 2),
    )


def line(one: Weathered) -> str:
    """A run in one line, for the terminal."""
    return (
        f"{one.seconds:6.1f} s {one.posting_s:6.1f} s from the first POST"
        f" {one.created:5} created {one.dead:3} dead {one.in_doubt:2} in doubt {one.unsettled:4} unsettled"
        f" {one.posts:5} POSTs {one.duplicates} duplicates, load {one.load:.1f}"
    )


def _begin(doing: Doing, rows: int) -> float:
    """Hands the rows over. Returns: when, in Unix seconds."""
    if isinstance(doing, Queued):
        doing.hand_over(WARM_UP, rows)
        return doing.handed_over_at
    doing.prepare(WARM_UP, rows)
    began = time.time()
    doing.go()
    return began


def _watch(doing: Doing, rows: int, until: float) -> tuple[Counts, float]:
    """Returns: what became of the rows, and the last one's end in Unix seconds."""
    if not isinstance(doing, Queued | PlainLoop):
        raise TypeError(f"{doing.contender.name} does not tell what becomes of its rows")
    while (counts := doing.counts()).settled < rows and time.time() < until:
        if not doing.alive():
            raise RuntimeError(f"{doing.contender.name} has ended")
        time.sleep(EVERY)
    return counts, time.time()
