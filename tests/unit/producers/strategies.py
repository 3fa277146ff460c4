"""Bodies as hypothesis draws them: what `check_body` lets pass, with a taste for what is hard to carry."""

from __future__ import annotations

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from producers.files.body import check_body
from producers.files.fields import FIELDS, Kind

# Line breaks, quotes, separators, what looks like a formula or like JSON, and letters of every script; but no
# control characters and no lone surrogates, which are refused.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), max_size=12),
    st.sampled_from(
        [
            "",
            " ",
            "'",
            "''",
            "=1+1",
            "+593",
            "-1",
            "@x",
            "\tx",
            "\rx",
            "'=1",
            "{",
            "[]",
            "{}",
            "[x",
            "null",
            "true",
            "5",
            "a;b",
            ";",
            '"',
            'a"b',
            "a,b",
            "#REF!",
            "#00677F",
            "Ñandú",
            "\u2028",
            "\xa0",
            "﷽",
            "🏪",
            "x\r\ny",
        ]
    ),
)
NAMES = st.one_of(
    st.sampled_from(
        ["type", "size", "Status", "a.b", "", " a", "é", "theme", "x y", "=a", "200", "__proto__", "[]"]
    ),
    TEXTS,
)
SCALARS = st.one_of(
    TEXTS,
    st.booleans(),
    st.none(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def _documented(kind: Kind) -> st.SearchStrategy[Any]:
    match kind:
        case Kind.FLAG:
            return st.booleans()
        case Kind.LIST:
            return st.lists(TEXTS, max_size=4)
        case Kind.OBJECT:
            return st.dictionaries(NAMES, VALUES, max_size=2)
        case Kind.COLOUR:
            return TEXTS | st.dictionaries(NAMES, SCALARS, max_size=2)
        case _:
            return TEXTS


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A body that may be sent, new bots included."""
    body: dict[str, Any] = {"bot": {}, "widget": draw(st.dictionaries(NAMES, VALUES, max_size=3))}
    if draw(st.booleans()):
        body["bot"]["id"] = draw(st.sampled_from(["100200300", "+593987654321", "0042", "a-b", "-x"]))
    # Parents come first in FIELDS, so that a drawn object is filled by what is drawn below it.
    for path in draw(
        st.lists(st.sampled_from([path for path in FIELDS if path.count(".")]), max_size=6, unique=True)
    ):
        if path == "bot.id":
            continue
        *above, name = path.split(".")
        place = body
        for step in above:
            below = place.get(step)
            if not isinstance(below, dict):
                below = place[step] = {}
            place = below
        place[name] = draw(_documented(FIELDS[path]))
    if draw(st.booleans()):
        body.setdefault("credentials", {})
    assume(not check_body(body, new_bots=True))
    return body
