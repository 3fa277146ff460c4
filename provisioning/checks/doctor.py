"""`provision doctor`: which checks run, in which order, and which need no Redis."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection
from pathlib import Path

from provisioning.checks.api import gather_api, judge_api
from provisioning.checks.at_start import check_ledger, check_settings, most_files
from provisioning.checks.encryption import judge_masters
from provisioning.checks.finding import Finding, fatal, ok
from provisioning.checks.home import gather_home, holds_secrets, judge_home
from provisioning.checks.secret_file import judge_secret_files, secret_files
from provisioning.checks.workers import judge_workers
from provisioning.config.settings import Settings
from provisioning.embedded.workplace import Workplace, workplace
from provisioning.errors import ConfigurationError, LedgerUnavailableError
from provisioning.ledger import Ledger
from provisioning.text import AnyText, Text
from provisioning.version import version

GROUPS = (
    "program",
    "settings",
    "credentials",
    "home",
    "redis",
    "clock",
    "encryption",
    "workers",
    "broker",
    "api",
)
"""Values of `--only`: the first word of the names of findings."""

NEEDS_LEDGER = frozenset({"home", "redis", "clock", "encryption", "workers", "broker"})


async def examine(only: Collection[str] = GROUPS) -> list[Finding]:
    """Runs all requested checks; they change nothing permanently."""
    found = [
        ok(
            "program.version",
            Text(
                "provision {version}, Python {python_version}",
                version=version(),
                python_version=platform.python_version(),
            ),
        )
    ]
    try:
        settings = Settings.from_env(os.environ)
    except ConfigurationError as error:
        return found + [fatal("settings.read", line, error.advice) for line in _lines(error.text)]
    found += [ok("settings.read", "all settings are valid"), *check_settings(settings, most_files())]
    found += judge_secret_files(secret_files(os.environ, Path.cwd()))
    if NEEDS_LEDGER & set(only):
        try:
            with workplace() as place:
                found += await _at(place, only)
        except LedgerUnavailableError as error:  # the embedded one, which does not start
            found.append(fatal("redis.reachable", error.text, error.advice))
    if "api" in only:
        found += judge_api(gather_api(settings.api_url, settings.connect_timeout, settings.ca_file))
    return [finding for finding in found if finding.check.split(".")[0] in only]


def _lines(text: AnyText) -> list[AnyText]:
    """The problems of settings, each by itself."""
    return [text] if isinstance(text, str) else text.parts


async def _at(place: Workplace, only: Collection[str]) -> list[Finding]:
    found: list[Finding] = []
    home = place.settings.home.absolute()
    if "home" in only and (place.embedded or holds_secrets(home)):
        found += judge_home(gather_home(home), embedded=place.embedded)
    if {"redis", "clock", "encryption", "workers"} & set(only):
        found += await _ledger(place)
    if "broker" in only:
        # Here, since it loads Celery, and every command loads this module.
        from provisioning.checks.broker import check_broker

        found += check_broker(place.settings)
    return found


async def _ledger(place: Workplace) -> list[Finding]:
    malformed = list(judge_masters(place.settings.masters))
    ledger = Ledger.at(
        place.redis_url,
        masters="" if malformed else place.settings.masters,
        replicas=place.settings.redis_replicas,
    )
    try:
        known = {each.check for each in malformed}
        found = [each for each in await check_ledger(ledger) if each.check not in known]
        workers = await ledger.queries.workers()
    except LedgerUnavailableError as error:
        return [fatal("redis.reachable", error.text, error.advice), *malformed]
    finally:
        await ledger.close()
    workers_found = judge_workers(workers, embedded=place.embedded)
    return [ok("redis.reachable", "Redis answers"), *found, *malformed, *workers_found]
