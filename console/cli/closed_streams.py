"""Redirects standard streams that are closed at the start (`provision status >&-`) to the null device."""

from __future__ import annotations

import os
import sys

STREAMS = (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w"))


def open_closed_streams() -> None:
    """
    Opens each standard stream that is closed on the null device.

    If it stayed closed, the next file or connection would get its number, and output would go there.
    """
    for name, number, mode in STREAMS:
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))
