"""Checks before a worker starts; an error that waiting cannot solve ends the process with exit code 2."""

from __future__ import annotations

import asyncio
import sys
from typing import NoReturn

from provisioning.checks.at_start import WAITED_FOR, check_ledger, check_settings, most_files, take_files
from provisioning.checks.finding import Finding, Level
from provisioning.checks.relations import SPARE_FILES, room_for
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError, LedgerUnfitError, ProvisioningError
from provisioning.ledger import Ledger
from provisioning.observability.log_events import CHECK_WARNED
from provisioning.observability.logs import log_event


def fail(error: ProvisioningError) -> NoReturn:
    """Prints an error and its hint, and ends the process with exit code 2."""
    hint = f"\n\nhint: {error.hint}" if error.hint else ""
    print(f"error: {error.message}{hint}", file=sys.stderr)
    raise SystemExit(2)


def check(settings: Settings) -> None:
    """
    Prints the problems of settings, credentials and ledger, and ends the process if one is fatal.

    If Redis is unavailable, Celery and the engine wait for it.
    """

    async def look() -> list[Finding]:
        async with Ledger.of(settings) as ledger:
            return await check_ledger(ledger)

    findings = check_settings(settings, most_files())
    try:
        findings += asyncio.run(look())
    except LedgerUnfitError:
        raise  # waiting does not help
    except LedgerUnavailableError as error:
        print(f"waiting: {error.message}", file=sys.stderr)
    for finding in findings:
        if finding.level is Level.WARNING:
            log_event(CHECK_WARNED, trouble=finding.message, advice=finding.advice)
    refusals = [each for each in findings if each.level is Level.FATAL and each.check not in WAITED_FOR]
    if refusals:
        for finding in refusals:
            print(f"error: {finding.message}\n\nhint: {finding.advice}", file=sys.stderr)
        raise SystemExit(2)


def with_room(settings: Settings) -> Settings:
    """
    Settings with as many POSTs in flight as this process has file descriptors for; raises its limit first.

    A missing descriptor would look as if the API refused connections.
    """
    take_files(settings.max_in_flight + 2 * SPARE_FILES)
    files = most_files()
    if files is None or settings.max_in_flight <= room_for(files):
        return settings
    return settings.model_copy(update={"max_in_flight": room_for(files)})
