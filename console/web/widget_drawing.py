"""
What a body says of how its widget looks, as far as the widget API documents it, ready to be drawn as SVG.

Pure. The template `widget.html` draws and words it. Nothing of a body reaches the drawing but numbers of ours
and texts that are shortened; whatever cannot be drawn is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import msgspec
from rich.cells import cell_len

from console.web.css_colours import Paint, paint_of, plain
from provisioning.printable import printable

WIDTH, HEIGHT, BAR = 720, 450, 36
"""Size of the page that is drawn, and of the browser's bar above it."""

MARGIN, GAP, BUTTON = 20, 14, 56
WINDOW_WIDTH, WINDOW_HEIGHT = 216, 270

NAME_CELLS, VALUE_CELLS = 20, 60
"""Widths of the name in the window and of values in remarks; a letter of Chinese has two."""

MOST_REMARKS = 20

GREY: Final = plain("#5f6b7a")
"""Stands for a colour that is not given, or is none."""

LIGHT_GREY: Final = plain("#e9edf2")
DARK_GREY: Final = plain("#3c4654")


class Corner(StrEnum):
    """The positions that the widget API documents, or its console offers."""

    TOP_LEFT = "tl"
    TOP_RIGHT = "tr"
    BOTTOM_LEFT = "bl"
    BOTTOM_RIGHT = "br"

    @property
    def is_top(self) -> bool:
        return self in (Corner.TOP_LEFT, Corner.TOP_RIGHT)

    @property
    def is_left(self) -> bool:
        return self in (Corner.TOP_LEFT, Corner.BOTTOM_LEFT)


class Unseen(StrEnum):
    """Why a member is not drawn as it stands."""

    NO_BODY = "no_body"
    NO_COLOUR = "no_colour"
    NO_CORNER = "no_corner"
    NO_TYPE = "no_type"
    NO_FLAG = "no_flag"
    NO_PERCENTAGE = "no_percentage"
    OFF = "off"
    LOGO = "logo"
    FONT = "font"
    NOT_DRAWN = "not_drawn"


