"""`PROVISION_LANGUAGE=es`: people read Spanish, programs read what they always read."""

from __future__ import annotations

import pytest

from tests.support.commands import Desk, rows_of
from tests.support.sandbox_process import SandboxProcess

BAD = "key,bot.id\na,100200300\nb,\nc,5.9E+11\ntotal,\n"
PROBLEMS = {
    "3": ("sin id de bot: esto crearía un bot nuevo", "use --new-bots"),
    "4": ("es un número en notación científica", "dé formato de texto a la columna"),
    "5": ("esto es un total: la fila no es un cliente", "quite la fila"),
}


@pytest.fixture
def spanish(redis_url: str) -> dict[str, str]:
    return {"REDIS_URL": redis_url, "LANGUAGE": "es"}


def test_bad_rows_are_explained_in_spanish_and_nothing_is_sent(
    desk: Desk, sandbox: SandboxProcess, spanish: dict[str, str]
) -> None:
    (desk.folder / "bad.csv").write_text(BAD)
    ran = desk.run("apply", "bad.csv", **spanish)
    assert (ran.code, ran.out) == (2, "")
    for row, (problem, hint) in PROBLEMS.items():
        [line] = [line for line in ran.err.splitlines() if line.split()[:1] == [row]]
        assert problem in line
        assert hint in line
    assert "error: 3 de 4 filas tienen errores; no se envió nada" in ran.err
    assert "sugerencia: corríjalas, u omítalas con --skip-invalid" in ran.err
    assert sandbox.stats()["posts"] == 0


def test_a_plan_for_programs_is_the_same_in_every_language(desk: Desk, spanish: dict[str, str]) -> None:
    (desk.folder / "bad.csv").write_text(BAD)
    in_spanish = desk.run("plan", "bad.csv", "--json", "--out", "errors.csv", **spanish)
    in_english = desk.run("plan", "bad.csv", "--json", **(spanish | {"LANGUAGE": "en"}))
    assert in_spanish.code == in_english.code == 2
    assert in_spanish.objects == in_english.objects
    written = rows_of(desk.folder / "errors.csv")
    assert [row["problem"] for row in written if row["row"] == "3"] == [PROBLEMS["3"][0]]


def test_a_batch_with_a_dead_letter_is_told_in_spanish_to_its_end(desk: Desk) -> None:
    spanish = {"LANGUAGE": "es"}
    (desk.folder / "t.csv").write_text("key,bot.id\na,100200300\nb,100200301\nc,404100200\n")
    applied = desk.run("apply", "t.csv", "--yes", **spanish)
    assert applied.code == 3, applied
    assert "2  creados" in applied.out
    assert "1  fallido  1 bot_not_found" in applied.out
    assert "por qué fallaron: provision dead-letters" in applied.out
    status = desk.run("status", **spanish)
    assert status.out.splitlines()[0].split()[:4] == ["lote", "nombre", "abierto", "filas"]
    dead = desk.run("dead-letters", **spanish)
    assert "Corrija bot.id en failed.csv y envíelo, o asigne el bot a la empresa y reenvíe." in dead.out
    told = desk.run("dead-letters", "--json", **spanish).last
    assert told["advice"].startswith("Fix bot.id in failed.csv and apply it")
    [failed] = rows_of(next(desk.folder.glob("*.outcomes")) / "failed.csv")
    assert failed["outcome.state"] == "dead"


def test_a_refused_redrive_says_in_spanish_what_to_add(desk: Desk, spanish: dict[str, str]) -> None:
    ran = desk.run("redrive", "tenants", "--accept-duplicates", **spanish)
    assert ran.code == 2
    assert ran.err.startswith("error: --accept-duplicates y --because deben usarse juntos\n")
    assert "sugerencia: por ejemplo: --accept-duplicates --because" in ran.err
    unknown = desk.run("redrive", "tenants", **spanish)
    assert unknown.err.startswith("error: no existe el lote 'tenants'\n")


def test_an_unknown_language_is_refused_with_those_that_there_are(desk: Desk, redis_url: str) -> None:
    ran = desk.run("status", REDIS_URL=redis_url, LANGUAGE="fr")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: PROVISION_LANGUAGE: input should be 'en' or 'es'\n")
