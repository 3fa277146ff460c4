"""The aiohttp application: its routes."""

from __future__ import annotations

from aiohttp import web

from sandbox import contract, wire
from sandbox.conduct import Whole
from sandbox.endpoint import Sandbox
from sandbox.inspection import Inspection


def build(sandbox: Sandbox) -> web.Application:
    """The application: routes and nothing else."""
    app = web.Application(client_max_size=contract.MAX_BODY_BYTES)
    app.router.add_post(contract.PATH, sandbox.create_widget)
    app.router.add_route("*", contract.PATH, wrong_method)
    Inspection(sandbox).add_to(app.router)
    app.router.add_route("*", "/{path:.*}", no_such_path)
    return app


async def wrong_method(request: web.Request) -> web.StreamResponse:
    """Any other method at the right address."""
    return await wire.deliver(request, Whole(contract.wrong_method()))


async def no_such_path(request: web.Request) -> web.StreamResponse:
    """Any other address."""
    return await wire.deliver(request, Whole(contract.no_such_path()))
