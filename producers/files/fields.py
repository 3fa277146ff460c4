"""
The documented members of a body: their paths, their types, and what a mistaken name probably meant.

Source: docs of `POST /v1/widget/create`. Members under `widget` that are not listed pass as given, because
the API declares `properties` and `theme` free-form; outside `widget` every member is listed here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType

from provisioning.text import Text


class Kind(Enum):
    """What a documented member holds; the value is how a person is told so."""

    TEXT = Text("text")
    COLOUR = Text("a CSS colour")  # the vendor's console can also store an {r,g,b,a} object
    FLAG = Text("true or false")
    LIST = Text("a list of texts")
    OBJECT = Text("a JSON object")


_COLOURS = (
    "primary primaryDarker secondary secondaryLight userText hoverText selectedText userBubble groupTopStyle "
    "errorTxt errorBg warningTxt warningBg infoTxt infoBg successTxt successBg"
)

FIELDS: Mapping[str, Kind] = MappingProxyType(
    {
        "bot": Kind.OBJECT,
        "bot.id": Kind.TEXT,
        "widget": Kind.OBJECT,
        "widget.properties": Kind.OBJECT,
        "widget.properties.type": Kind.TEXT,
        "widget.theme": Kind.OBJECT,
        "widget.theme.position": Kind.TEXT,
        "widget.theme.status": Kind.FLAG,
        "widget.theme.font": Kind.OBJECT,
        "widget.theme.font.googlefont": Kind.FLAG,
        "widget.theme.font.name": Kind.TEXT,
        "widget.theme.vars": Kind.OBJECT,
        "widget.theme.vars.color": Kind.OBJECT,
        **{f"widget.theme.vars.color.{name}": Kind.COLOUR for name in _COLOURS.split()},
        "widget.theme.vars.color.grey": Kind.OBJECT,
        **{f"widget.theme.vars.color.grey.{shade}": Kind.COLOUR for shade in (200, 400, 600, 800)},
        "widget.startButton": Kind.OBJECT,
        "widget.startButton.backgroundColor": Kind.COLOUR,
        "widget.startButton.borderPercentage": Kind.TEXT,
        "widget.startButton.logoUrl": Kind.TEXT,
        "widget.startButton.position": Kind.TEXT,
        "widget.tooltipPanel": Kind.OBJECT,
        "widget.tooltipPanel.backgroundColor": Kind.COLOUR,
        "credentials": Kind.OBJECT,
        "credentials.blackList": Kind.LIST,
        "credentials.whiteList": Kind.LIST,
    }
)

SPECIAL_COLUMNS = ("key", "credential", "label")
"""What stands beside the body: the tenant's reference, whose credentials to use, words for people."""

_HABITS: Mapping[str, str] = MappingProxyType(
    {
        # Names that people give these columns who have never seen the API (English, Spanish, Portuguese).
        "ref": "key",
        "rowref": "key",
        "reference": "key",
        "referencia": "key",
        "tenant": "key",
        "tenantid": "key",
        "clave": "key",
        "chave": "key",
        "cliente": "key",
        "client": "key",
        "customer": "key",
        "company": "credential",
        "empresa": "credential",
        "credencial": "credential",
        "name": "label",
        "nombre": "label",
        "nome": "label",
        "tienda": "label",
        "loja": "label",
        "sitelabel": "label",
        "etiqueta": "label",
        "bot": "bot.id",
        "idbot": "bot.id",
        "robot": "bot.id",
        "botnumber": "bot.id",
        "type": "widget.properties.type",
        "widgettype": "widget.properties.type",
        "tipo": "widget.properties.type",
        "position": "widget.theme.position",
        "posicion": "widget.theme.position",
        "posición": "widget.theme.position",
        "posicao": "widget.theme.position",
        "posição": "widget.theme.position",
        "status": "widget.theme.status",
        "fontgoogle": "widget.theme.font.googlefont",
        "googlefont": "widget.theme.font.googlefont",
        "fontname": "widget.theme.font.name",
        "fuente": "widget.theme.font.name",
        "tipografia": "widget.theme.font.name",
        "tipografía": "widget.theme.font.name",
        "color": "widget.theme.vars.color.primary",
        "colorprimario": "widget.theme.vars.color.primary",
        "colorprincipal": "widget.theme.vars.color.primary",
        "colorsecundario": "widget.theme.vars.color.secondary",
        "logo": "widget.startButton.logoUrl",
        "buttoncolor": "widget.startButton.backgroundColor",
        "buttonborder": "widget.startButton.borderPercentage",
        "buttonlogourl": "widget.startButton.logoUrl",
        "buttonposition": "widget.startButton.position",
        "tooltipbackground": "widget.tooltipPanel.backgroundColor",
        "listablanca": "credentials.whiteList",
        "listanegra": "credentials.blackList",
    }
)


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _by_bare_name() -> dict[str, str]:
    names: dict[str, str] = {}
    for path in FIELDS:
        parts = path.split(".")
        # `color_primary` means widget.theme.vars.color.primary: try every tail of a path, the longest wins.
        for start in range(len(parts)):
            names.setdefault(_bare("".join(parts[start:])), path)
    names.update(_HABITS)
    names.update({column: column for column in SPECIAL_COLUMNS})
    names.update({_bare(path): path for path in FIELDS})
    names["bot"] = "bot.id"
    return names


_BY_BARE_NAME: Mapping[str, str] = MappingProxyType(_by_bare_name())

FAMILIAR = frozenset(_BY_BARE_NAME)
"""What columns are called, here and elsewhere: their letters and digits, in lower case."""

_BY_LOWER_CASE: Mapping[str, str] = MappingProxyType({path.lower(): path for path in FIELDS})


def documented_spelling(path: str) -> str | None:
    """The documented path that differs from this one only in upper and lower case; None if none does."""
    spelled = _BY_LOWER_CASE.get(path.lower())
    return spelled if spelled != path else None


def nearest(name: str, among: Iterable[str] = ()) -> str | None:
    """
    The column that a mistaken header probably meant; None when nothing is near.

    Args:
        name: the header as it stands in the file.
        among: only these may be suggested; all documented columns if empty.
    """
    allowed = set(among) or None
    bare = _bare(name)
    exact = _BY_BARE_NAME.get(bare)
    if exact is not None and (allowed is None or exact in allowed):
        return exact
    for close in difflib.get_close_matches(bare, _BY_BARE_NAME, n=3, cutoff=0.75):
        found = _BY_BARE_NAME[close]
        if allowed is None or found in allowed:
            return found
    return None


def is_familiar(header: str) -> bool:
    """Whether a header looks like a column of ours, spelled rightly or nearly: delimiters are found by it."""
    return header.startswith(("widget.", "outcome.")) or _bare(header) in _BY_BARE_NAME
