"""A joiner that is part of what is seen is text; anywhere else it hides, and is shown as an escape."""

from __future__ import annotations

import io

import pytest

from producers.files.body import shorten
from producers.files.reading import Reading
from provisioning.job import NewJob
from provisioning.printable import is_shown, printable

SEEN = [
    "👩\u200d🍳",
    "👨\u200d👩\u200d👧\u200d👦",
    "❤\ufe0f\u200d🔥",
    "👩🏽\u200d🤝\u200d👨🏼",
    "🏳\ufe0f\u200d🌈",
    "می\u200cخواهم",
    "क्\u200dष",
    "ක්\u200dෂ",
    "ন্\u200cধ",
]
HIDING = [
    "a\u200db",
    "\u200c",
    "👩\u200d",
    "\u200d🍳",
    "👩\u200d\u200d🍳",
    "م\u200ca",
    "👩\u200ca",
    "1\u200d2",
    "ひ\u200dら",
]


@pytest.mark.parametrize("text", SEEN)
def test_a_joiner_that_joins_is_shown_as_it_is(text: str) -> None:
    assert is_shown(text)
    assert printable(text) == shorten(text) == text
    assert printable(f"{text}\u202e") == f"{text}\\u202e"


@pytest.mark.parametrize("text", HIDING)
def test_a_joiner_that_joins_nothing_is_shown_as_an_escape(text: str) -> None:
    assert not is_shown(text)
    assert printable(text).isprintable()


@pytest.mark.parametrize("text", SEEN)
def test_a_joiner_is_text_in_a_label_a_value_and_a_header_and_no_part_of_an_id(text: str) -> None:
    content = f"key,label,bot.id,widget.name,widget.{text}\nk,{text},100,{text},{text}\n"
    [job] = Reading(io.BytesIO(content.encode()))
    assert isinstance(job, NewJob)
    assert job.label == text
    assert job.body.decode().count(text) == 3
    for row in (f"{text},x,100,x,x", f"k,x,{text},x,x"):
        [problem] = Reading(io.BytesIO(f"key,label,bot.id,widget.name,widget.x\n{row}\n".encode()))
        assert not isinstance(problem, NewJob)
        assert "invisible" in problem.message
