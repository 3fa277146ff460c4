"""What an operator asks for at the terminal, through the real commands on a real Valkey."""

from __future__ import annotations

import json

import pytest

from provisioning.ledger import Ledger, transitions
from provisioning.lifecycle import Event
from tests.support.commands import Desk
from tests.support.ledger_fixtures import answer, claim, fill, new_job, say, send

SECRET = b'{"bot":{"id":"7"},"credentials":{"whiteList":["portal-lima"]}}'


@pytest.fixture
async def jobs(redis_url: str) -> None:
    """Of batch b1, two jobs in doubt and two cancelled."""
    async with Ledger.at(redis_url) as ledger:
        await fill(ledger, *(new_job(key, body=SECRET) for key in ("lima-1", "lima-2", "quito", "bogota")))
        for job in (await claim(ledger))[:2]:
            await send(ledger, job)
            await say(ledger, answer(job, Event.DOUBTED))
        await ledger.do(transitions.cancel("b1", 1, 4, "ana"))


@pytest.mark.usefixtures("jobs")
def test_a_tenant_is_found_by_its_key_alone(desk: Desk, redis_url: str) -> None:
    found = desk.run("job", "quito", "--json", REDIS_URL=redis_url)
    assert (found.code, found.last["job"], found.last["state"]) == (0, "b1.3", "cancelled")
    assert found.last["body"]["credentials"] == {"whiteList": ["***"]}
    assert found.last["moves"][0]["by"] == "ana"
    told = desk.run("job", "quito", REDIS_URL=redis_url)
    assert "cancelled by ana" in told.out
    assert "portal-lima" not in told.out + found.out

    listed = desk.run("jobs", "--key", "lima*", "--json", REDIS_URL=redis_url)
    assert {each["key"] for each in listed.objects} == {"lima-1", "lima-2"}
    without = desk.run("jobs", REDIS_URL=redis_url)
    assert (without.code, "--key KEY" in without.err) == (2, True)


@pytest.mark.usefixtures("jobs")
def test_jobs_take_the_filters_that_redrive_takes(desk: Desk, redis_url: str) -> None:
    def keys(*options: str) -> set[str]:
        listed = desk.run("jobs", "b1", *options, "--json", REDIS_URL=redis_url)
        assert listed.code == 0, listed.err
        return {each["key"] for each in listed.objects}

    assert keys("--state", "in_doubt", "--key", "lima*", "--credential", "acme") == {"lima-1", "lima-2"}
    assert keys("--since", "1h", "--state", "cancelled") == {"quito", "bogota"}
    assert keys("--until", "1h") == keys("--credential", "other") == set()


@pytest.mark.usefixtures("jobs")
def test_several_doubts_are_resolved_at_once_and_what_is_none_is_named(desk: Desk, redis_url: str) -> None:
    settled = desk.run("resolve", "b1.1", "b1.3", "b1.2", "--absent", REDIS_URL=redis_url)
    assert settled.code == 2
    assert settled.out == "b1.1 is queued again\nb1.2 is queued again\n"
    assert "b1.3 is not in doubt: it is cancelled" in settled.err
    one = desk.run("resolve", "b1.1", "b1.2", "--created", "--widget-id", "4711", REDIS_URL=redis_url)
    assert (one.code, one.out) == (2, "")


@pytest.mark.usefixtures("jobs")
def test_a_redrive_that_finds_nothing_dead_says_what_was_cancelled(desk: Desk, redis_url: str) -> None:
    nothing = desk.run("redrive", "b1", REDIS_URL=redis_url)
    assert nothing.out == "0 jobs queued again\n"
    assert "provision redrive b1 --state cancelled" in nothing.err
    again = desk.run("redrive", "b1", "--state", "cancelled", REDIS_URL=redis_url)
    assert (again.out, again.err) == ("2 jobs queued again\n", "")


