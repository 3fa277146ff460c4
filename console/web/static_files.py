"""Style and script of the pages, under addresses that change with their content."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources


@cache
def content_of(name: str) -> bytes:
    """The content of a file of `static/`."""
    return (resources.files("console.web") / "static" / name).read_bytes()


@cache
def address_of(name: str) -> str:
    """Where a page finds it."""
    return f"/static/{hashlib.sha256(content_of(name)).hexdigest()[:12]}/{name}"
