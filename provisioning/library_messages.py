"""Messages of pydantic and typer, recognised by their form, so that they can be translated."""

from __future__ import annotations

import re
from functools import cache

from provisioning.text import AnyText, Text, marked

FORMS = marked(
    "missing argument {name}",
    "missing option {name}",
    "got unexpected extra argument(s) ({names})",
    "no such option: {name} (Possible options: {names})",
    "no such option: {name}",
    "no such command {name}",
    "option {name} requires an argument",
    "option {name} does not take a value",
    "invalid value for {name}: {problem}",
    "{value} is not one of {names}",
    "input should be a valid integer, unable to parse string as an integer",
    "input should be a valid number, unable to parse string as a number",
    "input should be a valid boolean, unable to interpret input",
    "input should be a finite number",
    "input should be greater than or equal to {limit}",
    "input should be greater than {limit}",
    "input should be less than or equal to {limit}",
    "input should be less than {limit}",
    "input should be {names} or {last}",
)
"""The forms, the more exact ones first. A message of no such form stays as it is."""


def recognised(message: str) -> AnyText:
    """
    A message as a text that can be translated; without capital letter and full stop, as all of ours.

    >>> recognised("No such option: --nope").params
    {'name': '--nope'}
    """
    message = message.strip().removeprefix("Value error, ").removesuffix(".")
    message = message[:1].lower() + message[1:]
    for form in FORMS:
        if found := _pattern(form).fullmatch(message):
            params = {name: _inner(name, value) for name, value in found.groupdict().items()}
            return Text(form, **params)
    return message


def _inner(name: str, value: str) -> AnyText:
    return recognised(value) if name == "problem" else value


@cache
def _pattern(form: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", form)
    return re.compile(
        "".join(f"(?P<{part}>.+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    )
