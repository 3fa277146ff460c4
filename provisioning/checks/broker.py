"""Checks that Celery's broker, if it is not the ledger's Redis, can be reached and grants Celery's rights."""

from __future__ import annotations

from collections.abc import Iterator

from provisioning.broker.queue import Waiting, check_rights, make_app
from provisioning.checks.finding import Finding, Level, fatal, ok
from provisioning.config import addresses
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError, LedgerUnavailableError
from provisioning.text import Text, joined

WITHIN = 5.0
"""Seconds for a connection to the broker."""


def check_broker(settings: Settings) -> Iterator[Finding]:
    """Connects to it, and tests Celery's rights there; sends nothing."""
    reached = _reach(settings)
    yield reached
    if reached.level is not Level.OK:
        return
    try:
        if check_rights(make_app(settings)):
            yield ok("broker.rights", "the user has all rights that Celery needs")
    except ConfigurationError as error:
        yield fatal("broker.rights", error.text, error.advice)


def _reach(settings: Settings) -> Finding:
    if settings.broker_url is None:
        return ok(
            "broker.reachable",
            joined("; ", [Text("the broker is the Redis of the ledger"), *_messages(settings)]),
        )
    connection = make_app(settings).connection_for_write(connect_timeout=WITHIN)
    where = _shown(settings.broker_url.get_secret_value()) or connection.as_uri()  # without its password
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=WITHIN)
    except Exception as error:  # noqa: BLE001 - kombu's transports each raise their own
        message = str(error).strip() or type(error).__name__
        return fatal(
            "broker.reachable",
            Text("cannot connect to the broker at {where} ({message})", where=where, message=message),
            "start it, or correct PROVISION_BROKER_URL; if unset, the broker is the Redis of the ledger",
        )
    finally:
        connection.release()
    return ok(
        "broker.reachable", joined("; ", [Text("connected to {where}", where=where), *_messages(settings)])
    )


def _shown(url: str) -> str:
    """The address to show; all Sentinels, if it names several: Celery's own shows one."""
    return str(addresses.parse(url)) if addresses.is_of_sentinels(url) else ""


def _messages(settings: Settings) -> list[Text]:
    """The number of messages there, as an addition to a sentence; none if the broker does not report it."""
    waiting = Waiting(make_app(settings))
    try:
        wait, taken = waiting.count(), waiting.taken()
    except (LedgerUnavailableError, ConfigurationError):
        return []
    finally:
        waiting.close()
    if taken is None:
        return [Text("waiting messages: {wait}", wait=wait)]
    return [Text("waiting messages: {wait}, being processed: {taken}", wait=wait, taken=taken)]
