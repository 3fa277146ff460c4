"""
Texts of the console and the command line in English and Spanish.

The English text is the message id; `locale/*/LC_MESSAGES/console.po` has the others, compiled by
`script/make-translations`. A text that is not translated is shown in English.
"""

from __future__ import annotations

import gettext
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from provisioning.text import AnyText, Text

LANGUAGES: Final = {"en": "English", "es": "Español"}
"""Languages of the console, by their code, each in its own name."""

LOCALE: Final = Path(__file__).with_name("locale")


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The texts in a language of `LANGUAGES`."""
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation("console", LOCALE, [language])


def translate(text: AnyText, language: str) -> str:
    """
    A text in a language of `LANGUAGES`, its numbers as people write them there.

    >>> translate(Text("{count:,} of {rows} read", count=1234, rows=2), "en")
    '1,234 of 2 read'
    """
    words = translations(language)
    if isinstance(text, str):
        return words.gettext(text) if text else ""
    form = words.ngettext(text.id, text.plural, text.count) if text.plural else words.gettext(text.id)
    if not text.params:
        return form
    params = {
        name: translate(value, language) if isinstance(value, Text) else value
        for name, value in text.params.items()
    }
    return _FORMATTERS[language].vformat(form, (), params)


class _Spanish(string.Formatter):
    """`1.234` and `0,5` where English has `1,234` and `0.5`."""

    def format_field(self, value: Any, format_spec: str) -> str:
        text: str = super().format_field(value, format_spec)
        return text.translate(_SWAPPED) if isinstance(value, int | float) and format_spec else text


_SWAPPED: Final = str.maketrans(",.", ".,")

_FORMATTERS: Final[Mapping[str, string.Formatter]] = {"en": string.Formatter(), "es": _Spanish()}


def choose(wanted: str, accepted: str) -> str:
    """
    The language of a page.

    Args:
        wanted: what the person has chosen; empty if nothing.
        accepted: the Accept-Language header (RFC 9110, section 12.5.4).

    >>> choose("", "es-AR,es;q=0.9,en;q=0.8")
    'es'
    """
    if wanted in LANGUAGES:
        return wanted
    weighted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:20]):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        weighted.append((-weight, place, tag.partition("-")[0].lower()))
    return next((tag for _, _, tag in sorted(weighted) if tag in LANGUAGES), "en")
