"""What a person does in a real browser: find out who did not get a widget, and mend it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from provisioning.lifecycle import State
from tests.support import npm
from tests.web.conftest import HOSTILE, KEY_OF_WIDGET, Site, states_of

PAGES = [
    *(
        "/send",
        "/send/{mapped}",
        "/send/{mended}",
        *("/retention", "/batches/{batch}/jobs", "/batches/{batch}/jobs?state=succeeded"),
        "/bulk-acts",
        "/bulk-acts/none",
        "/batches/{batch}/reconcile",
    ),
    *("/batches", "/batches?q=nobody", "/batches/none", "/batches/{batch}", "/workers"),
    *("/audit", "/audit?on={batch}&since=2020-01-01T00:00", "/audit?on=nobody"),
    *("/dead-letters", "/batches/{batch}/dead-letters", "/in-doubt", "/batches/{batch}/in-doubt"),
    *("/jobs/{dead}", "/jobs/{doubted}", "/jobs/{created}"),
]


def signed_in(browser: Browser, site: Site, who: str = "all", **options: object) -> Page:
    """A page of a browser that has signed in."""
    page = browser.new_context(base_url=site.url, **options).new_page()  # type: ignore[arg-type]
    page.goto("/sign-in")
    page.fill("#token", site.tokens[who])
    page.press("#token", "Enter")
    page.wait_for_url("**/batches")
    return page


@pytest.fixture
def page(chromium: Browser, site: Site) -> Iterator[Page]:
    """A page that has signed in, on which nothing may go wrong in silence."""
    page = signed_in(chromium, site, locale="en-US")
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if _is_wrong(message) else None)
    page.on(
        "request", lambda request: None if request.url.startswith(site.url) else wrong.append(request.url)
    )
    yield page
    page.context.close()
    assert wrong == []


def _is_wrong(message: ConsoleMessage) -> bool:
    """Whether a message of the browser's console is an error; a refusal that a test asks for is none."""
    return message.type == "error" and "responded with a status of 4" not in message.text


def test_from_sign_in_to_dead_jobs_queued_again(page: Page, site: Site) -> None:
    expect(page.locator(".lead")).to_contain_text("1 batch waits for you")
    page.click("text=june")
    expect(page.locator(".lead")).to_contain_text(
        "1 of 6 tenants have a widget; 2 are being worked on; 3 wait"
    )
    page.click("text=bot_not_found")
    expect(page.locator(".lead")).to_contain_text("Sending them again cannot make a second widget.")
    page.click("button:has-text('Redrive 1 job')")
    expect(page.locator(".lead")).to_contain_text("done: 1 job queued again.")
    assert site.do(lambda ledger: states_of(ledger, site.batch)) == {
        **dict.fromkeys(State, 0),
        State.QUEUED: 3,
        State.SUCCEEDED: 1,
        State.DEAD: 1,
        State.IN_DOUBT: 1,
    }


def test_risky_jobs_are_redriven_only_with_a_tick_and_a_reason(page: Page, site: Site) -> None:
    page.goto(f"/batches/{site.batch}/dead-letters?cause=http_500")
    expect(page.locator(".lead")).to_contain_text("1 of them may have one already")
    page.click("main form button")
    expect(page.locator(".lead")).to_contain_text("0 jobs queued again; 1 left out, because")
    page.goto(f"/batches/{site.batch}/dead-letters?cause=http_500")
    page.check("input[name=risky]")
    page.click("main form button")
    expect(page.locator("main")).to_contain_text("redriven only with a reason")
    page.go_back()
    page.check("input[name=risky]")
    page.fill("#reason", "Jelou has none")
    page.click("main form button")
    expect(page.locator(".lead")).to_contain_text("1 job queued again, 1 of them may get a second widget")
    page.goto("/audit")
    expect(page.locator("tbody")).to_contain_text("Jelou has none")


def test_the_audit_is_filtered_and_downloaded(page: Page, site: Site) -> None:
    page.goto("/audit")
    page.fill("#on", site.batch)
    page.fill("#since", "2020-01-01T00:00")
    page.press("#on", "Enter")
    page.wait_for_url("**/audit?*")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.input_value("#since") == "2020-01-01T00:00"
    with page.expect_download() as download:
        page.click("text=Download all of them as CSV")
    assert download.value.suggested_filename == "audit.csv"
    assert f"batch:{site.batch}" in download.value.path().read_text(encoding="utf-8-sig")
    page.fill("#until", "2020-01-02T00:00")
    page.press("#on", "Enter")
    expect(page.locator("main")).to_contain_text("No action fits these filters.")
    page.click("text=Show all actions")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_doubt_is_resolved_as_the_person_has_found(page: Page, site: Site) -> None:
    page.goto("/in-doubt")
    page.click("text=read_timeout")
    page.click("main tbody a")
    page.check("input[value=created]")
    page.fill("#widget_id", "4711")
    page.click("button:has-text('Record it')")
    expect(page.locator(".done")).to_be_visible()
    expect(page.locator("main")).to_contain_text("4711")
    states = site.do(lambda ledger: states_of(ledger, site.batch))
    assert isinstance(states, dict)
    assert (states[State.SUCCEEDED], states[State.IN_DOUBT]) == (2, 0)


