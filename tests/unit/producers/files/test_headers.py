"""What a mistaken header is said to mean is a column, so that the way out that is printed works."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.fields import FAMILIAR, FIELDS, SPECIAL_COLUMNS
from producers.files.headers import understand
from provisioning.errors import InvalidInputError

NAMES = sorted({*FIELDS, *SPECIAL_COLUMNS, *FAMILIAR})
CHANGES = [str, str.upper, str.title, str.capitalize, str.swapcase, lambda name: name.replace(".", "_")]


@given(st.sampled_from(NAMES), st.sampled_from(CHANGES), st.sampled_from(["", "s", "_1", " "]))
def test_every_mapping_that_is_proposed_is_understood(name: str, change: type[str], end: str) -> None:
    header = change(name) + end
    try:
        understand(["key", header], {})
    except InvalidInputError as error:
        maps = {}
        words = shlex.split(error.hint.split("   (")[0]) if "--map" in error.hint else []
        for flag, pair in zip(words[::2], words[1::2], strict=True):
            assert flag == "--map"
            old, _, new = pair.rpartition("=")
            maps[old] = new
        if header.strip() == header and words:
            assert header in maps
            understand(["key", header], maps)


@pytest.mark.parametrize("header", ["Bot", "BOT", "bot"])
def test_a_column_of_bots_is_one_of_their_ids(header: str) -> None:
    with pytest.raises(InvalidInputError, match=r"did you mean bot\.id\?"):
        understand(["key", header], {})


def _hint(*headers: str) -> str:
    with pytest.raises(InvalidInputError) as caught:
        understand(headers, {})
    return caught.value.hint


def test_which_of_two_columns_holds_the_bots_is_left_to_a_person() -> None:
    assert _hint("id", "name", "bot") == (
        "one column alone can be bot.id: --map id=bot.id --map name=label --map bot= "
        "or --map id= --map name=label --map bot=bot.id"
    )
    assert _hint("bot.id", "bot").startswith("--map bot=   ")


@pytest.mark.parametrize("line", ["key,label,bot.id", "key;bot_id", "key\tbot.id", "key|label|bot"])
def test_a_line_of_headers_that_stands_in_quotes_as_a_whole_is_called_so(line: str) -> None:
    assert "quotes as a whole" in _hint(line)
