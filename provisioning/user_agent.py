"""What this program calls itself in the requests that it sends."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def user_agent(part: str = "") -> str:
    """`widget-provisioner/VERSION`, and the part of the program in brackets if there is one to name."""
    try:
        name = f"widget-provisioner/{version('widget-provisioner')}"
    except PackageNotFoundError:  # run from a checkout that is not installed
        name = "widget-provisioner"
    return f"{name} ({part})" if part else name
