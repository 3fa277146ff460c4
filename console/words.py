"""
Texts of the console in English and Spanish.

The English text is the message id; `locale/*/LC_MESSAGES/console.po` has the others, compiled by
`script/make-translations`. A text that is not translated is shown in English.
"""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path
from typing import Final

LANGUAGES: Final = {"en": "English", "es": "Español"}
"""Languages of the console, by their code, each in its own name."""

LOCALE: Final = Path(__file__).with_name("locale")


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The texts in a language of `LANGUAGES`."""
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation("console", LOCALE, [language])


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