@dataclass(frozen=True, slots=True)
class Remark:
    """A member that is not drawn as it stands: its path, why, and its value, shortened."""

    path: str
    why: Unseen
    value: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """The upper left corner of what is drawn, in units of the drawing."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """
    A page with the widget on it.

    Attributes:
        name: what the chat is called here, shortened; the API documents no name, and none is sent.
        corner, button_corner: where the chat and its start button are.
        is_group: whether it is a chat of several people.
        is_on: whether its status is true, or is not given.
        round: how round the start button is, in percent of its size: 50 is a circle.
        primary, header, accent, button: of the theme, the head of the chat, its send and its start button.
        bubble, bubble_text, other_bubble, other_text: of what the visitor and the bot write.
        colours: the texts of primary and button, for words; empty where they are none.
        remarks: what is not drawn as it stands, `MOST_REMARKS` at most.
        more: remarks beyond these.
    """

    name: str
    corner: Corner = Corner.BOTTOM_RIGHT
    button_corner: Corner = Corner.BOTTOM_RIGHT
    is_group: bool = False
    is_on: bool = True
    round: float = 50.0
    primary: Paint = GREY
    header: Paint = GREY
    accent: Paint = GREY
    button: Paint = GREY
    bubble: Paint = GREY
    bubble_text: Paint = LIGHT_GREY
    other_bubble: Paint = LIGHT_GREY
    other_text: Paint = DARK_GREY
    colours: tuple[str, str] = ("", "")
    remarks: tuple[Remark, ...] = ()
    more: int = 0

    @property
    def button_place(self) -> Place:
        x = MARGIN if self.button_corner.is_left else WIDTH - MARGIN - BUTTON
        y = BAR + MARGIN if self.button_corner.is_top else HEIGHT - MARGIN - BUTTON
        return Place(x, y)

    @property
    def window_place(self) -> Place:
        # Beside the start button where both are in one corner.
        away = MARGIN + (BUTTON + GAP if self.corner is self.button_corner else 0)
        x = MARGIN if self.corner.is_left else WIDTH - MARGIN - WINDOW_WIDTH
        y = BAR + away if self.corner.is_top else HEIGHT - away - WINDOW_HEIGHT
        return Place(x, y)


def drawing_of(body: bytes, name: str) -> Drawing:
    """
    The drawing of a body, whatever it holds.

    Args:
        body: JSON, as of a `NewJob`.
        name: what people call the tenant: its label, or its key.
    """
    name = shortened(name, NAME_CELLS)
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        content = None
    widget = content.get("widget") if isinstance(content, Mapping) else None
    if not isinstance(widget, Mapping):
        return Drawing(name, remarks=(Remark("widget", Unseen.NO_BODY),))
    look = _Look(widget)
    primary = look.paint("theme.vars.color.primary", GREY)
    button = look.paint("startButton.backgroundColor", primary)
    bubble = look.paint("theme.vars.color.userBubble", primary)
    is_group = look.is_group()
    corner = look.corner("theme.position", Corner.BOTTOM_RIGHT)
    drawing = Drawing(
        name,
        corner=corner,
        button_corner=look.corner("startButton.position", corner),
        is_group=is_group,
        is_on=look.is_on(),
        round=look.percentage("startButton.borderPercentage", 50.0),
        primary=primary,
        header=look.paint("theme.vars.color.groupTopStyle", primary) if is_group else primary,
        accent=look.paint("theme.vars.color.secondary", primary),
        button=button,
        bubble=bubble,
        bubble_text=look.paint("theme.vars.color.userText", plain(bubble.ink)),
        other_bubble=look.paint("theme.vars.color.grey.200", LIGHT_GREY),
        other_text=look.paint("theme.vars.color.grey.800", DARK_GREY),
        colours=(look.text("theme.vars.color.primary"), look.text("startButton.backgroundColor")),
    )
    look.only_named("startButton.logoUrl", Unseen.LOGO)
    look.only_named("theme.font.name", Unseen.FONT)
    return look.finish(drawing)


def shortened(text: str, cells: int) -> str:
    """
    A text as it is safe to show, in so much width; marks for the direction of writing are shown as escapes.

    >>> shortened("Joyería Sueños de la Ciudad", 20), shortened("\\u202eabc", 20)
    ('Joyería Sueños de l…', '\\\\u202eabc')
    """
    text = printable(text[: 4 * cells].encode("utf-8", "backslashreplace").decode())
    if cell_len(text) <= cells:
        return text
    while cell_len(text) >= cells:
        text = text[:-1]
    return text + "…"


@dataclass(slots=True)
class _Look:
    """The members of a widget, and which of them were used; every path is below `widget`."""

    widget: Mapping[str, Any]
    remarks: list[Remark] = field(default_factory=list)
    used: set[str] = field(default_factory=lambda: {"theme.font.googlefont"})

    def value(self, path: str) -> Any:
        """The value at a path, which is used with this; None if there is none."""
        self.used.add(path)
        value: Any = self.widget
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def text(self, path: str) -> str:
        """A colour's own text; empty if it is none."""
        value = self.value(path)
        return _as_text(value) if paint_of(value) is not None else ""

    def paint(self, path: str, otherwise: Paint) -> Paint:
        value = self.value(path)
        if value is None:
            return otherwise
        if (found := paint_of(value)) is None:
            self.remark(path, Unseen.NO_COLOUR, value)
            return GREY
        return found

    def corner(self, path: str, otherwise: Corner) -> Corner:
        value = self.value(path)
        if isinstance(value, str) and value in set(Corner):
            return Corner(value)
        if value is not None:
            self.remark(path, Unseen.NO_CORNER, value)
        return otherwise

    def is_group(self) -> bool:
        value = self.value("properties.type")
        if value is not None and value not in ("normal", "group"):
            self.remark("properties.type", Unseen.NO_TYPE, value)
        return bool(value == "group")

    def is_on(self) -> bool:
        value = self.value("theme.status")
        if value is False:
            self.remark("theme.status", Unseen.OFF, value)
        elif value is not None and value is not True:
            self.remark("theme.status", Unseen.NO_FLAG, value)
        return value is not False

    def percentage(self, path: str, otherwise: float) -> float:
        value = self.value(path)
        if value is None:
            return otherwise
        digits = value.strip().removesuffix("%") if isinstance(value, str) and value.isascii() else ""
        if digits.isdecimal() and len(digits) <= 3:
            return min(float(digits), 50.0)  # more is as round as it gets
        self.remark(path, Unseen.NO_PERCENTAGE, value)
        return otherwise

    def only_named(self, path: str, why: Unseen) -> None:
        """Remarks on a member that the site loads from elsewhere."""
        value = self.value(path)
        if value is not None:
            self.remark(path, why, value)

    def remark(self, path: str, why: Unseen, value: Any) -> None:
        self.remarks.append(Remark(f"widget.{path}", why, _as_text(value)))

    def finish(self, drawing: Drawing) -> Drawing:
        """The drawing with all remarks."""
        for path in _leaves(self.widget):
            if path not in self.used:
                self.remarks.append(Remark(shortened(f"widget.{path}", VALUE_CELLS), Unseen.NOT_DRAWN))
        shown = tuple(self.remarks[:MOST_REMARKS])
        return replace(drawing, remarks=shown, more=len(self.remarks) - len(shown))


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return shortened(text, VALUE_CELLS)


def _leaves(value: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """The paths of all values that hold no others, as deep as the API documents any."""
    if isinstance(value, Mapping) and value and depth < _DEPTH:
        for name, member in value.items():
            yield from _leaves(member, f"{path}.{name}" if path else str(name), depth + 1)
    elif path:
        yield path


_DEPTH = 6
