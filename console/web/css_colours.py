"""
Colours as CSS writes them, as far as themes of widgets use them: what SVG may be given, and nothing else.

Pure. Whatever a text says, only numbers of ours reach the page. Source: CSS Color Module Level 4; CSS Images
Module Level 3.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

LONGEST: Final = 1000
"""Characters of a text that is looked at: a gradient of ten colours has 300."""

MOST_STOPS: Final = 16
"""Colours of a gradient."""


class Colour(NamedTuple):
    """Red, green and blue from 0 to 255, and opacity from 0 to 1."""

    red: int
    green: int
    blue: int
    alpha: float = 1.0

    @property
    def code(self) -> str:
        """As `#rrggbb`."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


class Stop(NamedTuple):
    """A colour of a gradient, at a place from 0 to 1."""

    at: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Paint:
    """
    A colour, or a gradient of several.

    Attributes:
        angle: of the gradient, in degrees as CSS has them: 0 is upwards, 90 to the right.
    """

    stops: tuple[Stop, ...]
    angle: float = 180.0

    @property
    def colour(self) -> Colour:
        """The only colour, or the first."""
        return self.stops[0].colour

    @property
    def is_gradient(self) -> bool:
        return len(self.stops) > 1

    @property
    def line(self) -> tuple[float, float, float, float]:
        """Where the gradient starts and ends in a box of size 1: x and y of each."""
        x, y = math.sin(math.radians(self.angle)) / 2, -math.cos(math.radians(self.angle)) / 2
        return round(0.5 - x, 3), round(0.5 - y, 3), round(0.5 + x, 3), round(0.5 + y, 3)

    @property
    def ink(self) -> str:
        """The colour of text that can be read upon it, on a white page: black or white."""
        lightness = [_luminance(stop.colour) for stop in self.stops]
        return "#ffffff" if sum(lightness) / len(lightness) < _BOTH_READ else "#111111"


def plain(code: str) -> Paint:
    """The paint of a `#rrggbb`."""
    return Paint((Stop(0.0, Colour(*bytes.fromhex(code[1:]))),))


def paint_of(value: Any) -> Paint | None:
    """
    The paint that a value of a theme means; None if it is no colour.

    >>> paint_of("rgba(145, 0, 24, 1)").colour.code
    '#910018'
    >>> [stop.colour.code for stop in paint_of("linear-gradient(90deg, teal, #fff)").stops]
    ['#008080', '#ffffff']
    >>> paint_of("javascript:alert(1)")
    """
    if isinstance(value, Mapping):
        return _of_members(value)
    if not isinstance(value, str) or len(value) > LONGEST:
        return None
    text = value.strip().lower()
    if found := _GRADIENT.fullmatch(text):
        return _gradient(found[1])
    colour = _colour(text)
    return None if colour is None else Paint((Stop(0.0, colour),))


_BOTH_READ = 0.4
"""Luminance above which black reads better: people take white on a strong colour up to here."""

_GRADIENT = re.compile(r"linear-gradient\((.*)\)", re.DOTALL)
_NUMBER = r"\d{1,3}(?:\.\d{1,6})?"
_HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_RGB = re.compile(
    rf"rgba?\(\s*({_NUMBER}%?)\s*[,\s]\s*({_NUMBER}%?)\s*[,\s]\s*({_NUMBER}%?)"
    rf"(?:\s*[,/]\s*({_NUMBER}|\.\d{{1,6}}|{_NUMBER}%))?\s*\)",
    re.ASCII,
)
_ANGLE = re.compile(rf"(-?{_NUMBER})deg", re.ASCII)
_STOP = re.compile(rf"(.*?)(?:\s+({_NUMBER})%)?(?:\s+{_NUMBER}%)?", re.DOTALL | re.ASCII)
_SIDES: Final = {
    "to top": 0.0,
    "to top right": 45.0,
    "to right top": 45.0,
    "to right": 90.0,
    "to bottom right": 135.0,
    "to right bottom": 135.0,
    "to bottom": 180.0,
    "to bottom left": 225.0,
    "to left bottom": 225.0,
    "to left": 270.0,
    "to top left": 315.0,
    "to left top": 315.0,
}


def _colour(text: str) -> Colour | None:
    if code := NAMED.get(text):
        return Colour(*bytes.fromhex(code))
    if text == "transparent":
        return Colour(0, 0, 0, 0.0)
    if _HEX.fullmatch(text):
        digits = text[1:] if len(text) > 5 else "".join(digit * 2 for digit in text[1:])
        red, green, blue, *rest = bytes.fromhex(digits)
        return Colour(red, green, blue, round(rest[0] / 255, 3) if rest else 1.0)
    if found := _RGB.fullmatch(text):
        red, green, blue = (round(_part(part, 255)) for part in found.groups()[:3])
        return Colour(red, green, blue, _part(found[4] or "1", 1))
    return None


def _part(text: str, whole: int) -> float:
    """A part of a colour, as a number or a percentage."""
    value = float(text[:-1]) / 100 * whole if text.endswith("%") else float(text)
    return round(min(value, whole), 3)


def _of_members(value: Mapping[Any, Any]) -> Paint | None:
    """The paint of `{r, g, b, a}`, as a colour picker stores it."""
    parts = [value.get(name, 1 if name == "a" else None) for name in "rgba"]
    if not all(isinstance(part, int | float) and not isinstance(part, bool) for part in parts):
        return None
    red, green, blue, alpha = parts
    if not all(0 <= part <= 255 for part in (red, green, blue)) or not 0 <= alpha <= 1:
        return None
    return Paint((Stop(0.0, Colour(round(red), round(green), round(blue), round(float(alpha), 3))),))