def test_a_pace_is_shown_without_being_changed(desk: Desk, redis_url: str) -> None:
    shared = {"REDIS_URL": redis_url, "RATE": "7/s"}
    assert desk.run("pace", "acme", **shared).out == "acme: 7/s (PROVISION_RATE here)\n"
    assert desk.run("pace", "acme", "unlimited", **shared).out == "acme: unlimited\n"
    assert desk.run("pace", "acme", **shared).out == "acme: unlimited (set with provision pace)\n"
    assert json.loads(desk.run("pace", "acme", "--json", **shared).out) == {
        "credential": "acme",
        "pace": "unlimited",
        "set": True,
    }
    assert len(desk.run("audit", "--json", **shared).objects) == 1


def test_a_pace_is_given_back_to_the_workers_own_setting(desk: Desk, redis_url: str) -> None:
    shared = {"REDIS_URL": redis_url, "RATE": "7/s"}
    desk.run("pace", "acme", "20/s", **shared)
    assert desk.run("pace", "acme", "--clear", **shared).out == "acme: 7/s (PROVISION_RATE here)\n"
    assert desk.run("audit", "--json", **shared).objects[0]["facts"] == {"pace": "not set"}
    both = desk.run("pace", "acme", "20/s", "--clear", **shared)
    assert (both.code, "provision pace default --clear" in both.err) == (2, True)


@pytest.mark.usefixtures("jobs")
def test_a_pause_says_why_wherever_it_is_shown(desk: Desk, redis_url: str) -> None:
    desk.run("pause", "b1", "--because", "the client asked", REDIS_URL=redis_url)
    assert "the client asked" in desk.run("status", "b1", REDIS_URL=redis_url).out
    assert desk.run("audit", "--json", REDIS_URL=redis_url).objects[0]["why"] == "the client asked"


@pytest.mark.usefixtures("jobs")
def test_a_resume_and_a_cancel_are_recorded_with_their_reason(desk: Desk, redis_url: str) -> None:
    desk.run("pause", "b1", REDIS_URL=redis_url)
    for command in (("resume", "b1"), ("cancel", "b1", "--yes")):
        done = desk.run(*command, "--because", "the client is ready", REDIS_URL=redis_url)
        assert done.code == 0, done.err
        latest = desk.run("audit", "--json", "--limit", "1", REDIS_URL=redis_url).objects[0]
        assert (latest["act"], latest["why"]) == (command[0], "the client is ready")


@pytest.mark.usefixtures("jobs")
def test_a_doubt_is_resolved_by_the_tenants_key(desk: Desk, redis_url: str) -> None:
    settled = desk.run("resolve", "lima-1", "--created", REDIS_URL=redis_url)
    assert settled.out == "b1.1 (lima-1) is created\n"
    assert desk.run("job", "b1.1", "--json", REDIS_URL=redis_url).last["state"] == "succeeded"
    several = desk.run("resolve", "lima*", "--absent", REDIS_URL=redis_url)
    assert (several.code, "lima* may match several jobs" in several.err) == (2, True)
    unknown = desk.run("resolve", "nobody", "--created", REDIS_URL=redis_url)
    assert (unknown.code, "unknown job or tenant key" in unknown.err) == (2, True)


def test_without_a_name_every_pace_is_shown(desk: Desk, redis_url: str) -> None:
    shared = {"REDIS_URL": redis_url, "RATE": "7/s"}
    none = desk.run("pace", **shared, CLIENT_ID="", CLIENT_SECRET="")
    assert (none.code, none.out) == (0, "")
    assert "no worker has reported its credentials yet" in none.err
    here = {**shared, "CLIENT_ID": "a", "CLIENT_SECRET": "b"}
    desk.run("pace", "acme", "20/s", **here)
    assert desk.run("pace", **here).out.splitlines() == [
        "acme: 20/s (set with provision pace)",
        "default: 7/s (PROVISION_RATE here)",
    ]
    assert desk.run("pace", "--json", **here).objects == [
        {"credential": "acme", "pace": "20/s", "set": True},
        {"credential": "default", "pace": "7/s", "set": False},
    ]


@pytest.mark.usefixtures("jobs")
def test_an_export_goes_where_apply_would_have_put_it(desk: Desk, redis_url: str) -> None:
    assert desk.run("export", "b1", REDIS_URL=redis_url).code == 0
    assert (desk.folder / "b1.outcomes" / "manifest.json").exists()
