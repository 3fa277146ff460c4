"""
The language of what a person reads in a terminal: that of PROVISION_LANGUAGE, English unless it is set.

JSON, outcome files, logs and the names of commands, options, states and causes are English always.
"""

from __future__ import annotations

from provisioning.text import AnyText, Text, plural

_language = "en"


def use_language(language: str) -> None:
    """From now on texts are in this language of `console.words.LANGUAGES`."""
    global _language
    _language = language


def tr(text: AnyText, /, **params: object) -> str:
    """
    A text in the language of the command line.

    >>> tr("{count:,} of {file} read", count=2000, file="a.csv")
    '2,000 of a.csv read'

    Args:
        text: the English text, whose variable parts are `params`; or a `Text`, which has its own.
    """
    if params:
        text = Text(str(text), **params)
    if _language == "en":
        return str(text)
    from console.words import translate  # loads catalogues, which English does not need

    return translate(text, _language)


def tr_plural(one: str, many: str, count: int, /, **params: object) -> str:
    """A sentence about `count` things, in the language of the command line."""
    return tr(plural(one, many, count, **params))


def number(count: int) -> str:
    """A whole number as people write it: `1,234`, in Spanish `1.234`."""
    return tr("{count:,}", count=count)
