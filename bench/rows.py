"""
The rows of a run, as the CSV that we read and as the ready-made bodies that everybody else gets.

Bodies are the same bytes for all, 700 of them, and differ in the bot's id, by which the server knows them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

BODY_BYTES: Final = 700
FIRST_BOT: Final = 500_000_000
"""Nine digits for any number of rows, so that all bodies are of one length."""

_COLOURS: Final = {
    "primary": "#00677F",
    "secondary": "#00A2CF",
    "userText": "#FFFFFF",
    "userBubble": "#00677F",
    "hoverText": "#910018",
    "errorTxt": "#910018",
    "errorBg": "#FFE3E3",
    "successTxt": "#1B5E20",
    "successBg": "#E6F4EA",
}


def key(number: int) -> str:
    """The tenant's own reference of a row."""
    return f"tenant-{number:07d}"


def body(number: int) -> str:
    """The JSON of a row, 700 bytes."""
    text = json.dumps(_members(number, ""), separators=(",", ":"))
    return json.dumps(_members(number, "x" * (BODY_BYTES - len(text))), separators=(",", ":"))


def write_csv(path: Path, numbers: Iterable[int]) -> None:
    """Rows as a person would have them, a column a member."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        headers: list[str] | None = None
        for number in numbers:
            members = _flat(json.loads(body(number)))
            if headers is None:
                headers = list(members)
                writer.writerow(["key", *headers])
            writer.writerow([key(number), *members.values()])


def write_jobs(path: Path, numbers: Iterable[int]) -> None:
    """Rows as `bench.peers` and `bench.bare` read them: key, tab, body."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{key(number)}\t{body(number)}\n" for number in numbers)


def _members(number: int, padding: str) -> dict[str, Any]:
    # In the order in which we write a body, so that all contenders send the same bytes.
    bot = str(FIRST_BOT + number)
    return {
        "bot": {"id": bot},
        "credentials": {"whiteList": [f"portal-{bot}", f"app-{bot}"]},
        "widget": {
            "properties": {"name": f"Tienda {bot}", "type": "normal"},
            "startButton": {
                "borderPercentage": "50%",
                "logoUrl": f"https://static.example.com/{bot}/{padding}logo.svg",
                "position": "br",
            },
            "theme": {
                "position": "br",
                "status": True,
                "font": {"googlefont": True, "name": "Inter"},
                "vars": {"color": _COLOURS},
            },
            "tooltipPanel": {"backgroundColor": "main"},
        },
    }


def _flat(members: dict[str, Any], path: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in members.items():
        where = f"{path}{name}"
        if isinstance(value, dict):
            flat |= _flat(value, f"{where}.")
        elif isinstance(value, list):
            flat[where] = ";".join(value)
        else:
            flat[where] = str(value).lower() if isinstance(value, bool) else str(value)
    return flat
