"""Bodies for display: possible secrets are masked, the rest is as submitted."""

from __future__ import annotations

from typing import Any

import msgspec

MASK = "***"

SECRET = ("credentials",)
"""Members of a body whose values may be secrets: `credentials.whiteList` and `credentials.blackList`."""


def masked(body: bytes) -> str:
    """
    The JSON of a body with every value below `credentials` masked; its shape can still be seen.

    >>> masked(b'{"bot":{"id":"7"},"credentials":{"whiteList":["a","b"]}}')
    '{"bot":{"id":"7"},"credentials":{"whiteList":["***","***"]}}'
    """
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return MASK  # its content is unknown
    if isinstance(content, dict):
        content = {name: _hidden(value) if name in SECRET else value for name, value in content.items()}
    return msgspec.json.encode(content).decode()


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _hidden(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_hidden(each) for each in value]
    return MASK
