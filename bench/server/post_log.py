"""
What the server saw, read from its log: POSTs, answers, widgets that exist twice.

Pure but for reading the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Post:
    """
    One POST, answered.

    Attributes:
        answered: Unix seconds of the answer.
        seconds: from its first byte to that.
        mark: the job, whatever the attempt.
        size: bytes of its body.
    """

    answered: float
    seconds: float
    status: int
    mark: str
    size: int

    @property
    def began(self) -> float:
        return self.answered - self.seconds


@dataclass(frozen=True, slots=True)
class Seen:
    """
    A run as the server saw it.

    Attributes:
        posts: POSTs that it answered, whatever it said.
        created: jobs with at least one widget.
        duplicates: widgets beyond the first of a job.
        failed: POSTs answered with a 5xx.
        first: Unix seconds of the first POST.
        most: of the created jobs, when this share had their widget: Unix seconds by share.
    """

    posts: int
    created: int
    duplicates: int
    failed: int
    first: float
    most: dict[float, float]


def read_posts(log: Path) -> list[Post]:
    """The lines of a log in order. Raises: ValueError if one cannot be read."""
    with log.open(encoding="ascii") as lines:
        return [_post(line) for line in lines]


def seen(posts: Sequence[Post], shares: Iterable[float] = (0.95, 1.0)) -> Seen:
    """
    Counts what the server answered.

    Raises: ValueError if it answered nothing.
    """
    if not posts:
        raise ValueError("the server saw no POST")
    ends: dict[str, float] = {}
    widgets = Counter[str]()
    for post in posts:
        if post.status == 200:
            ends.setdefault(post.mark, post.answered)
            widgets[post.mark] += 1
    order = sorted(ends.values())
    return Seen(
        posts=len(posts),
        created=len(ends),
        duplicates=widgets.total() - len(widgets),
        failed=sum(post.status >= 500 for post in posts),
        first=min(post.began for post in posts),
        most={share: order[ceil(share * len(order)) - 1] for share in shares} if order else {},
    )


def _post(line: str) -> Post:
    answered, seconds, status, mark, size = line.split()
    return Post(float(answered), float(seconds), int(status), mark, int(size) if size != "-" else 0)
