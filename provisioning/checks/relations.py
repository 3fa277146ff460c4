"""
Checks that settings are consistent. Pure.

`Settings` itself refuses values that cannot work; these checks find values that work, but not as expected.
Leases are renewed after every quarter of their time, so an attempt may last longer than its lease; waits are
in the ledger, not in the broker, so its visibility timeout limits neither.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from provisioning.checks.finding import Finding, fatal, ok, warning
from provisioning.config import addresses
from provisioning.config.redis_address import RedisAddress
from provisioning.config.sentinel_address import SentinelAddress
from provisioning.config.settings import Settings
from provisioning.pace import Rate
from provisioning.text import Text

SHORT_LEASE = 8.0
"""Seconds of a lease below which one slow answer of Redis, at 5 s for a connection, loses it."""

LONG_LEASE = 300.0
"""Seconds of a lease above which a dead worker's jobs wait too long."""

MOST_LEASE = 3600
"""Limit of a lease in seconds: a longer one was probably given in another unit."""

SHORTEST_PASSWORD = 12
"""Fewest characters of a password for a page on a network."""

SPARE_FILES = 100
"""Descriptors that a worker needs besides those of its POSTs: Redis, the broker, its log."""


def judge_relations(settings: Settings, files: int | None = None) -> list[Finding]:
    """
    The problems of these settings; one finding without a problem if there are none.

    Args:
        files: descriptors that a process may have open; None if it is not known or has no limit.
    """
    odd = [*_times(settings), *_numbers(settings, files), *_choices(settings)]
    return odd or [ok("settings.relations", "the settings are consistent")]


def is_loopback(host: str | None) -> bool:
    """
    Whether a host is this machine.

    >>> [is_loopback(host) for host in ("127.0.0.2", "::1", "localhost", "10.0.0.1", "example.org")]
    [True, True, True, False, False]
    """
    if host is None or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _times(settings: Settings) -> Iterator[Finding]:
    attempt = settings.connect_timeout + settings.write_timeout + 2 * settings.read_timeout
    if settings.lease >= MOST_LEASE:
        yield fatal(
            "settings.lease",
            Text(
                (
                    "PROVISION_LEASE is {lease:g} s and must be below {most_lease} s: the jobs "
                    "of a dead worker would wait that long"
                ),
                lease=settings.lease,
                most_lease=MOST_LEASE,
            ),
            "set PROVISION_LEASE to 20",
        )
    elif settings.lease > LONG_LEASE:
        yield warning(
            "settings.lease",
            Text("the jobs of a dead worker wait for PROVISION_LEASE, {lease:g} s", lease=settings.lease),
            "20 s is enough: a lease is renewed every quarter of it, so attempts may last longer",
        )
    elif settings.lease < SHORT_LEASE:
        yield warning(
            "settings.lease",
            Text(
                (
                    "PROVISION_LEASE is {lease:g} s: if Redis is slow for {least:g} s, the "
                    "jobs being sent become in doubt"
                ),
                lease=settings.lease,
                least=settings.lease * 0.75,
            ),
            "set PROVISION_LEASE to 20",
        )
    if settings.connect_timeout >= settings.backoff_budget:
        yield warning(
            "settings.budget",
            Text(
                (
                    "an attempt without a connection takes PROVISION_CONNECT_TIMEOUT "
                    "({connect_timeout:g} s), the whole PROVISION_BACKOFF_BUDGET "
                    "({backoff_budget:g} s): it is never retried"
                ),
                connect_timeout=settings.connect_timeout,
                backoff_budget=settings.backoff_budget,
            ),
            Text(
                ("set PROVISION_BACKOFF_BUDGET well above it; a whole attempt may take {attempt:g} s"),
                attempt=attempt,
            ),
        )
    elif settings.attempts > 1 and settings.backoff_base >= settings.backoff_budget:
        yield warning(
            "settings.budget",
            Text(
                (
                    "PROVISION_BACKOFF_BASE ({backoff_base:g} s) is not below "
                    "PROVISION_BACKOFF_BUDGET ({backoff_budget:g} s): few jobs are retried"
                ),
                backoff_base=settings.backoff_base,
                backoff_budget=settings.backoff_budget,
            ),
            "set PROVISION_BACKOFF_BUDGET well above it",
        )
    if settings.retry_after_cap > settings.backoff_budget:
        yield warning(
            "settings.retry_after",
            Text(
                (
                    "PROVISION_RETRY_AFTER_CAP ({retry_after_cap:g} s) is above "
                    "PROVISION_BACKOFF_BUDGET ({backoff_budget:g} s): such a wait uses up the "
                    "whole budget of a job"
                ),
                retry_after_cap=settings.retry_after_cap,
                backoff_budget=settings.backoff_budget,
            ),
            "set PROVISION_RETRY_AFTER_CAP below it; for longer waits the job returns to the queue",
        )


