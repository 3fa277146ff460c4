"""What a worker looks at before it starts: the fatal findings keep it from starting."""

from __future__ import annotations

import resource

from provisioning.checks.certificates import check_ca_file
from provisioning.checks.credentials_file import gather_credentials, judge_credentials
from provisioning.checks.encryption import judge_encryption
from provisioning.checks.finding import Finding
from provisioning.checks.redis_facts import gather_redis
from provisioning.checks.redis_server import judge_redis, judge_skew
from provisioning.checks.relations import judge_relations
from provisioning.ledger import Ledger
from provisioning.settings import Settings

WAITED_FOR = frozenset({"redis.writes"})
"""Fatal, but they pass: a worker waits for a Redis that is full, as it does for one that is away."""


def most_files() -> int | None:
    """Descriptors that this process may have open; None for no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def check_settings(settings: Settings, files: int | None = None) -> list[Finding]:
    """What can be said without a Redis."""
    return [
        *judge_relations(settings, files),
        *check_ca_file(settings.ca_file),
        *judge_credentials(gather_credentials(settings)),
    ]


async def check_ledger(ledger: Ledger) -> list[Finding]:
    """
    What can be said of the ledger.

    Raises: redis.RedisError, OSError if it is away.
    """
    facts = await gather_redis(ledger.redis)
    return [*judge_redis(facts), judge_skew(facts.skew), judge_encryption(await ledger.sealer.census())]