def _gradient(text: str) -> Paint | None:
    # Commas between colours, not those within one.
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", text)]
    angle = 180.0
    if found := _ANGLE.fullmatch(parts[0]):
        angle, parts = float(found[1]) % 360, parts[1:]
    elif parts[0] in _SIDES:
        angle, parts = _SIDES[parts[0]], parts[1:]
    if not 2 <= len(parts) <= MOST_STOPS:
        return None
    stops: list[Stop] = []
    for number, part in enumerate(parts):
        found = _STOP.fullmatch(part)
        colour = _colour(found[1]) if found else None
        if found is None or colour is None:
            return None
        given = float(found[2]) / 100 if found[2] else number / (len(parts) - 1)
        # A place before an earlier one counts as that one, as in CSS.
        stops.append(Stop(round(max(min(given, 1.0), stops[-1].at if stops else 0.0), 3), colour))
    return Paint(tuple(stops), angle)


def _luminance(colour: Colour) -> float:
    """Relative luminance (WCAG 2.2), of the colour on white."""

    def part(value: int) -> float:
        share = (value * colour.alpha + 255 * (1 - colour.alpha)) / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    return 0.2126 * part(colour.red) + 0.7152 * part(colour.green) + 0.0722 * part(colour.blue)


_NAMES = """
aliceblue:f0f8ff antiquewhite:faebd7 aqua:00ffff aquamarine:7fffd4 azure:f0ffff beige:f5f5dc bisque:ffe4c4
black:000000 blanchedalmond:ffebcd blue:0000ff blueviolet:8a2be2 brown:a52a2a burlywood:deb887
cadetblue:5f9ea0 chartreuse:7fff00 chocolate:d2691e coral:ff7f50 cornflowerblue:6495ed cornsilk:fff8dc
crimson:dc143c cyan:00ffff darkblue:00008b darkcyan:008b8b darkgoldenrod:b8860b darkgray:a9a9a9
darkgreen:006400 darkgrey:a9a9a9 darkkhaki:bdb76b darkmagenta:8b008b darkolivegreen:556b2f darkorange:ff8c00
darkorchid:9932cc darkred:8b0000 darksalmon:e9967a darkseagreen:8fbc8f darkslateblue:483d8b
darkslategray:2f4f4f darkslategrey:2f4f4f darkturquoise:00ced1 darkviolet:9400d3 deeppink:ff1493
deepskyblue:00bfff dimgray:696969 dimgrey:696969 dodgerblue:1e90ff firebrick:b22222 floralwhite:fffaf0
forestgreen:228b22 fuchsia:ff00ff gainsboro:dcdcdc ghostwhite:f8f8ff gold:ffd700 goldenrod:daa520 gray:808080
green:008000 greenyellow:adff2f grey:808080 honeydew:f0fff0 hotpink:ff69b4 indianred:cd5c5c indigo:4b0082
ivory:fffff0 khaki:f0e68c lavender:e6e6fa lavenderblush:fff0f5 lawngreen:7cfc00 lemonchiffon:fffacd
lightblue:add8e6 lightcoral:f08080 lightcyan:e0ffff lightgoldenrodyellow:fafad2 lightgray:d3d3d3
lightgreen:90ee90 lightgrey:d3d3d3 lightpink:ffb6c1 lightsalmon:ffa07a lightseagreen:20b2aa
lightskyblue:87cefa lightslategray:778899 lightslategrey:778899 lightsteelblue:b0c4de lightyellow:ffffe0
lime:00ff00 limegreen:32cd32 linen:faf0e6 magenta:ff00ff maroon:800000 mediumaquamarine:66cdaa
mediumblue:0000cd mediumorchid:ba55d3 mediumpurple:9370db mediumseagreen:3cb371 mediumslateblue:7b68ee
mediumspringgreen:00fa9a mediumturquoise:48d1cc mediumvioletred:c71585 midnightblue:191970 mintcream:f5fffa
mistyrose:ffe4e1 moccasin:ffe4b5 navajowhite:ffdead navy:000080 oldlace:fdf5e6 olive:808000 olivedrab:6b8e23
orange:ffa500 orangered:ff4500 orchid:da70d6 palegoldenrod:eee8aa palegreen:98fb98 paleturquoise:afeeee
palevioletred:db7093 papayawhip:ffefd5 peachpuff:ffdab9 peru:cd853f pink:ffc0cb plum:dda0dd powderblue:b0e0e6
purple:800080 rebeccapurple:663399 red:ff0000 rosybrown:bc8f8f royalblue:4169e1 saddlebrown:8b4513
salmon:fa8072 sandybrown:f4a460 seagreen:2e8b57 seashell:fff5ee sienna:a0522d silver:c0c0c0 skyblue:87ceeb
slateblue:6a5acd slategray:708090 slategrey:708090 snow:fffafa springgreen:00ff7f steelblue:4682b4 tan:d2b48c
teal:008080 thistle:d8bfd8 tomato:ff6347 turquoise:40e0d0 violet:ee82ee wheat:f5deb3 white:ffffff
whitesmoke:f5f5f5 yellow:ffff00 yellowgreen:9acd32
"""

NAMED: Final[Mapping[str, str]] = dict(pair.split(":") for pair in _NAMES.split())
"""The names of CSS, and their digits."""
