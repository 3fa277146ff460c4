"""Messages of the libraries that read options and settings, in our words."""

from __future__ import annotations

import doctest

import pytest

from console.words import translate
from provisioning import library_messages
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError
from provisioning.library_messages import recognised


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Missing argument 'FILE'.", "falta el argumento 'FILE'"),
        ("No such option: --nope (Possible options: --owner)",
         "no existe la opción --nope (opciones posibles: --owner)"),
        ("No such command 'x'.", "no existe el comando 'x'"),
        ("Invalid value for '--port': Input should be a valid integer, unable to parse string as an integer",
         "valor no válido de '--port': debe ser un número entero"),
        ("Something new.", "something new"),
    ],
)  # fmt: skip
def test_a_message_is_recognised_by_its_form(message: str, said: str) -> None:
    assert translate(recognised(message), "es") == said
    bare = message[0].lower() + message[1:].removesuffix(".")
    assert str(recognised(message)).lower() == bare.lower()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"PROVISION_LANGUAGE": "fr"}, "PROVISION_LANGUAGE: debe ser 'en' o 'es'"),
        ({"PROVISION_MAX_IN_FLIGHT": "0"}, "PROVISION_MAX_IN_FLIGHT: debe ser mayor o igual que 1"),
        ({"PROVISION_LEASE": "x"}, "PROVISION_LEASE: debe ser un número"),
        ({"PROVISION_RAET": "5/s"}, "ajuste desconocido PROVISION_RAET; ¿quiso decir PROVISION_RATE?"),
    ],
)
def test_a_wrong_setting_is_explained_in_the_language_of_the_person(
    setting: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(setting)
    assert translate(caught.value.text, "es") == said


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(library_messages).failed == 0
