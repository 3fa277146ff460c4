"""Which version of this program is installed."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """As the package says it."""
    return metadata.version("widget-provisioner")
