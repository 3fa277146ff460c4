"""
A Celery app that takes nothing from where it happens to be started.

Celery reads settings of its own from the environment, and imports configuration and tasks from the working
directory first. Both are meant for the application that somebody works on. This program is none:
its settings are `PROVISION_…` and its code is what is installed. Beside a Celery project it must neither take
that project's broker for its own nor run that project's files with the credentials.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, MutableMapping
from types import ModuleType
from typing import Any

from celery import Celery
from celery.loaders.app import AppLoader

OTHERS_SETTINGS = (
    *("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND"),
    *("CELERY_LOADER", "CELERY_CONFIG_MODULE", "CELERY_CUSTOM_WORKER_POOL"),
)
"""Variables that Celery would let win over what an app was made with."""


def own_celery(name: str, broker: str, environ: MutableMapping[str, str] = os.environ) -> Celery:
    """
    A Celery app on `broker`, whatever the environment and the working directory hold.

    Args:
        environ: the environment of this process, from which Celery's own settings are taken away.
    """
    for variable in OTHERS_SETTINGS:
        environ.pop(variable, None)
    # Without the fixup for Django, which puts the working directory on the path for good.
    return Celery(name, broker=broker, loader=InstalledCodeLoader, fixups=())


class InstalledCodeLoader(AppLoader):  # type: ignore[misc] # Celery ships no types
    """Imports what is installed, never from the working directory, and reads no configuration module."""

    def import_from_cwd(
        self, module: str, imp: Callable[..., ModuleType] | None = None, package: str | None = None
    ) -> ModuleType:
        return (imp or importlib.import_module)(module, package=package)

    def read_configuration(self, env: str = "") -> dict[str, Any]:  # noqa: ARG002 - Celery's signature
        return {}
