"""What CSS takes for a colour is drawn as that colour; anything else is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.css_colours import Colour, paint_of, plain


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("#189AB4", Colour(24, 154, 180)),
        (" #abc ", Colour(170, 187, 204)),
        ("#0008", Colour(0, 0, 0, 0.533)),
        ("#11223380", Colour(17, 34, 51, 0.502)),
        ("rgba(145, 0, 24, 1)", Colour(145, 0, 24)),
        ("rgb(1 2 3 / 50%)", Colour(1, 2, 3, 0.5)),
        ("rgb(100%,0%,999)", Colour(255, 0, 255)),
        ("Black", Colour(0, 0, 0)),
        ("rebeccapurple", Colour(102, 51, 153)),
        ("transparent", Colour(0, 0, 0, 0.0)),
        ({"r": 1, "g": 2, "b": 3, "a": 0.5}, Colour(1, 2, 3, 0.5)),
        ({"r": 1, "g": 2, "b": 3}, Colour(1, 2, 3)),
    ],
)
def test_each_documented_form_is_read(text: object, colour: Colour) -> None:
    paint = paint_of(text)
    assert paint is not None
    assert (paint.colour, paint.is_gradient) == (colour, False)


@pytest.mark.parametrize(
    ("text", "angle", "places"),
    [
        ("linear-gradient(90deg, #fff, rgba(0, 0, 0, .5) 30%, red)", 90.0, [0.0, 0.3, 1.0]),
        ("linear-gradient(to left, red 20%, blue 10%)", 270.0, [0.2, 0.2]),
        ("linear-gradient(red, blue)", 180.0, [0.0, 1.0]),
        ("LINEAR-GRADIENT(-90DEG, RED, BLUE)", 270.0, [0.0, 1.0]),
    ],
)
def test_a_gradient_is_read_with_its_direction_and_places(
    text: str, angle: float, places: list[float]
) -> None:
    paint = paint_of(text)
    assert paint is not None
    assert (paint.angle, [stop.at for stop in paint.stops]) == (angle, places)


def test_a_gradient_runs_where_it_points() -> None:
    paint = paint_of("linear-gradient(90deg, red, blue)")
    assert paint is not None
    assert paint.line == (0.0, 0.5, 1.0, 0.5)


@pytest.mark.parametrize(
    "value",
    [
        *("", "main", "#12345", "#ggg", "12", "rgb(1,2)", "rgb(a,b,c)", "url(x)", "var(--x)", "red;", "٣"),
        *("javascript:alert(1)", "linear-gradient(red)", "linear-gradient()", "linear-gradient(red, x)"),
        *("rgb(٣,٣,٣)", "#" * 10_000, "linear-gradient(" + "red," * 99 + "red)", None, 5, True, ["red"]),
        *({"r": 1}, {"r": 1, "g": 2, "b": 300}, {"r": True, "g": 1, "b": 1}, {"r": 1e999, "g": 1, "b": 1}),
    ],
)
def test_anything_else_is_no_colour(value: object) -> None:
    assert paint_of(value) is None


@given(
    st.one_of(
        st.text(max_size=60),
        st.from_regex(r"(rgba?|linear-gradient)\([-0-9a-z#%., /()]{0,60}\)", fullmatch=True),
    )
)
def test_whatever_is_a_colour_has_numbers_within_their_limits(text: str) -> None:
    paint = paint_of(text)
    for stop in paint.stops if paint else ():
        assert 0 <= stop.at <= 1
        assert 0 <= stop.colour.alpha <= 1
        assert all(0 <= part <= 255 for part in stop.colour[:3])


def test_text_on_a_colour_can_be_read() -> None:
    dark, light = plain("#0b5fff"), plain("#ffd700")
    assert (dark.ink, light.ink) == ("#ffffff", "#111111")
    seen_through = paint_of("rgba(0, 0, 0, 0.05)")
    assert seen_through is not None
    assert seen_through.ink == "#111111"
