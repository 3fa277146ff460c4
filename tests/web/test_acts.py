"""Acts in a real browser: on many jobs, by a table, on what all owners share; and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from producers.submit import submit
from provisioning.ledger import Intent, Ledger, Selection, transitions
from provisioning.ledger.bulk_acts import Asked, BulkAct, Verb, new_id
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event, State
from tests.support.ledger_fixtures import answer, claim, new_job
from tests.web.conftest import ALL, Site
from tests.web.test_journeys import signed_in


@pytest.fixture
def page(chromium: Browser, site: Site) -> Iterator[Page]:
    site.tokens["operator"] = str(site.do(_operator))
    page = signed_in(chromium, site, "operator", locale="en-US")
    yield page
    page.context.close()


async def _operator(ledger: Ledger) -> str:
    return (await ledger.tokens.create("operator", ALL, all_owners=True))[1]


async def _heap(ledger: Ledger, jobs: int = 200, event: Event = Event.REJECTED) -> str:
    """A batch whose jobs have all come to that end."""
    rows = [new_job(f"shop-{n}", body=b'{"bot":{"id":"%d"}}' % (100_000 + n)) for n in range(jobs)]
    batch = (await submit(ledger, rows, name="heap", actor="ana", notify=lambda _: None)).batch
    while some := await claim(ledger, 1000, batch=batch):
        intents = [Intent(job.number, job.token, 1, job.credential) for job in some]
        await ledger.do(transitions.sending(batch, intents, lease=30, target="http://target"))
        answers = [answer(job, event, reason="bot_not_found") for job in some]
        await ledger.do(transitions.answered(batch, answers))
    return batch


async def _queued(ledger: Ledger, batch: str) -> int:
    return (await ledger.queries.status(batch)).states[State.QUEUED]


def test_two_hundred_failed_rows_are_redriven_by_mouse(page: Page, site: Site) -> None:
    heap = str(site.do(_heap))
    page.reload()
    page.click("text=heap")
    page.click("text=bot_not_found")
    page.click("button:has-text('Redrive 200 jobs')")
    expect(page.locator(".lead")).to_contain_text("done: 200 jobs queued again.")
    assert site.do(lambda ledger: _queued(ledger, heap)) == 200


def test_two_hundred_failed_rows_are_redriven_by_keyboard_alone_in_spanish(
    chromium: Browser, site: Site
) -> None:
    heap = str(site.do(_heap))
    page = chromium.new_context(base_url=site.url, locale="es-MX").new_page()
    page.goto("/sign-in")
    for _ in range(12):  # past the name and the password, to the token
        if page.evaluate("document.activeElement.id") == "token":
            break
        page.keyboard.press("Tab")
    page.keyboard.type(site.tokens["all"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/batches")
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/dead-letters")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/dead-letters?cause=bot_not_found")
    expect(page.locator(".lead")).to_contain_text("200 trabajos fallaron sin un widget comprobado")
    for _ in range(40):
        if (
            "Reenviar" in page.evaluate("document.activeElement.textContent")
            and page.evaluate("document.activeElement.tagName") == "BUTTON"
        ):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".lead")).to_contain_text("terminada: 200 trabajos volvieron a la cola.")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("fila siguiente")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).not_to_be_visible()
    assert site.do(lambda ledger: _queued(ledger, heap)) == 200
    page.context.close()


def test_a_form_that_is_sent_twice_acts_once(page: Page, site: Site) -> None:
    heap = str(site.do(lambda ledger: _heap(ledger, 3)))
    page.goto(f"/batches/{heap}/dead-letters?cause=bot_not_found")
    page.evaluate("""() => {
        const form = document.querySelector("main form");
        window.twice = fetch(form.action, {method: "POST", body: new URLSearchParams(new FormData(form))});
    }""")
    page.evaluate("window.twice.then((answer) => answer.status)")
    page.click("button:has-text('Redrive 3 jobs')")
    expect(page.locator(".lead")).to_contain_text("done: 3 jobs queued again.")
    page.goto("/bulk-acts")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_stale_preview_shrinks_and_never_grows(page: Page, site: Site) -> None:
    heap = str(site.do(lambda ledger: _heap(ledger, 3)))
    page.goto(f"/batches/{heap}/dead-letters?cause=bot_not_found")

    async def meanwhile(ledger: Ledger) -> None:
        await ledger.operations.redrive(heap, Selection(State.DEAD, key="shop-0"), "eva")
        [job] = await claim(ledger, batch=heap)  # it dies again, after the page was shown
        intents = [Intent(job.number, job.token, 1, job.credential)]
        await ledger.do(transitions.sending(heap, intents, lease=30, target="http://target"))
        await ledger.do(transitions.answered(heap, [answer(job, Event.REJECTED, reason="bot_not_found")]))

    site.do(meanwhile)
    page.click("button:has-text('Redrive 3 jobs')")
    expect(page.locator(".lead")).to_contain_text("done: 2 jobs queued again.")
    assert site.do(lambda ledger: _queued(ledger, heap)) == 2


def test_a_session_that_has_ended_loses_no_form(page: Page, site: Site) -> None:
    heap = str(site.do(lambda ledger: _heap(ledger, 3)))
    page.goto(f"/batches/{heap}/dead-letters?cause=bot_not_found")
    site.do(lambda ledger: ledger.tokens.revoke("operator"))
    page.wait_for_timeout(2500)  # servers know a token for a second after it is revoked
    page.click("button:has-text('Redrive 3 jobs')")
    expect(page.locator("[role=alert]")).to_contain_text("so nothing was changed")
    page.fill("#token", site.tokens["all"])
    page.press("#token", "Enter")
    page.wait_for_url("**/dead-letters?cause=bot_not_found")
    page.click("button:has-text('Redrive 3 jobs')")
    expect(page.locator(".lead")).to_contain_text("done: 3 jobs queued again.")


def test_an_act_that_runs_shows_its_progress_and_is_stopped(page: Page, site: Site) -> None:
    """No server carries it out: one that is away holds it."""
    heap = str(site.do(lambda ledger: _heap(ledger, 3)))
    id_ = new_id()

    async def asked(ledger: Ledger) -> BulkAct:
        await ledger.redis.set(f"pv:bulk:{id_}:lease", "another server", px=60_000)
        act = Asked(
            id_, Verb.REDRIVE, heap, "default", "eva", Selection(State.DEAD), 3, await ledger.queries.now()
        )
        return await ledger.bulk_acts.ask(act)

    act = site.do(asked)
    assert isinstance(act, BulkAct)
    page.goto(f"/bulk-acts/{id_}")
    expect(page.locator("progress")).to_have_attribute("max", "3")
    expect(page.locator("main")).to_contain_text("0 of 3 looked at")
    site.do(lambda ledger: ledger.bulk_acts.step(act))
    expect(page.locator("main")).to_contain_text("3 of 3 looked at")
    page.goto(f"/batches/{heap}")
    expect(page.locator("main")).to_contain_text("Redrive: ◑ running, 3 of 3 looked at")
    page.goto(f"/bulk-acts/{id_}")
    page.click("button:has-text('Stop it')")
    expect(page.locator(".lead")).to_contain_text("being stopped")
    site.do(lambda ledger: ledger.bulk_acts.leave(id_))
    expect(page.locator(".lead")).to_contain_text("done: 3 jobs queued again.")


def test_doubts_are_settled_by_a_table(page: Page, site: Site, tmp_path: Path) -> None:
    heap = str(site.do(lambda ledger: _heap(ledger, 3, Event.DOUBTED)))
    table = tmp_path / "widgets.csv"
    table.write_text("Bot;Widget\n100000;4711\n100001;4712\n")
    page.goto(f"/batches/{heap}/in-doubt")
    page.click("a:has-text('Settle doubts by a table')")
    page.set_input_files("#file", table)
    expect(page.locator("#match")).to_have_value("bot.id")
    page.fill("#column", "Robot")
    page.click("button:has-text('Look at what it tells')")
    expect(page.locator("[role=alert]")).to_contain_text(
        "widgets.csv has no column 'Robot'. columns: Bot, Widget"
    )
    page.set_input_files("#file", table)
    page.fill("#column", "Bot")
    page.fill("#id_column", "Widget")
    page.check("input[name=absent]")
    page.click("button:has-text('Look at what it tells')")
    expect(page.locator(".lead")).to_contain_text(
        "2 jobs would be recorded as created; 1 would be sent again; 0 are unclear"
    )
    page.click("button:has-text('Settle 3 jobs')")
    expect(page.locator(".lead")).to_contain_text("done: 2 jobs recorded as created, 1 sent again.")
    states = site.do(lambda ledger: ledger.queries.status(heap))
    assert (states.states[State.SUCCEEDED], states.states[State.QUEUED]) == (2, 1)  # type: ignore[attr-defined]


def test_a_proxy_that_refuses_a_large_table_is_named(page: Page, site: Site, tmp_path: Path) -> None:
    heap = str(site.do(lambda ledger: _heap(ledger, 1, Event.DOUBTED)))
    page.route("**/reconcile", _refuse_posts)
    (tmp_path / "widgets.csv").write_text("bot.id\n1\n")
    page.goto(f"/batches/{heap}/reconcile")
    page.set_input_files("#file", tmp_path / "widgets.csv")
    page.click("button:has-text('Look at what it tells')")
    expect(page.locator("[role=alert]")).to_contain_text(
        "A proxy in front of this server refuses files of this size"
    )


def _refuse_posts(route: Route) -> None:
    if route.request.method == "POST":
        route.fulfill(status=413, body="<html><h1>413 Request Entity Too Large</h1></html>")
    else:
        route.continue_()


def test_doubts_of_one_cause_are_settled_alike_with_a_reason(page: Page, site: Site) -> None:
    heap = str(site.do(lambda ledger: _heap(ledger, 3, Event.DOUBTED)))
    page.goto(f"/batches/{heap}/in-doubt?cause=bot_not_found")
    page.click("summary:has-text('Settle all of them alike')")
    page.check("input[value=absent]")
    page.fill("#why-resolve", "Jelou has none of them")
    page.click("button:has-text('Settle 3 jobs')")
    expect(page.locator(".lead")).to_contain_text("done: 0 jobs recorded as created, 3 sent again.")
    page.goto("/audit")
    expect(page.locator("tbody")).to_contain_text("Jelou has none of them")


def test_unsent_jobs_are_cancelled_and_redriven(page: Page, site: Site) -> None:
    page.goto(f"/batches/{site.batch}")
    page.click("summary:has-text('Cancel unsent jobs')")
    page.fill("#why-cancel", "the wrong file")
    page.click("button:has-text('Cancel unsent jobs')")
    expect(page.locator(".lead")).to_contain_text("done: 2 jobs cancelled.")
    page.click("text=To the batch")
    page.click("summary:has-text('Redrive cancelled jobs')")
    page.click("button:has-text('Redrive cancelled jobs')")
    expect(page.locator(".lead")).to_contain_text("done: 2 jobs queued again.")


def test_the_operator_sets_a_pace_and_pauses_a_credential_and_everything(page: Page, site: Site) -> None:
    site.do(lambda ledger: ledger.redis.hset("pv:rates", "acme", "5.0"))
    page.goto("/workers")
    page.click("summary:has-text('Pace')")
    page.fill("#pace-1", "fast")
    page.click("button:has-text('Set the pace')")
    expect(page.locator("main")).to_contain_text("This is no pace: write it as 5/s")
    page.click("text=Back to the page, as it is now")
    page.click("summary:has-text('Pace')")
    page.fill("#pace-1", "300/m")
    page.click("button:has-text('Set the pace')")
    expect(page.locator("tbody")).to_contain_text("5/s · set by a person")
    page.click("summary:has-text('Pause acme')")
    page.fill("#why-1", "a new password comes")
    page.click("td button:has-text('Pause')")
    expect(page.locator(".hold")).to_contain_text("a new password comes")
    page.click(".hold button:has-text('Resume')")
    expect(page.locator(".done")).to_contain_text("Sending goes on.")
    page.click("summary:has-text('Pause everything')")
    page.click("button.danger")
    expect(page.locator(".hold")).to_contain_text("Nothing is sent until somebody resumes it.")


def test_what_is_past_its_retention_is_counted_before_it_is_deleted(page: Page, site: Site) -> None:
    page.goto("/workers")
    page.click("text=Retention: what is deleted, and when")
    expect(page.locator(".lead")).to_contain_text("PROVISION_RETENTION_DAYS is not set")


def test_what_all_owners_share_is_changed_by_nobody_else(chromium: Browser, site: Site) -> None:
    page = signed_in(chromium, site, "shop", locale="en-US")
    site.do(lambda ledger: ledger.redis.hset("pv:rates", "acme", "5.0"))
    page.goto("/workers")
    expect(page.locator("main")).to_contain_text("only the operator changes them")
    assert page.locator("form[action='/paces'], form[action^='/holds']").count() == 0
    page.context.close()


def test_a_person_who_may_only_read_sees_no_act(chromium: Browser, site: Site) -> None:
    site.do(lambda ledger: ledger.tokens.create("all", [Scope.READ], all_owners=True))
    page = signed_in(chromium, site, "reads", locale="en-US")
    for path in ("", "/dead-letters", "/in-doubt", "/reconcile"):
        page.goto(f"/batches/{site.batch}{path}")
        assert page.locator("main form").count() == 0, path
    page.context.close()


@pytest.mark.slow
def test_a_page_says_how_old_it_is_while_the_server_is_away(page: Page, site: Site) -> None:
    page.goto(f"/batches/{site.batch}")
    expect(page.locator("#stale")).not_to_be_visible()
    page.route("**/*", lambda route: route.abort())
    site.do(lambda ledger: ledger.operations.cancel(site.batch, "eva"))
    expect(page.locator("#stale")).to_contain_text("cannot be reached; this is as of", timeout=8000)
    expect(page.locator(".lead")).to_contain_text("1 of 6 tenants have a widget; 2 are being worked on")
    page.unroute("**/*")
    expect(page.locator("#stale")).not_to_be_visible(timeout=12_000)
