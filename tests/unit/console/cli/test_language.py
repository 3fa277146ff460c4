"""The language of the command line: Spanish for people; programs get English."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

import console.cli
from console.cli import language, person
from console.cli.display.batch_report import (
    held,
    show_batch,
    show_batches,
    show_causes,
)
from console.cli.display.job_report import show_job
from console.cli.display.plan_report import problem_cells, problem_json
from console.cli.display.progress import Events, Lines, time_left
from console.cli.language import number, tr, use_language
from console.words import LANGUAGES
from outcomes.causes import CauseCount, cause_json
from outcomes.words import duration, limit_words, state_counts
from producers.files.reading import Reading
from provisioning.checks.redis_server import judge_skew
from provisioning.config.settings import Settings, language_of
from provisioning.errors import InvalidJobError
from provisioning.ledger import CauseGroup, Hold, SendingLimit
from provisioning.lifecycle import State
from provisioning.text import Text
from tests.unit.console.cli.display.test_reports import batch, job, story, terminal


@pytest.fixture(autouse=True)
def spanish() -> Iterator[None]:
    use_language("es")
    yield
    use_language("en")


def test_the_setting_has_the_languages_of_the_console() -> None:
    assert [given for given in LANGUAGES if language_of({"PROVISION_LANGUAGE": given}) == given] == list(
        LANGUAGES
    )
    assert Settings.from_env({"PROVISION_LANGUAGE": "es"}).language == "es"
    assert language_of({"PROVISION_LANGUAGE": "tlh"}) == language_of({}) == "en"


def test_english_loads_no_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    use_language("en")
    monkeypatch.setitem(__import__("sys").modules, "console.words", None)  # an import of it would fail
    assert tr("{count:,} left", count=1234) == "1,234 left"


def test_a_batch_is_told_in_spanish() -> None:
    out, text = terminal()
    show_batch(out, batch(succeeded=1095, dead=3, in_doubt=1))
    said = text.getvalue()
    assert "1.095  creados" in said
    assert "3  fallidos" in said
    assert "1  en duda" in said
    assert "existen entre 1.095 y 1.096 widgets para 1.099 filas" in said
    assert "por qué fallaron: provision dead-letters tenants" in said
    assert "terminado después de 12 s" in said


def test_columns_are_headed_in_spanish_and_stay_in_line() -> None:
    out, text = terminal()
    show_batches(out, [batch(succeeded=1095, dead=1), batch("otros", queued=2)])
    head, first, second = text.getvalue().splitlines()
    assert head.split() == ["lote", "nombre", "abierto", "filas", "creado", "fallido", "en", "duda"]
    assert "1.095" in first
    assert second.endswith("pendientes: 2")


def test_causes_come_with_their_advice_in_spanish_and_for_programs_in_english() -> None:
    cause = CauseCount(batch(dead=3), CauseGroup("http_500", 3, 2, 0.0, 60.0, 1), job(State.DEAD))
    out, text = terminal(200)
    show_causes(out, [cause], State.DEAD)
    assert "busque en la consola" not in text.getvalue()
    assert "búsquelo en la consola de Jelou y reenvíe con --accept-duplicates" in text.getvalue()
    assert "2 de estos quizá tienen un widget" in text.getvalue()
    assert str(cause_json(cause, State.DEAD)["advice"]).startswith("Each may have a widget: look")


def test_the_history_of_a_job_is_told_in_spanish() -> None:
    out, text = terminal(120)
    show_job(out, story(job(), None, source="tenants.csv", by="ana"))
    said = text.getvalue()
    assert "aceptado por ana" in said
    assert "intento 1: 500 (respondido, 0,20 s), otra vez después de 0,50 s" in said
    assert "existen entre 1 y 2 widgets" in said
    assert "eliminado (conservación)" in said


def test_the_problem_of_a_row_is_told_in_spanish_and_for_programs_in_english() -> None:
    content = b"key,bot.id\na,100200300\nb,\nc,5.9E+11\n"
    problems = [each for each in Reading(io.BytesIO(content)) if isinstance(each, InvalidJobError)]
    assert [problem_cells(each)[3] for each in problems] == [
        "sin id de bot: esto crearía un bot nuevo",
        "el id del bot es un número en notación científica: se perdieron dígitos",
    ]
    assert problem_json(problems[0])["problem"] == "no bot id: this would create a new bot"


def test_notes_are_spanish_on_a_terminal_and_english_as_events(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    note = Text("note: {text}", text=Text("{name} is empty", name="a.csv"))
    Events().note(note)
    assert capsysbinary.readouterr().out == b'{"event":"note","text":"note: a.csv is empty"}\n'
    out, text = terminal()
    Lines(out).note(note)
    assert text.getvalue() == "nota: a.csv está vacío\n"


def test_a_finding_is_told_in_spanish_and_for_programs_in_english() -> None:
    found = judge_skew(-3.5)
    assert tr(found.text) == "el reloj de este host está 3,5 s atrasado respecto a Redis"
    assert found.public() == {
        "check": "clock.redis",
        "level": "warning",
        "said": "this host's clock is 3.5 s behind Redis'",
        "advice": "synchronize both with NTP;"
        " leases are not affected, but waits and displayed times are wrong",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (duration(1.25), "1,2 s"),
        (Text("{seconds} s", seconds=12), "12 s"),
        (state_counts(batch(succeeded=1, dead=2, queued=1200)), "1.200 en cola · 1 creado · 2 fallidos"),
        (time_left(batch(queued=95), 5.0), "quedan 19 s"),
        (held(Hold("credential:acme", 0.0, "ana", "", "paused")), "la credencial acme en pausa por ana"),
        (
            limit_words(SendingLimit("concurrency", "api.example", at_once=3, refused=0.25), 0.0),
            "api.example: como máximo 3 envíos a la vez, el 25% de las últimas respuestas fueron rechazos",
        ),
    ],
)
def test_numbers_are_written_as_in_spanish(text: Text, said: str) -> None:
    assert tr(text) == said


def test_a_text_that_has_no_translation_is_shown_in_english() -> None:
    assert tr(Text("nobody translated {this}", this=number(1234))) == "nobody translated 1.234"


@pytest.mark.parametrize(
    ("given", "agreed"), [("s", True), ("sí", True), ("y", True), ("n", False), ("", False)]
)
def test_a_question_is_answered_in_either_language(
    given: str, agreed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers = iter(["quizás", given])

    def prompt(text: str, **_: object) -> str:
        asked.append(text)
        return next(answers)

    monkeypatch.setattr("typer.prompt", prompt)
    assert person.confirm(tr("Send {count:,}?", count=2000)) is agreed
    assert asked == ["¿Enviar 2.000? [s/N]"] * 2


def test_every_text_that_a_command_prints_can_be_translated() -> None:
    root = Path(console.cli.__file__).parent
    plain = [
        f"{path.relative_to(root)}:{call.lineno}: {words}"
        for path in sorted(root.rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("print", "end")
        for argument in call.args[:1]
        for words in [_words(argument)]
        if any(map(str.isalpha, words.replace("{}", "").replace("provision", "")))
    ]
    assert plain == []


def _words(node: ast.expr) -> str:
    """What an expression has of its own that is read, in English whatever the language is."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "StyledText" and node.args:
        return _words(node.args[0])
    return ""


def test_the_catalogues_have_the_variable_parts_of_the_english_texts() -> None:
    import string

    from console.words import translations

    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    catalogue: dict[str | tuple[str, int], str] = translations("es")._catalog  # type: ignore[attr-defined]
    wrong = []
    for key, translated in catalogue.items():
        english = key if isinstance(key, str) else key[0]
        if "%(" in english or not english:
            continue  # of the pages, which Babel checks
        try:
            if names(translated) != names(english) and not (isinstance(key, tuple) and names(translated)):
                wrong.append(english)
        except ValueError:  # JSON in an example, without variable parts
            assert "{" in translated
    assert wrong == []


def test_the_module_speaks_english_until_it_is_told() -> None:
    assert language.tr("nothing new to send") == "nada nuevo que enviar"
    use_language("en")
    assert language.tr("nothing new to send") == "nothing new to send"
