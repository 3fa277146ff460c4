# ruff: noqa: ARG002 - aiohttp hands every view the request
"""The inspection views, `/_sandbox/…`: they show what happened, and change faults and limits."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from sandbox import faults
from sandbox.contract import basic_pair
from sandbox.endpoint import Sandbox
from sandbox.faults import Chance
from sandbox.pace import Latency, Limit
from sandbox.scenarios import SCENARIOS

MOST_ROWS = 100_000
"""Widgets listed at once unless `limit` says otherwise: some 12 MB of JSON."""


class Inspection:
    """Reads a sandbox, and changes its options."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_get("/_sandbox/stats", self.stats)
        router.add_get("/_sandbox/widgets", self.widgets)
        router.add_get("/_sandbox/arrivals", self.arrivals)
        router.add_get("/_sandbox/last", self.last)
        router.add_get("/_sandbox/faults", self.show_faults)
        router.add_post("/_sandbox/faults", self.change_faults)
        router.add_post("/_sandbox/reset", self.reset)

    async def stats(self, request: web.Request) -> web.Response:
        """The numbers, as one object."""
        traffic, register = self._sandbox.traffic, self._sandbox.register
        return _json(
            {
                "posts": traffic.posts,
                "widgets": register.widgets,
                "bots_created": register.bots,
                "bodies_created_twice": sum(1 for _ in register.created_twice()),
                "misspelt_lists": traffic.misspelt_lists,
                "in_flight": traffic.in_flight,
                "peak_in_flight": traffic.peak_in_flight,
                "connections": traffic.connections,
                "statuses": traffic.statuses,
                "faults": traffic.faults,
                "authorizations": traffic.authorizations,
            }
        )

    async def widgets(self, request: web.Request) -> web.Response:
        """
        Every widget in order of creation, with `offset` and `limit`; `twice=1` counts duplicated bodies only.
        """
        register = self._sandbox.register
        if request.query.get("twice"):
            return _json({"bodies": {body.hex(): register.made(body) for body in register.created_twice()}})
        try:
            offset = int(request.query.get("offset", "0"))
            limit = int(request.query.get("limit", str(MOST_ROWS)))
        except ValueError:
            return _complaint("offset and limit are whole numbers")
        if offset < 0 or limit < 0:
            return _complaint("offset and limit are at least 0")
        rows = list(register.rows(offset, limit))
        bodies = {row["body"]: register.made(bytes.fromhex(row["body"])) for row in rows}
        return _json({"total": register.widgets, "bodies": bodies, "widgets": rows})

    async def arrivals(self, request: web.Request) -> web.Response:
        """Arrival times of POSTs: by second, or one by one with `raw=1`."""
        traffic = self._sandbox.traffic
        if request.query.get("raw"):
            return _json({"arrivals": traffic.milliseconds()})
        return _json(traffic.histogram())

    async def last(self, request: web.Request) -> web.Response:
        """The last POST: its headers by lower-case name, secret masked, and its body unchanged."""
        last = self._sandbox.last
        if last is None:
            return _json({"headers": {}, "body": None})
        headers = {name.lower(): value for name, value in last.headers}
        if "authorization" in headers:
            headers["authorization"] = _masked(headers["authorization"])
        return _json({"headers": headers, "body": last.body.decode(errors="replace")})

    async def show_faults(self, request: web.Request) -> web.Response:
        """The current faults, latency and limit."""
        return _json(self._in_force())

    async def change_faults(self, request: web.Request) -> web.Response:
        """
        Replace the faults, from the next request on.

        The body is an object of fault names with a probability or `"PROBABILITY:ARG"`. Beside them
        `scenario` brings its faults and latency, `latency` and `limit` read as on the command line
        (null lifts the limit).
        """
        try:
            changes = msgspec.json.decode(await request.read(), type=dict[str, Any])
            self._change(changes)
        except (msgspec.MsgspecError, ValueError) as problem:
            return _complaint(str(problem))
        return _json(self._in_force())

    async def reset(self, request: web.Request) -> web.Response:
        """Delete widgets and counts; faults are kept."""
        self._sandbox.reset()
        return _json({"reset": True})

    def _change(self, changes: dict[str, Any]) -> None:
        sandbox = self._sandbox
        name, latency, limit = "none", sandbox.latency, sandbox.limit
        chances: list[Chance] = []
        if "scenario" in changes:
            name = changes.pop("scenario")
            if not isinstance(name, str) or name not in SCENARIOS:
                raise ValueError(f"there is no scenario {name!r}; there are {', '.join(SCENARIOS)}")
            chances, latency = SCENARIOS[name].chances(), SCENARIOS[name].pace()
        if "latency" in changes:
            latency = Latency.parse(str(changes.pop("latency")))
        if "limit" in changes:
            text = changes.pop("limit")
            limit = None if text is None else Limit.parse(str(text))
        chances += [faults.parse(f"{fault}={chance}") for fault, chance in changes.items()]
        sandbox.misbehave(name, chances, latency, limit)

    def _in_force(self) -> dict[str, Any]:
        sandbox = self._sandbox
        return {
            "scenario": sandbox.scenario,
            "seed": sandbox.seed,
            "latency": str(sandbox.latency),
            "limit": None if sandbox.limit is None else str(sandbox.limit),
            "faults": {chance.fault.name: chance.odds for chance in sandbox.active_faults},
        }


def _masked(authorization: str) -> str:
    """The header with scheme and client id, and the secret masked."""
    scheme = authorization.partition(" ")[0]
    client, _ = basic_pair(authorization)
    return f"{scheme} ***" if client is None else f"{scheme} {client}:***"


def _complaint(message: str) -> web.Response:
    return _json({"error": message}, status=400)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
