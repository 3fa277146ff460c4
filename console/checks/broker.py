"""Whether Celery's broker can be reached, where it is not the ledger's Redis."""

from __future__ import annotations

from provisioning.checks.finding import Finding, fatal, ok
from provisioning.queue import make_app
from provisioning.settings import Settings

WITHIN = 5.0
"""Seconds that a broker has for a connection."""


def check_broker(settings: Settings) -> Finding:
    """Connects to it, and sends nothing."""
    if settings.broker_url is None:
        return ok("broker.reachable", "it is the ledger's Redis")
    connection = make_app(settings).connection_for_write(connect_timeout=WITHIN)
    where = connection.as_uri()  # without its password
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=WITHIN)
    except Exception as error:  # noqa: BLE001 - kombu's transports each raise their own
        said = str(error).strip() or type(error).__name__
        return fatal(
            "broker.reachable",
            f"the broker at {where} cannot be reached ({said})",
            "start it, or correct PROVISION_BROKER_URL; without that setting it is the ledger's Redis",
        )
    finally:
        connection.release()
    return ok("broker.reachable", f"{where} lets us in")
