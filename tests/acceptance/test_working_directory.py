"""Nothing that lies in the working directory is run: it may be anybody's, and we have the credentials."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.support.commands import Desk, Ran, tenants, until

OF_CELERY_PROJECTS = {"celeryconfig", "flowerconfig", "celeryapp", "tasks", "mysite", "settings"}
CELERYS_SETTINGS = {
    "BROKER_URL": "redis://127.0.0.1:1/0",
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CELERY_BROKER_READ_URL": "redis://127.0.0.1:1/0",
    "CELERY_CONFIG_MODULE": "celeryconfig",
    "CELERY_LOADER": "mysite.Loader",
    "DJANGO_SETTINGS_MODULE": "mysite",
}


@pytest.fixture
def beside_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk in the folder of a Celery project that has a file for every module there is."""
    names = {*sys.stdlib_module_names, *packages_distributions(), *OF_CELERY_PROJECTS}
    for name in names:
        if name.isidentifier():
            (desk.folder / f"{name}.py").write_text(
                f"open('ran', 'a').write('{name} ')\nraise SystemExit(9)\n"
            )
    for variable, value in CELERYS_SETTINGS.items():
        monkeypatch.setenv(variable, value)
    return desk


def what_ran(desk: Desk) -> str:
    ran = desk.folder / "ran"
    return ran.read_text() if ran.exists() else ""


def test_the_embedded_worker_is_ours_and_listens_to_our_broker(beside_others: Desk) -> None:
    done = beside_others.run("apply", str(tenants(beside_others.folder / "t.csv", 2)), "--yes", "--json")
    assert what_ran(beside_others) == ""
    assert done.code == 0, done.err
    assert done.last["states"]["succeeded"] == 2


def test_a_worker_in_a_celery_project_finishes_our_jobs(beside_others: Desk, redis_url: str) -> None:
    worker = beside_others.start("worker", REDIS_URL=redis_url)
    table = tenants(beside_others.folder / "t.csv", 2)
    done = beside_others.run("apply", str(table), "--yes", "--json", REDIS_URL=redis_url)
    assert what_ran(beside_others) == ""
    assert done.code == 0, done.err
    assert worker.end(signal.SIGTERM).code == 0


def test_the_sandbox_is_ours(beside_others: Desk) -> None:
    assert beside_others.run("sandbox", "--list").code == 0
    assert what_ran(beside_others) == ""


def test_the_demonstration_runs_nothing_of_others(beside_others: Desk) -> None:
    assert beside_others.run("demo", "--rate", "unlimited").code == 0
    assert what_ran(beside_others) == ""


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("flower", "--port", "0")])
def test_a_server_runs_nothing_of_others(beside_others: Desk, command: tuple[str, ...]) -> None:
    server = beside_others.start(*command)
    until(lambda: " at http" in server.said or server.process.poll() is not None, "it serves")
    ended: Ran = server.end(signal.SIGINT)
    assert what_ran(beside_others) == ""
    assert " at http" in ended.err
