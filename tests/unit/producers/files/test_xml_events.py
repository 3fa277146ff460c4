"""XML of strangers is taken apart in bounded memory, whatever its shape, and nothing asked for is lost."""

from __future__ import annotations

import io
import tracemalloc
from xml.etree.ElementTree import ParseError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.files import xml_events
from producers.files.xml_events import MAX_ELEMENT_BYTES, elements
from provisioning.errors import InvalidInputError

SOME_BYTES = 2 * 1024**2
"""Of XML, as a tree some ten times that."""

LESS = 1024**2
"""What an element may have here, an eighth of what it may have, for time's sake."""


def found(xml: str | bytes, *parents: str) -> list[tuple[str, str | None]]:
    stream = io.BytesIO(xml.encode() if isinstance(xml, str) else xml)
    return [(element.tag, element.get("n")) for batch in elements(stream, parents) for element in batch]


def test_the_children_of_the_named_elements_come_in_their_order() -> None:
    rows = '<r n="2"><c n="x"/></r><r n="3"/>'
    xml = f'<w><cols><c n="1"/></cols><data>{rows}</data><other><r n="y"/></other></w>'
    assert found(xml, "cols", "data") == [("c", "1"), ("r", "2"), ("r", "3")]


def test_the_root_can_be_named_itself() -> None:
    assert found('<s><t n="1"/><t n="2"/></s>', "s") == [("t", "1"), ("t", "2")]


def test_what_is_named_deeper_is_somebody_elses() -> None:
    assert found('<w><ext><data><r n="1"/></data></ext><data><r n="2"/></data></w>', "data") == [("r", "2")]


@given(
    rows=st.lists(st.integers(0, 300), max_size=40),
    chunk=st.integers(1, 80),
    around=st.booleans(),
)
@settings(deadline=None)
def test_nothing_depends_on_where_the_chunks_end(rows: list[int], chunk: int, around: bool) -> None:
    made = "".join(f'<r n="{n}">{"x" * n}<c/>y</r>\n' for n in rows)
    xml = f"<w>{'<a><b/></a>' * around}<data>{made}</data><z/></w>".encode()
    stream = io.BytesIO(xml)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_events, "CHUNK_BYTES", chunk)
        read = [
            (element.get("n"), element.text, element[0].tail)
            for batch in elements(stream, ("data",))
            for element in batch
        ]
    assert read == [(str(n), "x" * n or None, "y") for n in rows]


@pytest.mark.parametrize("cut", ["<w>", "<w><data>", "<w><data><r/></data>", "<w><data><r>", ""])
def test_xml_that_is_cut_short_is_an_error(cut: str) -> None:
    with pytest.raises(ParseError):
        found(cut, "data")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("padding", [0, 200_000])
def test_a_document_type_is_refused_wherever_it_stands_and_however_it_is_written(
    encoding: str, padding: int
) -> None:
    xml = f'<?xml version="1.0"?><!--{"x" * padding}--><!DOCTYPE w [<!ENTITY a "b">]><w><data><r/></data></w>'
    with pytest.raises(InvalidInputError, match="document type"):
        found(xml.encode(encoding), "data")


@pytest.mark.parametrize(
    "xml",
    [
        "<w><data><r>" + "<c/>" * (LESS // 4) + "<!---->" * 40_000,
        "<w><data><r>" + "x" * (LESS + 200_000),
        "<w><data><r n='" + "x" * (LESS + 200_000),
        "<!--" + "x" * (LESS + 200_000),
    ],
    ids=["a row of many cells", "a long text", "a long attribute", "a comment"],
)
def test_one_element_without_end_is_refused(xml: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_ELEMENT_BYTES == 8 * LESS
    monkeypatch.setattr(xml_events, "MAX_ELEMENT_BYTES", LESS)
    with pytest.raises(InvalidInputError, match="more than 1 MiB"):
        found(xml, "data")


@pytest.mark.parametrize("before", ["", "<data>", "<data><r><c>"])
def test_elements_within_each_other_without_end_are_refused(before: str) -> None:
    with pytest.raises(InvalidInputError, match="within each other"):
        found("<w>" + before + "<a>" * 100_000, "data")
    with pytest.raises(ParseError):
        found("<w>" + before + "<a>" * 30, "data")


@pytest.mark.parametrize(
    ("before", "repeated", "after"),
    [
        ("<w><data>", '<r n="1"><c><v>1</v></c></r>', "</data></w>"),
        ("<w>", "<a><b/></a>", "<data/></w>"),
        ("<w><other><x><y>", "<a><b/></a>", "</y></x></other></w>"),
        ("<w>", "<data></data>", "</w>"),
    ],
    ids=["rows", "others", "others within others", "empty parents"],
)
def test_memory_does_not_grow_with_the_number_of_elements(before: str, repeated: str, after: str) -> None:
    xml = (before + repeated * (SOME_BYTES // len(repeated)) + after).encode()
    stream = io.BytesIO(xml)
    tracemalloc.start()
    try:
        for _ in elements(stream, ("data",)):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * SOME_BYTES