def _numbers(settings: Settings, files: int | None) -> Iterator[Finding]:
    pace = settings.rate.per_second
    if pace is not None and settings.max_in_flight < pace:
        yield warning(
            "settings.in_flight",
            Text(
                (
                    "PROVISION_MAX_IN_FLIGHT ({max_in_flight}) limits one worker to less than "
                    "PROVISION_RATE ({rate}) if an answer takes {seconds:.1f} s"
                ),
                max_in_flight=settings.max_in_flight,
                rate=settings.rate,
                seconds=settings.max_in_flight / pace,
            ),
            "raise PROVISION_MAX_IN_FLIGHT: a POST in flight needs little more than a socket",
        )
    if files is not None and files < settings.max_in_flight + SPARE_FILES:
        yield warning(
            "settings.files",
            Text(
                (
                    "a process here may open {files} files, and PROVISION_MAX_IN_FLIGHT is "
                    "{max_in_flight}: a worker keeps {room} in flight"
                ),
                files=files,
                max_in_flight=settings.max_in_flight,
                room=room_for(files),
            ),
            Text(
                "ulimit -n {files}, or LimitNOFILE in the unit",
                files=settings.max_in_flight + 2 * SPARE_FILES,
            ),
        )


def room_for(files: int) -> int:
    """
    Most POSTs in flight of a process that may open so many files.

    >>> [room_for(files) for files in (1024, 100)]
    [924, 1]
    """
    return max(1, files - SPARE_FILES)


def _choices(settings: Settings) -> Iterator[Finding]:
    if settings.on_in_doubt == "retry":
        yield warning(
            "settings.on_in_doubt",
            "PROVISION_ON_IN_DOUBT is retry: a POST without an answer is sent again, and may create a second"
            " widget",
            "set it to hold, unless duplicate widgets are acceptable",
        )
    if settings.rate == Rate(None):
        yield warning(
            "settings.rate",
            "PROVISION_RATE is unlimited: only the limits of the API slow the workers down",
            "set a rate such as 5/s, unless the owner of the API agrees",
        )
    password = settings.flower_auth.get_secret_value().partition(":")[2]
    if password and (len(password) < SHORTEST_PASSWORD or len(set(password)) < SHORTEST_PASSWORD // 2):
        yield warning(
            "settings.flower_auth",
            "the password in PROVISION_FLOWER_AUTH is easy to guess: it gives access to all tenants",
            Text(
                ("use {shortest_password} characters or more; if unset, a new one is made at each start"),
                shortest_password=SHORTEST_PASSWORD,
            ),
        )
    parts = urlsplit(settings.api_url)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        yield warning(
            "settings.api_url",
            Text(
                (
                    "PROVISION_API_URL is http:// and not on this machine ({hostname}): "
                    "credentials and bodies are sent unencrypted"
                ),
                hostname=parts.hostname,
            ),
            "use https://",
        )
    if settings.redis and _is_open(addresses.parse(settings.redis)):
        yield warning(
            "settings.redis_password",
            "PROVISION_REDIS_URL has no password and is not on this machine: anybody who can connect reads"
            " widget keys",
            "give Redis a password (requirepass, or a user) and set PROVISION_REDIS_PASSWORD",
        )


def _is_open(address: RedisAddress | SentinelAddress) -> bool:
    """Whether other hosts may reach a Redis without a password."""
    if isinstance(address, RedisAddress):
        hosts = [address.place] if address.port else []
    else:
        hosts = [place.host for place in address.places]
    return not address.password and not all(map(is_loopback, hosts))
