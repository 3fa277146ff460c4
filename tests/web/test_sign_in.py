"""What a person does who got a name and a password."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from provisioning.ledger.tokens import Scope
from tests.support import npm
from tests.support.users import PASSWORD, add_user
from tests.web.conftest import Site


def wrong_on(page: Page) -> list[str]:
    """Errors of the page and its console as they come; not the refusals that a test asks for."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda message: (
            wrong.append(message.text)
            if message.type == "error" and "responded with a status of 4" not in message.text
            else None
        ),
    )
    return wrong


def test_a_person_signs_in_by_keyboard_alone_in_spanish(chromium: Browser, site: Site) -> None:
    site.do(lambda ledger: add_user(ledger, "lucia", Scope.READ))
    with chromium.new_context(base_url=site.url, locale="es-AR") as context:
        page = context.new_page()
        wrong = wrong_on(page)
        page.goto(f"/batches/{site.batch}")
        expect(page).to_have_title("Entrar · " + page.title().partition(" · ")[2])
        expect(page.get_by_label("Nombre")).to_be_focused()
        page.keyboard.type("lucia")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Contraseña")).to_be_focused()
        page.keyboard.type("no es la que es")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("El nombre o la contraseña no son correctos.")
        expect(page.get_by_label("Nombre")).to_have_value("lucia")
        expect(page.get_by_label("Contraseña")).to_be_focused()
        expect(page.get_by_label("Contraseña")).to_have_value("")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/batches/{site.batch}")
        expect(page.locator(".who")).to_contain_text("lucia")
        expect(page.locator("h1")).to_contain_text("june")
        assert wrong == []


def test_a_page_that_has_not_changed_is_left_alone_though_its_form_tokens_have(
    chromium: Browser, site: Site
) -> None:
    site.do(lambda ledger: add_user(ledger, "lucia", Scope.READ, Scope.OPERATE))
    with chromium.new_context(base_url=site.url) as context:
        page = context.new_page()
        page.goto("/sign-in")
        page.fill("#name", "lucia")
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")
        page.wait_for_url("**/batches")
        page.goto(f"/batches/{site.batch}")
        token = page.locator("main [name=form_token]").first
        before = token.input_value()
        with page.expect_response(f"**/batches/{site.batch}") as refreshed:
            page.evaluate("refresh()")
        assert before not in refreshed.value.text()
        page.evaluate("document.querySelector('main h1').dataset.kept = 'yes'")
        for _ in range(2):
            page.evaluate("refresh()")
        expect(page.locator("main h1[data-kept=yes]")).to_have_count(1)


def test_the_page_after_a_wrong_password_is_accessible_on_a_dark_phone(chromium: Browser, site: Site) -> None:
    folder = npm.installed("npm-web", ["axe-core@4.14.1"])
    axe = (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()
    with chromium.new_context(
        base_url=site.url, locale="es-MX", color_scheme="dark", viewport={"width": 360, "height": 800}
    ) as context:
        page = context.new_page()
        page.goto("/sign-in")
        page.fill("#name", "nobody")
        page.fill("#password", "no es la que es")
        page.press("#password", "Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        page.evaluate(axe)  # a script tag would be blocked by the policy of the page
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
