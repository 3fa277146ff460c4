"""Style and script of the pages, under names that change with their content, so that browsers keep them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from console.web.route import pages
from console.web.static_files import address_of, content_of
from provisioning.errors import NotFoundError

router = pages()

KINDS = {"style.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}
YEAR = 365 * 86400


@router.get("/static/{digest}/{name}")
async def static(request: Request, digest: str, name: str) -> Response:  # noqa: ARG001
    """A file, to be kept for a year."""
    if name not in KINDS or address_of(name) != f"/static/{digest}/{name}":
        raise NotFoundError("there is no such file")
    headers = {"Cache-Control": f"public, max-age={YEAR}, immutable"}
    return Response(content_of(name), media_type=KINDS[name], headers=headers)
