"""What a worker looks at before it starts: the fatal findings keep it from starting."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping

from provisioning.checks.certificates import check_ca_file
from provisioning.checks.credentials_file import gather_credentials, judge_credentials
from provisioning.checks.encryption import judge_encryption
from provisioning.checks.finding import Finding, warning
from provisioning.checks.redis_server import judge_redis, judge_skew
from provisioning.checks.relations import judge_relations
from provisioning.config.settings import Settings
from provisioning.ledger import Ledger
from provisioning.ledger.server import read_facts

WAITED_FOR = frozenset({"redis.writes"})
"""Fatal, but they pass: a worker waits for a Redis that is full, as it does for one that is away."""


PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
"""Variables by which other programs go through a proxy."""


def most_files() -> int | None:
    """Descriptors that a worker may have open, which takes all that it may; None for no limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


def take_files(wanted: int) -> None:
    """Raises this process's own limit of descriptors to what is wanted, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def judge_proxies(environ: Mapping[str, str]) -> list[Finding]:
    """
    What a person who has set a proxy must know: workers send to the API directly.

    >>> [finding.message for finding in judge_proxies({"HTTPS_PROXY": "http://user:secret@proxy:3128"})]
    ['HTTPS_PROXY is set, but workers ignore it: they connect to the API directly']
    """
    return [
        warning(
            "settings.proxy",
            f"{name} is set, but workers ignore it: they connect to the API directly",
            "make sure that the hosts of the workers can reach PROVISION_API_URL directly; then unset it",
        )
        for name in PROXIES
        if environ.get(name)
    ][:1]


def check_settings(settings: Settings, files: int | None = None) -> list[Finding]:
    """What can be said without a Redis."""
    return [
        *judge_relations(settings, files),
        *check_ca_file(settings.ca_file),
        *judge_proxies(os.environ),
        *judge_credentials(gather_credentials(settings)),
    ]


async def check_ledger(ledger: Ledger) -> list[Finding]:
    """
    What can be said of the ledger.

    Raises: LedgerUnavailableError.
    """
    facts = await read_facts(ledger)
    return [*judge_redis(facts), judge_skew(facts.skew), judge_encryption(await ledger.sealer.census())]
