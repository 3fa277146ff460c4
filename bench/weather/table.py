"""The weathers: their names and rows. What the server does in each is a rule of `server/weather.lua`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LATENCY: Final = 0.2
IN_FLIGHT: Final = 100
"""In all workers together."""

WARM_UP: Final = 400


@dataclass(frozen=True)
class Weather:
    """
    One kind of a bad day.

    Attributes:
        name: of its rule on the server too.
        rows: of the batch.
        up_from: second, since the first POST, from which on an API that was out of order answers again.
        quota: POSTs a second that the API allows.
        saved_up: POSTs that it allows beyond these, once.
        leaves_after, stays_away: second from which on the server refuses connections, and for how long.
    """

    name: str
    title: str
    rows: int = 1_500
    up_from: float | None = None
    quota: float | None = None
    saved_up: int = 0
    leaves_after: float = 0.0
    stays_away: float = 0.0

    @property
    def limits_posts(self) -> bool:
        """Whether what is asked for too early is asked in vain; else rows fail by themselves, if at all."""
        return self.quota is not None or self.up_from is not None


WEATHERS: Final = {
    weather.name: weather
    for weather in (
        Weather("clear", "clear"),
        Weather("1-percent-429-once", "1% of the rows answered 429 once, Retry-After 1 s"),
        Weather("5-percent-503-once", "5% of the rows answered 503 once"),
        Weather("10-percent-500-once", "10% of the rows answered 500 once"),
        Weather("30-percent-500-once", "30% of the rows answered 500 once"),
        Weather("3-percent-always-500", "3% of the rows always answered 500"),
        Weather("last-60-twice-500", "the last 60 of 360 rows answered 500 twice", 360),
        Weather("first-60-twice-500", "the first 60 of 360 rows answered 500 twice", 360),
        Weather("first-60-always-500", "the first 60 of 360 rows always answered 500", 360),
        Weather("5-rows-always-500", "5 rows, all always answered 500", 5),
        Weather("2-percent-take-5s", "2% of the rows answered after 5 s"),
        Weather("quota-bucket", "50/s allowed, a second's worth saved up", 600, quota=50.0, saved_up=50),
        Weather("quota-window", "50 in each second, refusals as slow as answers", 600, quota=50.0),
        Weather("outage", "all 503, a gateway's page, from second 2 to 12", up_from=12.0),
        Weather("outage-in-json", "all 503, the API's envelope, from second 2 to 12", up_from=12.0),
        Weather("short-outage", "all 503, a gateway's page, from second 1 to 4", up_from=4.0),
        Weather(
            # It answers what it has in hand before it goes, and needs a moment to be back.
            "refused",
            "connections refused for 5 s from second 2 on",
            up_from=7.5,
            leaves_after=2.0,
            stays_away=5.0,
        ),
    )
}
