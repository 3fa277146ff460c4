"""Doubts settled through the real commands: one with its id and key, many with an exported table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from provisioning.ledger import Ledger, transitions
from provisioning.lifecycle import Event
from tests.support.commands import Desk, rows_of
from tests.support.ledger_fixtures import answer, claim, new_job, say, send

KEY = "wk_found_in_the_console"


@pytest.fixture
async def doubts(redis_url: str) -> list[str]:
    """Ids of five jobs of `tenants`: four in doubt, of bots 1, 2, 3 and 3, and one created, of bot 4."""
    async with Ledger.at(redis_url) as ledger:
        await ledger.do(transitions.open_batch("b1", "tenants", {}))
        jobs = [new_job(f"k{n}", body=b'{"bot":{"id":"%d"}}' % bot) for n, bot in enumerate((1, 2, 3, 3, 4))]
        accepted = await ledger.do(transitions.accept("b1", jobs, "ana"))
        for job in await claim(ledger):
            await send(ledger, job)
            await say(ledger, answer(job, Event.CREATED if job.number == 5 else Event.DOUBTED))
    return [each.job_id for each in accepted]


def _export(folder: Path, *rows: tuple[str, str, str]) -> str:
    with (folder / "export.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("Bot", "Widget", "Key"), *rows])
    return "export.csv"


def test_a_doubt_is_settled_with_the_id_and_key_of_the_widget_that_was_found(
    desk: Desk, redis_url: str, doubts: list[str]
) -> None:
    shared = {"REDIS_URL": redis_url}
    resolve = ("resolve", doubts[0], "--created", "--widget-id", "w-9", "--widget-key", "-")
    settled = desk.feed(KEY.encode() + b"\n", *resolve, **shared)
    assert (settled.code, settled.out) == (0, f"{doubts[0]} is created\n")
    assert desk.run("export", "tenants", "--to", "out", **shared).code == 0
    found = next(r for r in rows_of(desk.folder / "out/created.csv") if r["outcome.job"] == doubts[0])
    assert (found["outcome.widget_id"], found["outcome.widget_key"]) == ("w-9", KEY)


def test_a_key_given_on_the_command_line_is_refused_and_not_repeated(desk: Desk, redis_url: str) -> None:
    refused = desk.run("resolve", "b1.1", "--created", "--widget-key", KEY, REDIS_URL=redis_url)
    assert refused.code == 2
    assert KEY not in refused.out + refused.err


def test_doubts_are_reconciled_with_an_exported_table(desk: Desk, redis_url: str, doubts: list[str]) -> None:
    shared = {"REDIS_URL": redis_url}
    table = _export(desk.folder, ("1", "w-9", KEY), ("3", "w-3", "k"))
    verb = ("reconcile", "tenants", "--seen", table, "--match", "bot.id=Bot")
    columns = ("--widget-id", "Widget", "--widget-key", "Key")

    planned = desk.run(*verb, *columns, "--dry-run", "--json", **shared)
    assert planned.last == {
        "batch": "b1",
        "matched": 1,
        "absent": 1,
        "unclear": 2,
        "created": 0,
        "queued": 0,
        "rows": 2,
        "understood": 2,
    }

    told = desk.run(*verb, *columns, **shared)
    assert told.code == 0, told.err
    assert "1 matched: 1 created now" in told.out
    assert "2 jobs have this value" in told.out
    assert KEY not in told.out + told.err

    sent = desk.run(*verb, *columns, "--resolve-absent", "--json", **shared)
    assert (sent.last["matched"], sent.last["absent"], sent.last["queued"]) == (0, 1, 1)
    [status] = desk.run("status", "tenants", "--json", **shared).objects
    states = status["states"]
    assert (states["succeeded"], states["queued"], states["in_doubt"]) == (2, 1, 2)


def test_no_job_is_sent_again_by_a_table_that_a_spreadsheet_has_damaged(
    desk: Desk, redis_url: str, doubts: list[str]
) -> None:
    shared = {"REDIS_URL": redis_url}
    table = _export(desk.folder, ("1", "w-9", KEY), ("5.9E+11", "w-3", "k"), ("4", "w-4", "k"))
    verb = ("reconcile", "tenants", "--seen", table, "--match", "bot.id=Bot")

    refused = desk.run(*verb, "--resolve-absent", **shared)
    assert refused.code == 2
    assert "1 of the 3 rows of export.csv could not be" in refused.err
    assert "row 3, Bot" in refused.err
    [status] = desk.run("status", "tenants", "--json", **shared).objects
    assert status["states"]["in_doubt"] == len(doubts) - 1

    # The way out that the hint names: what was found is settled, nothing is sent.
    told = desk.run(*verb, "--json", **shared)
    assert (told.last["created"], told.last["queued"]) == (1, 0)
    assert (told.last["rows"], told.last["understood"]) == (3, 2)
    assert "2 of 3 rows of export.csv read" in told.err
