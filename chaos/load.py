"""The jobs of every scenario: no two bodies alike, none that the sandbox rejects."""

from __future__ import annotations

from provisioning.job import NewJob


def jobs(count: int, prefix: str = "tenant") -> list[NewJob]:
    """`count` jobs; the same call makes the same ones."""
    return [
        NewJob(
            key=f"{prefix}-{n}",
            credential="default",
            body=b'{"bot":{"id":"%d"},"widget":{"properties":{"name":"%s %d"}}}'
            % (100_200_300 + n, prefix.encode(), n),
        )
        for n in range(count)
    ]
