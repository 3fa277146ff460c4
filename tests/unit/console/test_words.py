"""Languages of the console: chosen as browsers ask, and every text translated."""

from __future__ import annotations

import subprocess

import pytest

from console.words import choose, translations
from provisioning.causes import CAUSES
from tests.support.repository import ROOT


@pytest.mark.parametrize(
    ("wanted", "accepted", "chosen"),
    [
        ("", "", "en"),
        ("", "es-AR,es;q=0.9,en;q=0.8", "es"),
        ("", "en;q=0.2, es;q=0.9", "es"),
        ("", "de, fr;q=0.9", "en"),
        ("", "de, ES-mx;q=0.1", "es"),
        ("", "es;q=nonsense", "en"),
        ("en", "es", "en"),
        ("xx", "es", "es"),
    ],
)
def test_a_person_is_answered_in_the_first_language_that_there_is(
    wanted: str, accepted: str, chosen: str
) -> None:
    assert choose(wanted, accepted) == chosen


def test_the_translations_are_complete_and_compiled() -> None:
    done = subprocess.run(
        [ROOT / "script" / "make-translations", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_every_cause_means_and_what_to_do_is_in_spanish() -> None:
    spanish = translations("es")
    for group in CAUSES.values():
        for each in group.values():
            for text in (each.meaning, *each.advice.on_page):
                assert text.isdigit() or text == "3xx" or spanish.gettext(text) != text, text
