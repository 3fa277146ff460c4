"""The checks before a worker starts: a fatal finding prevents the start."""

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
from provisioning.text import Text

WAITED_FOR = frozenset({"redis.writes"})
"""Fatal, but temporary: a worker waits for a full Redis, as it does for an unavailable one."""


PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
"""Variables that make other programs use a proxy."""


def most_files() -> int | None:
    """Descriptors that a worker may have open, after it has raised its limit; None for no limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


def take_files(wanted: int) -> None:
    """Raises this process's own limit of descriptors to this number, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def judge_proxies(environ: Mapping[str, str]) -> list[Finding]:
    """
    A note if a proxy is set: workers connect to the API directly.

    >>> [finding.message for finding in judge_proxies({"HTTPS_PROXY": "http://user:secret@proxy:3128"})]
    ['HTTPS_PROXY is set, but workers ignore it: they connect to the API directly']
    """
    return [
        warning(
            "settings.proxy",
            Text("{name} is set, but workers ignore it: they connect to the API directly", name=name),
            "make sure that the hosts of the workers can reach PROVISION_API_URL directly; then unset it",
        )
        for name in PROXIES
        if environ.get(name)
    ][:1]


def check_settings(settings: Settings, files: int | None = None) -> list[Finding]:
    """The findings that need no Redis."""
    return [
        *judge_relations(settings, files),
        *check_ca_file(settings.ca_file),
        *judge_proxies(os.environ),
        *judge_credentials(gather_credentials(settings)),
    ]


async def check_ledger(ledger: Ledger) -> list[Finding]:
    """
    The findings on the ledger.

    Raises: LedgerUnavailableError.
    """
    facts = await read_facts(ledger)
    return [*judge_redis(facts), judge_skew(facts.skew), judge_encryption(await ledger.encryption.census())]