def test_a_batch_is_resumed_and_paused(page: Page, site: Site) -> None:
    page.goto(f"/batches/{site.batch}")
    page.click("button:has-text('Resume')")
    expect(page.locator(".done")).to_contain_text("The batch goes on")
    page.click("summary:has-text('Pause')")
    page.fill("#why-pause", "wait for the client")
    page.click("button:has-text('Pause')")
    expect(page.locator(".hold")).to_contain_text("wait for the client")


def test_the_tenants_in_a_state_are_listed(page: Page, site: Site) -> None:
    page.goto(f"/batches/{site.batch}")
    page.click(".states a:has-text('created')")
    expect(page.locator(".lead")).to_have_text("1 job")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.click("tbody a")
    expect(page.locator("h1")).to_contain_text("tenant-0")


def test_a_created_widget_comes_with_the_snippet_that_installs_it(page: Page, site: Site) -> None:
    page.goto(f"/jobs/{site.created}")
    expect(page.locator("pre").first).to_contain_text(f'data-api-key="{KEY_OF_WIDGET}"')


def test_a_tenant_is_found_by_its_key_and_a_page_by_keys_alone(page: Page, site: Site) -> None:
    page.keyboard.press("/")
    page.keyboard.type("tenant-1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/dead-letters")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/dead-letters?cause=*")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") in ("A", "BUTTON", "INPUT")


def test_the_whole_journey_in_spanish_and_without_javascript(chromium: Browser, site: Site) -> None:
    page = signed_in(chromium, site, locale="es-AR", java_script_enabled=False)
    expect(page.locator(".lead")).to_contain_text("1 lote espera su decisión")
    page.click("text=june")
    page.click("text=bot_not_found")
    expect(page.locator(".advice")).to_contain_text("Corrija bot.id en failed.csv")
    page.click("button:has-text('Reenviar 1 trabajo')")
    expect(page.locator(".lead")).to_contain_text("1 trabajo volvió a la cola")
    page.click("text=English")
    expect(page.locator("h1")).to_contain_text("bot_not_found")
    page.click("text=Sign out")
    expect(page.locator("h1")).to_contain_text("Sign in")
    page.context.close()


def test_a_page_follows_the_ledger_and_leaves_a_form_alone(page: Page, site: Site) -> None:
    page.goto(f"/batches/{site.batch}")
    page.click("summary:has-text('Cancel unsent jobs')")
    page.fill("#why-cancel", "half a reason")
    site.do(lambda ledger: ledger.operations.release(f"batch:{site.batch}", actor="eva"))
    page.wait_for_timeout(2500)  # longer than a page waits between two looks
    assert page.input_value("#why-cancel") == "half a reason"
    expect(page.locator(".hold")).to_be_visible()
    page.click("summary:has-text('Cancel unsent jobs')")  # closed again: now it is updated
    expect(page.locator(".hold")).not_to_be_visible(timeout=8000)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("locale", ["en-US", "es-MX"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_no_page_breaks_a_rule_of_accessibility_or_scrolls_sideways(
    chromium: Browser, site: Site, locale: str, scheme: str, width: int
) -> None:
    axe = (
        npm.installed("npm-web", ["axe-core@4.14.1"]) / "node_modules" / "axe-core" / "axe.min.js"
    ).read_text()
    page = signed_in(
        chromium, site, locale=locale, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    drafts = {
        "mapped": _draft(page, b"Cliente;Robot;Zeta\nuno;100;x\n"),
        "mended": _draft(page, b"key,bot.id,widget.theme.status\na,100,quiz\xc3\xa1\nb,200,true\n"),
    }
    names = ("batch", "dead", "doubted", "created")
    things = {name: getattr(site, name) for name in names} | drafts
    for path in (*PAGES, "/sign-in"):
        if path == "/sign-in":
            page.context.clear_cookies()
        page.goto(path.format(**things))
        page.evaluate(axe)  # a script tag would be blocked by the policy of the page
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.context.close()


def _draft(page: Page, content: bytes) -> str:
    """A file under way that is checked to its end. Returns: its id."""
    page.goto("/send")
    file = {"name": "june.csv", "mimeType": "text/csv", "buffer": content}
    page.set_input_files("#file", file)  # type: ignore[arg-type]
    page.click("main form button")
    page.wait_for_url("**/send/*")
    page.wait_for_selector("main:not([data-live])")
    return page.url.rpartition("/")[2]


def test_what_tenants_and_people_wrote_is_text_on_every_page(page: Page, site: Site) -> None:
    page.goto("/audit")
    expect(page.locator("tbody")).to_contain_text("<script>alert(1)</script>")
    page.goto(f"/batches/{site.batch}")
    expect(page.locator(".hold")).to_contain_text("<script>alert(1)</script>")
    assert HOSTILE not in page.content()
