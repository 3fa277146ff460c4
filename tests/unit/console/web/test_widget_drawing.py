"""A widget is drawn from what the API documents; what a body says otherwise is named, and never markup."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.web.css_colours import plain
from console.web.render import fragment
from console.web.widget_drawing import (
    BAR,
    BUTTON,
    HEIGHT,
    MOST_REMARKS,
    NAME_CELLS,
    VALUE_CELLS,
    WIDTH,
    WINDOW_HEIGHT,
    WINDOW_WIDTH,
    Corner,
    Drawing,
    Unseen,
    drawing_of,
)

HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; ]]> {{ 7*7 }} \u202e\x00\ud800"


def drawn(widget: Any, name: str = "Café") -> Drawing:
    return drawing_of(json.dumps({"bot": {}, "widget": widget}).encode(), name)


def marked_up(drawing: Drawing, language: str = "en") -> str:
    return fragment(language, "widget.html", "drawn", drawing)


def test_the_documented_example_is_drawn_as_it_says() -> None:
    drawing = drawn(
        {
            "properties": {"type": "group"},
            "theme": {
                "position": "tl",
                "status": True,
                "vars": {"color": {"primary": "#910018", "secondary": "black", "userBubble": "#E23E48"}},
            },
            "startButton": {"backgroundColor": "#189AB4", "borderPercentage": "20%", "position": "bl"},
        }
    )
    assert (drawing.corner, drawing.button_corner) == (Corner.TOP_LEFT, Corner.BOTTOM_LEFT)
    assert (drawing.is_group, drawing.is_on, drawing.round) == (True, True, 20.0)
    assert (drawing.primary, drawing.header) == (plain("#910018"), plain("#910018"))
    assert (drawing.button, drawing.accent, drawing.bubble) == (
        plain("#189ab4"),
        plain("#000000"),
        plain("#e23e48"),
    )
    assert drawing.remarks == ()


def test_what_is_not_given_follows_the_primary_colour_and_position() -> None:
    drawing = drawn({"theme": {"position": "tr", "vars": {"color": {"primary": "#910018"}}}})
    assert drawing.button_corner is Corner.TOP_RIGHT
    assert drawing.button == drawing.accent == drawing.bubble == plain("#910018")


@pytest.mark.parametrize(
    ("widget", "path", "why"),
    [
        ({"theme": {"position": "middle"}}, "widget.theme.position", Unseen.NO_CORNER),
        ({"theme": {"position": ["br"]}}, "widget.theme.position", Unseen.NO_CORNER),
        ({"theme": {"status": False}}, "widget.theme.status", Unseen.OFF),
        ({"theme": {"status": 1}}, "widget.theme.status", Unseen.NO_FLAG),
        ({"properties": {"type": "big"}}, "widget.properties.type", Unseen.NO_TYPE),
        ({"properties": {"type": {}}}, "widget.properties.type", Unseen.NO_TYPE),
        (
            {"theme": {"vars": {"color": {"primary": "blau"}}}},
            "widget.theme.vars.color.primary",
            Unseen.NO_COLOUR,
        ),
        (
            {"startButton": {"borderPercentage": "round"}},
            "widget.startButton.borderPercentage",
            Unseen.NO_PERCENTAGE,
        ),
        ({"startButton": {"logoUrl": "https://x/y.svg"}}, "widget.startButton.logoUrl", Unseen.LOGO),
        ({"theme": {"font": {"name": "Inter", "googlefont": True}}}, "widget.theme.font.name", Unseen.FONT),
        (
            {"tooltipPanel": {"backgroundColor": "main"}},
            "widget.tooltipPanel.backgroundColor",
            Unseen.NOT_DRAWN,
        ),
        ({"theme": "blue"}, "widget.theme", Unseen.NOT_DRAWN),
    ],
)
def test_what_is_not_drawn_as_it_stands_is_named(widget: Any, path: str, why: Unseen) -> None:
    assert [(remark.path, remark.why) for remark in drawn(widget).remarks] == [(path, why)]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'{"widget":7}', b"\xff", b"[" * 5000])
def test_a_body_without_a_widget_is_drawn_with_nothing_of_it(body: bytes) -> None:
    [remark] = drawing_of(body, "x").remarks
    assert remark.why is Unseen.NO_BODY


def test_the_chat_and_its_button_are_on_the_page_and_do_not_cover_each_other() -> None:
    for corner in Corner:
        for button in Corner:
            drawing = drawn({"theme": {"position": corner}, "startButton": {"position": button}})
            at, spot = drawing.window_place, drawing.button_place
            assert 0 <= at.x <= WIDTH - WINDOW_WIDTH
            assert BAR <= at.y <= HEIGHT - WINDOW_HEIGHT
            apart_across = spot.x + BUTTON <= at.x or at.x + WINDOW_WIDTH <= spot.x
            apart_down = spot.y + BUTTON <= at.y or at.y + WINDOW_HEIGHT <= spot.y
            assert apart_across or apart_down


def test_very_many_members_make_a_short_list() -> None:
    drawing = drawn({"properties": {f"p{n}": n for n in range(500)}})
    assert (len(drawing.remarks), drawing.more) == (MOST_REMARKS, 500 - MOST_REMARKS)
    assert "480 more fields are not drawn." in marked_up(drawing)


PATHS = [
    *("properties.type", "theme.position", "theme.status", "theme.font.name", "startButton.position"),
    *("theme.vars.color.primary", "theme.vars.color.secondary", "theme.vars.color.grey.200"),
    *("theme.vars.color.groupTopStyle", "startButton.backgroundColor", "startButton.logoUrl"),
    *("startButton.borderPercentage", "tooltipPanel.backgroundColor", "theme.vars", "theme"),
]
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.sampled_from(
            [
                *(
                    "tl",
                    "br",
                    "group",
                    "#123",
                    "red",
                    "50%",
                    "linear-gradient(12deg, red, #00ff0080 20%, blue)",
                ),
                *(
                    "<script>alert(1)</script>",
                    "\"'><svg onload=x>",
                    "]]>",
                    "&lt;",
                    "\u202eevil\u2066",
                    "x" * 10_000,
                ),
                *("javascript:x", "url(http://x/)", "%(name)s %s {}", "{{ 7*7 }}", "\x00\x1b[31m"),
            ]
        ),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


def laid(members: dict[str, Any]) -> dict[str, Any]:
    """Members at their paths."""
    widget: dict[str, Any] = {}
    for path, value in members.items():
        *above, last = path.split(".")
        node = widget
        for name in above:
            below = node.get(name)
            node[name] = node = below if isinstance(below, dict) else {}
        node[last] = value
    return widget


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(PATHS), VALUES, max_size=8).map(laid),
    st.text(max_size=60) | st.just(HOSTILE),
    st.sampled_from(["en", "es"]),
)
def test_whatever_a_body_holds_the_drawing_is_plain_svg(
    widget: dict[str, Any], name: str, language: str
) -> None:
    drawing = drawn(widget, name)
    text = marked_up(drawing, language)
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    allowed = {
        "figure",
        "figcaption",
        "ul",
        "li",
        "code",
        "svg",
        "defs",
        "g",
        "rect",
        "circle",
        "path",
        "text",
    }
    allowed |= {"linearGradient", "stop", "clipPath"}
    for element in root.iter():
        assert element.tag in allowed
        for attribute, value in element.attrib.items():
            assert attribute != "style"
            assert not attribute.startswith("on")
            assert "href" not in attribute
            if attribute in ("fill", "clip-path"):
                assert re.fullmatch(r"#[0-9a-f]{6}|url\(#widget-[a-z-]+\)", value)
    for element in root.iter("text"):
        assert element.text in (drawing.name, None)
    # Nothing but the texts of a body is as long as a body may be, and those are cut.
    assert len(drawing.name) <= NAME_CELLS * 10
    assert all(len(remark.value) <= VALUE_CELLS * 10 for remark in drawing.remarks)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)


def test_the_alternative_text_tells_what_is_drawn_in_both_languages() -> None:
    drawing = drawn(
        {
            "properties": {"type": "group"},
            "theme": {"position": "tl", "status": False, "vars": {"color": {"primary": "#910018"}}},
            "startButton": {"position": "bl", "backgroundColor": "gold"},
        },
        'A "B"',
    )
    [svg] = ElementTree.fromstring(marked_up(drawing)).iter("svg")  # noqa: S314
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == (
        'Drawing of a page: the open chat “A "B"” at the top left, in #910018; the start button '
        "at the bottom left, in gold. It is a group chat. It is switched off."
    )
    [spanish] = ElementTree.fromstring(marked_up(drawing, "es")).iter("svg")  # noqa: S314
    assert "arriba a la izquierda, de color #910018" in spanish.get("aria-label", "")


def test_two_drawings_on_a_page_have_ids_of_their_own() -> None:
    drawing = drawn({"theme": {"vars": {"color": {"primary": "linear-gradient(red, blue)"}}}})
    one, two = (fragment("en", "widget.html", "drawn", drawing, id=name) for name in ("a", "b"))
    ids = re.findall(r' id="([^"]+)"', one + two)
    assert len(ids) == len(set(ids)) > 2
