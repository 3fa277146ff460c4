"""
Options in a door's own words: hints and notes name them as the command line has them.

Pure. Whoever shows a hint at another door passes it through `in_words_of`; a test holds that every option
which a reader's hint names has its word at every door that has the option.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from producers.files.defaults import AS_IS

HTTP: Mapping[str, str] = MappingProxyType(
    {
        "as-is": "as_is={}",
        "encoding": "encoding={}",
        "map": "map={}",
        "new-bots": "new_bots=true",
        "sheet": "sheet={}",
    }
)
"""Query parameters."""

CELERY: Mapping[str, str] = MappingProxyType({"as-is": '"as_is": ["{}"]', "new-bots": '"new_bots": true'})
"""Arguments of `provision.submit`; others of these options it does not have, nor what they are for."""

# What may follow an option in a sentence and belongs to it.
_VALUES = {
    "as-is": "|".join(map(re.escape, AS_IS)),
    "encoding": r"[a-z]+-?[0-9][\w-]*",
    "map": r"'[^']*'|[^\s']+=[^\s)]*",
    "sheet": r"""(?:'[^']*'|"'"|[\w@%+=:,./-])+""",
}


def in_words_of(door: Mapping[str, str], text: str) -> str:
    """
    A hint or a note with a door's words in the place of the command line's options.

    >>> in_words_of(HTTP, "say which encoding it is: --encoding windows-1252")
    'say which encoding it is: encoding=windows-1252'
    >>> in_words_of(HTTP, "--map 'Número de bot=bot.id'   (a mapping to nothing)")
    'map=N%C3%BAmero%20de%20bot=bot.id   (a mapping to nothing)'
    >>> in_words_of(HTTP, "the sheet 'Más' does: --sheet 'Más'")
    "the sheet 'Más' does: sheet=M%C3%A1s"
    >>> in_words_of(CELERY, "if it is meant so, say it: --as-is bot.id")
    'if it is meant so, say it: "as_is": ["bot.id"]'
    """
    if "--" not in text:
        return text
    for option, word in door.items():
        if value := _VALUES.get(option):
            text = re.sub(rf"--{option} ({value})", lambda found: _with_value(word, found[1]), text)  # noqa: B023
        text = re.sub(rf"--{option}\b", _alone(word), text)
    return text


def _with_value(word: str, value: str) -> str:
    bare = "".join(shlex.split(value)) if value.startswith("'") else value
    return word.format(quote(bare, safe="=") if word.endswith("={}") else bare)


def _alone(word: str) -> str:
    """The word where no value is named."""
    name = re.match(r'"?\w+"?', word) if "{}" in word else None
    return name[0] if name else word
