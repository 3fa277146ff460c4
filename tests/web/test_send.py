"""From a nasty Spanish spreadsheet to created widgets in a real browser: map, mend, look, send, follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from provisioning.ledger import Ledger
from provisioning.lifecycle import Event
from tests.fixtures.workbook import workbook
from tests.support.ledger_fixtures import answer, claim, say, send
from tests.web.conftest import ALL, Site
from tests.web.test_journeys import signed_in

NASTY = (
    "Cliente;Nombre;Robot;Color principal;Posición\r\n"
    "0012;Peña & Hijos;100200301;#E23E48;br\r\n"
    "0013;Café Ñandú;100200302;#00A2CF;bl\r\n"
    "0014;Óptica;;#00A2CF;bl\r\n"
    "0016;Zapatería;1.002E+08;#910018;br\r\n"
)


@pytest.fixture
def page(chromium: Browser, site: Site) -> Iterator[Page]:
    page = signed_in(chromium, site, locale="es-MX")
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.context.close()
    assert wrong == []


def nasty(folder: Path) -> Path:
    """As Excel saves it in Latin America: semicolons, Windows-1252, ids spoiled."""
    file = folder / "clientes.csv"
    file.write_bytes(NASTY.encode("windows-1252"))
    return file


def uploaded(page: Page, file: Path) -> None:
    page.goto("/send")
    page.set_input_files("#file", file)
    page.click("main form button")
    page.wait_for_url("**/send/*")
    page.wait_for_selector("main:not([data-live])")


async def jobs_of(ledger: Ledger, name: str) -> dict[str, str]:
    """The keys of a batch, each with its bot."""
    batch = await ledger.queries.batch_id(name)
    found = {}
    async for job in ledger.queries.jobs(batch):
        body = await ledger.queries.body(job.job_id)
        found[job.key] = body.decode().partition('"id":"')[2].partition('"')[0]
    return found


def test_a_nasty_spanish_spreadsheet_is_mapped_mended_and_sent(
    page: Page, site: Site, tmp_path: Path
) -> None:
    uploaded(page, nasty(tmp_path))
    expect(page.locator(".lead")).to_contain_text("Indique qué significa cada columna")
    chosen = [page.input_value(f"#column-{number}") for number in range(5)]
    assert chosen == [
        "key",
        "label",
        "bot.id",
        "widget.theme.vars.color.primary",
        "widget.theme.position",
    ]
    page.click("button:has-text('Revisar las filas')")
    expect(page.locator(".lead")).to_contain_text("Se crearán 2 widgets; 2 filas tienen problemas")
    expect(page.locator("main")).to_contain_text("csv · windows-1252 · celdas separadas por ;")
    page.fill("#value-1", "100200303")
    page.click("button:has-text('Corregir') >> nth=0")
    expect(page.locator(".lead")).to_contain_text("Se crearán 3 widgets; 1 fila tiene problemas")
    page.click("button:has-text('No incluir la fila 5')")
    expect(page.locator(".lead")).to_have_text("Se crearán 3 widgets.")
    page.click("text=Ver una fila tal como se enviará")
    expect(page.locator("h1")).to_contain_text("fila 2 0012")
    expect(page.locator("svg.widget")).to_be_visible()
    expect(page.locator("pre")).to_contain_text('"id": "100200301"')
    page.click("text=fila siguiente")
    expect(page.locator("h1")).to_contain_text("fila 3 0013")
    page.click(".crumbs >> text=clientes.csv")
    page.fill("#first", "2")
    page.click("button:has-text('Crear los primeros')")
    page.wait_for_url("**/batches/*")
    expect(page.locator("h1")).to_contain_text("clientes")
    assert site.do(lambda ledger: jobs_of(ledger, "clientes")) == {
        "0012": "100200301",
        "0013": "100200302",
        "0014": "100200303",
    }
    site.do(_two_are_created)
    page.reload()
    expect(page.locator(".hold")).to_contain_text("se enviaron los primeros 2 trabajos")
    page.click(".hold button:has-text('Reanudar')")
    expect(page.locator(".done")).to_contain_text("El lote continúa")
    assert site.do(_claimable) == 1
    page.goto("/send")
    expect(page.locator("tbody")).to_contain_text("enviado")


async def _two_are_created(ledger: Ledger) -> None:
    """As workers do: they find no third job, and then the batch waits."""
    batch = await ledger.queries.batch_id("clientes")
    jobs = await claim(ledger, batch=batch)
    assert [job.number for job in jobs] == [1, 2]
    for job in jobs:
        await send(ledger, job)
        await say(ledger, answer(job, Event.CREATED), batch=batch)
    assert await claim(ledger, batch=batch) == []


async def _claimable(ledger: Ledger) -> int:
    return len(await claim(ledger, batch=await ledger.queries.batch_id("clientes")))


def test_the_same_headers_are_understood_the_next_time_and_can_be_changed(page: Page, tmp_path: Path) -> None:
    uploaded(page, nasty(tmp_path))
    page.click("button:has-text('Revisar las filas')")
    page.click("button:has-text('Crear 2 widgets')")
    expect(page.locator(".lead")).to_contain_text("2 filas tenían problemas y no se incluyeron")
    uploaded(page, nasty(tmp_path))
    expect(page.locator(".lead")).to_contain_text("2 ya se conocen")
    expect(page.locator("main")).to_contain_text("Los mismos encabezados significaron esto antes")
    page.select_option("#column-1", "")
    page.click("button:has-text('Revisar las filas')")
    expect(page.locator(".lead")).to_contain_text("2 ya se conocen")
    assert page.input_value("#column-1") == ""


def test_a_value_is_mended_in_its_whole_column_and_the_file_taken_home(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "june.csv"
    file.write_text("key,bot.id,widget.theme.status\n" + "".join(f"t{n},{100 + n},quizá\n" for n in range(3)))
    uploaded(page, file)
    expect(page.locator(".lead")).to_contain_text("3 filas tienen problemas")
    page.fill("#value-1", "true")
    page.check("input[name=column] >> nth=0")
    page.click("button:has-text('Corregir') >> nth=0")
    expect(page.locator(".lead")).to_have_text("Se crearán 3 widgets.")
    with page.expect_download() as download:
        page.click("text=Descargar el archivo corregido")
    assert Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()[1] == "t0,100,true"
    page.click("text=Deshacer todas las correcciones")
    expect(page.locator(".lead")).to_contain_text("3 filas tienen problemas")
    with page.expect_download() as download:
        page.click("text=Descargar los problemas")
    assert "widget.theme.status" in Path(download.value.path()).read_text(encoding="utf-8-sig")


def test_a_workbook_is_sent_as_a_table_is(page: Page, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "libro.xlsx"
    file.write_bytes(workbook([["key", "bot.id"], ["a", "100200301"], ["b", "100200302"]]))
    uploaded(page, file)
    expect(page.locator(".lead")).to_have_text("Se crearán 2 widgets.")
    page.click("button:has-text('Crear 2 widgets')")
    page.wait_for_url("**/batches/*")
    assert site.do(lambda ledger: jobs_of(ledger, "libro")) == {"a": "100200301", "b": "100200302"}


def test_what_the_ledger_knows_is_not_sent_again(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "agosto.csv"
    file.write_text("key,bot.id\nx1,100\nx2,200\n")
    uploaded(page, file)
    page.click("button:has-text('Crear 2 widgets')")
    page.wait_for_url("**/batches/*")
    uploaded(page, file)
    expect(page.locator(".lead")).to_contain_text("Se crearán 0 widgets; 2 ya se conocen")
    assert page.locator("button:has-text('Crear')").count() == 0


def test_how_a_file_is_read_is_changed_on_its_page(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "june.csv"
    file.write_bytes("key|bot.id|label\na|100|Caf\xe9\n".encode("latin-1"))
    uploaded(page, file)
    page.wait_for_selector("summary:has-text('Cómo se lee el archivo')")
    if not page.locator("#delimiter").is_visible():
        page.click("summary:has-text('Cómo se lee el archivo')")
    page.select_option("#delimiter", "|")
    page.select_option("#encoding", "windows-1252")
    page.fill("#name", "junio a mano")
    page.click("button:has-text('Revisar de nuevo')")
    expect(page.locator(".lead")).to_have_text("Se creará 1 widget.")
    expect(page.locator("form.confirm h2")).to_contain_text("junio a mano")


def test_nobody_else_sees_a_file_and_who_may_not_submit_sends_none(
    chromium: Browser, page: Page, site: Site, tmp_path: Path
) -> None:
    uploaded(page, nasty(tmp_path))
    where = page.url
    eva = str(site.do(lambda ledger: ledger.tokens.create("eva", ALL))[1])  # type: ignore[index]
    site.tokens["eva"] = eva
    other = signed_in(chromium, site, "eva", locale="en-US")
    other.goto(where)
    expect(other.locator("h1")).to_have_text("Not found")
    other.context.close()
    reader = signed_in(chromium, site, "reads", locale="en-US")
    reader.goto("/send")
    expect(reader.locator("main")).to_contain_text("This takes a scope that you do not have")
    assert reader.locator("nav >> text=Send a file").count() == 0
    reader.context.close()


def test_a_file_is_sent_without_javascript(chromium: Browser, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "julio.csv"
    file.write_text("key,bot.id\nx1,100\nx2,200\n")
    page = signed_in(chromium, site, locale="en-US", java_script_enabled=False)
    page.goto("/send")
    page.set_input_files("#file", file)
    page.click("main form button")
    for _ in range(50):
        if page.locator("button:has-text('Create 2 widgets')").count():
            break
        page.wait_for_timeout(100)
        page.reload()
    page.click("button:has-text('Create 2 widgets')")
    for _ in range(50):
        if "/batches/" in page.url:
            break
        page.wait_for_timeout(100)
        page.reload()
    expect(page.locator("h1")).to_contain_text("julio")
    assert site.do(lambda ledger: jobs_of(ledger, "julio")) == {"x1": "100", "x2": "200"}
    page.context.close()


def test_what_is_no_table_is_told_with_the_way_out(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "photo.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    uploaded(page, file)
    expect(page.locator(".lead.wrong")).to_be_visible()
    page.goto("/send")
    page.click("text=photo.csv")
    page.click("text=Olvidar este archivo")
    expect(page.locator("main")).not_to_contain_text("photo.csv")


def test_a_file_is_sent_by_keyboard_alone_on_a_phone(chromium: Browser, site: Site, tmp_path: Path) -> None:
    """But for the choice of the file, which is the system's own window."""
    file = tmp_path / "sept.csv"
    file.write_text("key,bot.id,label\nx1,100,one\nx2,,two\n")
    page = signed_in(chromium, site, locale="en-US", viewport={"width": 360, "height": 740})
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/send")
    page.set_input_files("#file", file)
    page.focus("#file")
    _press(page, "Check the file")
    page.wait_for_url("**/send/*")
    expect(page.locator(".lead")).to_contain_text("1 widget will be created; 1 row has problems")
    for _ in range(60):
        if page.evaluate("document.activeElement.id") == "value-1":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("200")
    page.keyboard.press("Enter")
    expect(page.locator(".lead")).to_have_text("2 widgets will be created.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    _press(page, "Create 2 widgets")
    page.wait_for_url("**/batches/*")
    assert site.do(lambda ledger: jobs_of(ledger, "sept")) == {"x1": "100", "x2": "200"}
    page.context.close()


def _press(page: Page, button: str) -> None:
    """Goes to a button by Tab, and presses it."""
    for _ in range(60):
        if page.evaluate("document.activeElement.textContent.trim()") == button:
            page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no {button}")
