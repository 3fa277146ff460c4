"""
What a metric is to us: a name, labels with few values, and a sentence. No values are here.

The worker and the HTTP door each declare theirs as a tuple of these; `docs/reference/metrics.md` is made from
them. No label is ever a tenant's key, a job, a batch or a word that somebody else may choose freely:
`known_cause` and `known_status` see to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

from provisioning.causes import CAUSES, Cause, http_status

OTHER: Final = "other"
"""The label of whatever has no label of its own."""

_CLOUDFLARE: Final = range(520, 528)
_STATUSES: Final = frozenset(status.value for status in HTTPStatus if status >= 200) | {*_CLOUDFLARE}

_OF_THE_PROGRAM: Final = (
    "created",
    "cancelled",
    "held",
    "paused",
    "braked",
    "no_credential",
    "sealed",
    "api_down",
)
"""Reasons that are no causes: why jobs ended well, or went back to the queue."""

KNOWN_CAUSES: Final[frozenset[str]] = frozenset(
    {
        *(str(word) for group in CAUSES.values() for word in group),
        *(str(word) for word in Cause),
        *map(http_status, _STATUSES),
        *_OF_THE_PROGRAM,
    }
)
"""Every value that the label `cause` may have, but for `other`."""

_STATUS_LABELS: Final[dict[int | None, str]] = {None: "none", **{each: str(each) for each in _STATUSES}}


def known_cause(cause: str) -> str:
    """
    A cause as a label: itself if we document it, else `other`. An API may coin error keys without end.

    >>> known_cause("bot_not_found"), known_cause("http_503"), known_cause("tenant_4711_is_odd")
    ('bot_not_found', 'http_503', 'other')
    """
    return cause if cause in KNOWN_CAUSES else OTHER


def known_status(status: int | None) -> str:
    """
    An HTTP status as a label: itself if it is one that exists, `none` where no status line was seen.

    >>> known_status(503), known_status(None), known_status(799)
    ('503', 'none', 'other')
    """
    return _STATUS_LABELS.get(status, OTHER)


_SCOPES: Final = frozenset({"all", "batch", "credential", "target"})


def kind_of_scope(scope: str) -> str:
    """
    What a hold is on, without its name.

    >>> kind_of_scope("credential:acme"), kind_of_scope("all")
    ('credential', 'all')
    """
    kind = scope.partition(":")[0]
    return kind if kind in _SCOPES else OTHER


@dataclass(frozen=True, slots=True)
class Metric:
    """
    One metric.

    Attributes:
        name: in full; a counter's ends in `_total`, and a unit comes before that.
        meaning: a sentence without a full stop at its end; it is the metric's HELP.
        labels: their names, in order.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"provision_[a-z0-9_]+", self.name):
            raise ValueError(f"{self.name!r} is no name of a metric of ours")
        if self.name.endswith("_total") != (self.kind == "counter"):
            raise ValueError(f"{self.name}: counters and only counters end in _total")
