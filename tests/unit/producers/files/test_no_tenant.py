"""A total, a comment or a header among the rows is refused; a tenant with an odd name is not."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.row_converter import RowConverter
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob

TABLE = ("key", "label", "bot.id", "widget.properties.type")


def refused(
    cells: Sequence[str], *, headers: Sequence[str] = TABLE, row: int = 41, as_is: Sequence[str] = ()
) -> str:
    """What is wrong with a row that may make a new bot; empty if it is a tenant."""
    found = RowConverter.parse(headers, ReadOptions(new_bots=True, as_is=as_is)).job(cells, row)
    if isinstance(found, NewJob):
        return ""
    [problem] = found
    assert problem.row == row
    assert problem.hint
    return problem.message


@pytest.mark.parametrize(
    "word", ["Total", "TOTAL:", "Subtotal", "Sub-total", "Suma", "Totales", "Grand total"]
)
@pytest.mark.parametrize("bot", ["", "2", "40", "2 bots", "=SUM(C2:C40)"])
def test_a_total_is_no_tenant_and_makes_no_bot(word: str, bot: str) -> None:
    assert "total" in refused([word, "", bot, ""])
    if not bot or bot.isdigit():
        assert refused([word, "", bot, ""], as_is=["key"]) == ""


BOTS = (593900000001, 593900000002, 593162962003)


def of_table(
    *below: Sequence[str],
    headers: Sequence[str] = TABLE,
    bots: Sequence[int] = BOTS,
    as_is: Sequence[str] = (),
) -> list[str]:
    """What is wrong with each of these rows, which stand below tenants with these bots; "" if none is."""
    plan = RowConverter.parse(headers, ReadOptions(as_is=as_is))
    at = list(headers).index("bot.id")
    for row, bot in enumerate(bots, 2):
        cells = [f"t{row}" if header in ("key", "label") else "" for header in headers]
        cells[at] = str(bot)
        assert isinstance(plan.job(cells, row), NewJob)
    found = [plan.job(cells, row) for row, cells in enumerate(below, 2 + len(bots))]
    return ["" if isinstance(each, NewJob) else each[0].message for each in found]


SUM = str(sum(BOTS))


@pytest.mark.parametrize(
    ("headers", "cells"),
    [
        (TABLE, ["Gran total:", "", SUM, ""]),
        (TABLE, ["TOTAL", "", SUM, ""]),
        (TABLE, ["Suma de bots", "", SUM, ""]),
        (TABLE, ["Total 3", "", str(int(SUM) // 100 * 100), ""]),
        (TABLE, ["", "Total", SUM, ""]),
        (TABLE, ["x", "Total", SUM, ""]),
        (TABLE, ["x", "Total", "3", ""]),
        (TABLE, ["x", "", SUM, "TOTALES:"]),
        (["label", "bot.id"], ["Total clientes: 3", SUM]),
        (["bot.id", "label"], [SUM, "Gran total"]),
        (["bot.id", "label"], ["3", "Gran total"]),
        (["bot.id", "widget.x"], [SUM, "suma"]),
        (["bot.id", "widget.x"], [SUM, ""]),
        (["bot.id"], [SUM]),
    ],
)
def test_the_sum_of_the_bots_above_is_no_bot(headers: Sequence[str], cells: Sequence[str]) -> None:
    [message] = of_table(cells, headers=headers)
    assert message in (
        "this is a total: the row is no tenant",
        "this is the sum of the bot ids above: the row is no tenant",
    )
    assert of_table(cells, headers=headers, as_is=["key"])[0] in ("", "the key is empty")


def test_totals_of_parts_and_of_totals_are_known() -> None:
    first, second = (["a", "", "593900000001", ""], ["b", "", "593900000009", ""])
    part = ["Subtotal", "", str(593900000001 + 593900000009), ""]
    upper = ["Subtotal", "", SUM, ""]
    every = sum(BOTS) + 593900000001 + 593900000009
    rows = of_table(
        upper, first, second, part, ["Total", "", str(every), ""], ["Total", "", str(every * 2), ""]
    )
    assert [bool(message) for message in rows] == [True, False, False, True, True, False]
    rows = of_table(upper, first, second, part, ["Total", "", str(every * 2), ""])
    assert rows[-1]


def test_the_sum_of_one_row_is_a_total_too() -> None:
    assert of_table(["Total", "", "100200300", ""], bots=[100200300]) != [""]
    assert of_table(["quito", "", "100200300", ""], bots=[100200300]) == [""]


@pytest.mark.parametrize(
    "cells",
    [
        ["Total", "", "593999999999", ""],
        ["Total Energies", "", "593999999999", ""],
        ["Total Energies", "Total", "1187800000003", ""],
        ["quito", "Norte", SUM, ""],
    ],
)
def test_a_bot_of_its_own_makes_a_tenant_below_others(cells: Sequence[str]) -> None:
    assert of_table(cells) == [""]


@pytest.mark.parametrize(
    "cells",
    [
        ["Total: 3 tiendas", "", "3", ""],
        ["Quito Total", "", "3", ""],
        ["Recuento Quito", "", "3", ""],
        ["Cuenta", "", "3", ""],
        ["Total de registros", "", "3", ""],
        ["x", "Cantidad de bots", "3", ""],
        ["", "", "3", ""],
        ["3", "", "3", "3"],
    ],
)
def test_the_count_of_the_rows_above_is_no_bot(cells: Sequence[str]) -> None:
    [message] = of_table(cells)
    assert "no tenant" in message
    assert of_table(cells, as_is=["key"])[0] in ("", "the key is empty")


def test_counts_of_parts_and_of_totals_are_known() -> None:
    one = ["a", "", "593900000001", ""]
    rows = of_table(
        ["Quito Total", "", "3", ""],
        one,
        ["Lima Total", "", "1", ""],
        ["Total de todo", "", "4", ""],
        ["Total de filas", "", "7", ""],
    )
    assert [bool(message) for message in rows] == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("bots", "cells"),
    [
        (BOTS, ["Quito Total", "", "2", ""]),
        (BOTS, ["quito", "Norte", "3", ""]),
        ((7, 8, 9), ["Quito Total", "", "3", ""]),
        ((593900000001, 20), ["Total Energies", "", "2", ""]),
    ],
)
def test_a_number_that_is_no_count_or_may_be_an_id_makes_a_tenant(
    bots: Sequence[int], cells: Sequence[str]
) -> None:
    assert of_table(cells, bots=bots) == [""]


def test_a_row_of_nothing_but_sums_is_no_tenant() -> None:
    assert "sum of the bot ids" in of_table(["6", "", SUM, ""])[0]


@pytest.mark.parametrize("word", ["Promedio", "Average", "Máximo", "Recuento"])
def test_other_amounts_below_a_column_are_noted_beside_a_bot(word: str) -> None:
    plan = RowConverter.parse(TABLE)
    assert isinstance(plan.job([word, "", str(BOTS[1]), ""], 5), NewJob)
    assert "1 key is a word for a total" in str(plan.seen.notes()[0])
    assert "total" in refused([word, "", "", ""])


def test_short_ids_that_are_counted_up_are_no_sums() -> None:
    assert of_table(["3"], ["6"], ["12"], headers=["bot.id"], bots=[1, 2]) == ["", "", ""]


@given(st.lists(st.integers(10**9, 10**15), min_size=1, max_size=50), st.sampled_from([11, 15, 17]))
def test_any_column_of_bots_is_known_by_its_sum_as_it_is_shown(bots: list[int], digits: int) -> None:
    shown = f"{float(f'{float(sum(bots)):.{digits}g}'):.0f}"
    assert of_table(["Gran total:", "", shown, ""], bots=bots) != [""]


def test_a_bot_id_that_is_meant_is_a_bot_beside_any_key() -> None:
    assert refused(["Total", "", "(1)", ""], as_is=["bot.id"]) == ""
    assert "total" in refused(["Total", "", "2", ""], as_is=["bot.id"])


def test_a_total_may_stand_in_a_column_that_is_passed_over() -> None:
    plan = RowConverter.parse(["N°", *TABLE], ReadOptions(maps={"N°": ""}, new_bots=True))
    problems = plan.job(["Total", "", "", "2", ""], 9)
    assert isinstance(problems, list)
    assert "total" in problems[0].message


@pytest.mark.parametrize(
    "cells",
    [
        ["Total", "", "100200300", ""],
        ["Total Energies", "", "", ""],
        ["Total Energies", "", "2", ""],
        ["quito", "Total", "", ""],
        ["key", "", "100200300", ""],
        ["centro", "Name", "", "normal"],
        ["k1", "# 1 in pizza", "100200300", ""],
        ["status", "Status page", "centro-norte", "normal"],
        ["type", "", "bot-1", ""],
        ["texto", "Imprenta", "centro", "normal"],
        ["texto", "Texto", "100200300", "normal"],
    ],
)
def test_a_tenant_with_an_odd_name_is_one(cells: Sequence[str]) -> None:
    assert refused(cells) == ""


def test_a_tenant_that_is_called_like_a_total_or_a_header_is_noted() -> None:
    plan = RowConverter.parse(TABLE)
    for row, key in enumerate(["quito", "total", "Label", "TOTAL:", "Gran total", "Bot-Id", "totalidad"], 2):
        assert isinstance(plan.job([key, "", f"10020030{row}", ""], row), NewJob)
    assert list(map(str, plan.seen.notes())) == [
        "5 keys are words for a total or a column, not for a tenant; row 3 is 'total'; sent unchanged"
    ]
    meant = RowConverter.parse(TABLE, ReadOptions(as_is=["key"]))
    assert isinstance(meant.job(["total", "", "100200300", ""], 2), NewJob)
    assert meant.seen.notes() == []


@pytest.mark.parametrize(
    "cells",
    [
        ["# quito", "Quito", "100200300", "normal"],
        ["#quito", "Quito", "100200300", "normal"],
        [" # quito", "Quito", "100200300", "normal"],
        ["#42", "Quito", "centro-norte", "normal"],
        ["#closed", "", "7", ""],
        ["#", "old ones below", "", ""],
        ["", "# old ones below", "", ""],
        ["# old ones below", "", "", ""],
    ],
)
def test_a_row_that_begins_with_a_hash_is_a_comment(cells: Sequence[str]) -> None:
    assert "comment" in refused(cells)
    assert "comment" not in refused([*cells, "", "", ""][:4], as_is=["key"])


@pytest.mark.parametrize("column", ["label", "notas", "Tienda"])
@pytest.mark.parametrize("bot", ["100200300", "+593987654321", "centro-norte"])
def test_a_name_with_a_hash_beside_a_bot_of_its_own_is_no_comment(column: str, bot: str) -> None:
    plan = RowConverter.parse([column, "key", "bot.id"], ReadOptions(maps={"notas": "", "Tienda": "label"}))
    for row, name in enumerate(["Norte", "#Fiesta", " #1Pizza"], 2):
        assert isinstance(plan.job([name, f"k{row}", bot], row), NewJob)
    [note] = [note for note in map(str, plan.seen.notes()) if "#" in note]
    assert note == (
        f"{column}: 2 rows begin with # there, as a comment would, but have bots; "
        "row 3 is '#Fiesta'; sent unchanged"
    )


@pytest.mark.parametrize("name", ["#Fiesta", "# Fiesta", " #Fiesta"])
@pytest.mark.parametrize("bot", ["", "3", "2 bots"])
def test_a_name_with_a_hash_beside_no_bot_is_a_comment(name: str, bot: str) -> None:
    headers = ["label", "key", "bot.id"]
    assert "comment" in refused([name, "k", bot], headers=headers)
    assert "comment" in refused(["# Fiesta", "k", "100200300"], headers=headers)
    assert "comment" in refused([name, "k", "100200300"], headers=["credential", "key", "bot.id"])


def test_a_row_of_an_outcome_file_was_a_tenant_whatever_it_looks_like() -> None:
    headers = ["outcome.state", "key", "bot.id"]
    for key in ("#0", "total", "key"):
        assert refused(["dead", key, ""], headers=headers) == ""
        assert "no tenant" in refused(["", key, ""], headers=headers)
    assert "header" in refused(headers, headers=headers)


@pytest.mark.parametrize("line", ["# old ones below", "# old,ones below", "Total,40"])
def test_a_row_that_lacks_cells_is_called_what_it_is(line: str) -> None:
    file = BytesIO(f"{','.join(TABLE)}\nquito,Quito,100200300,normal\n{line}\n".encode())
    _, problem = Reading(file)
    assert isinstance(problem, InvalidJobError)
    assert problem.row == 3
    assert "no tenant" in problem.message


def test_a_colour_at_the_begin_of_a_row_is_no_comment() -> None:
    headers = ["widget.theme.vars.color.primary", "key", "bot.id"]
    assert refused(["#00677F", "k", "100200300"], headers=headers) == ""
    assert refused(["", "#k", "100200300"], headers=headers) != ""


@pytest.mark.parametrize(
    "cells",
    [
        list(TABLE),
        [header.upper() for header in TABLE],
        list(reversed(TABLE)),
        ["Key", "Label", "Bot ID", "Widget Type"],
        ["Referencia", "Nombre", "Bot", ""],
        ["key", "", "", ""],
        ["", "", "bot-id", ""],
        ["Clave", "La tienda", "Id bot", "Tipo"],
    ],
)
def test_headers_among_the_rows_are_no_tenant(cells: Sequence[str]) -> None:
    assert refused(cells) == "this repeats a header: the row is no tenant"


@pytest.mark.parametrize(
    "cells",
    [
        ["texto", "texto", "número", "normal/group"],
        ["string", "string", "string", ""],
        ["obligatorio", "opcional", "obligatorio", "obligatorio"],
    ],
)
def test_a_row_that_says_what_the_columns_hold_is_no_tenant(cells: Sequence[str]) -> None:
    assert refused(cells) == "this says what the column holds: the row is no tenant"


@given(st.permutations(["Ref.", "Número de bot", "Tienda", "widget.theme.vars.color.grey.200"]), st.data())
def test_headers_are_known_again_in_any_order_and_in_a_mapped_table(
    cells: list[str], data: st.DataObject
) -> None:
    headers = ["Ref.", "Número de bot", "Tienda", "widget.theme.vars.color.grey.200"]
    maps = {"Ref.": "key", "Número de bot": "bot.id", "Tienda": "label"}
    written = [data.draw(st.sampled_from([cell, cell.upper(), cell.replace(" ", "-")])) for cell in cells]
    plan = RowConverter.parse(headers, ReadOptions(maps=maps, new_bots=data.draw(st.booleans())))
    problems = plan.job(written, 9)
    assert isinstance(problems, list)
    assert ["repeats a header" in problem.message for problem in problems] == [True]


@pytest.mark.parametrize("text", ["#N/A", "#NV", "#REF!"])
def test_an_error_at_the_begin_of_a_row_is_called_what_it_is(text: str) -> None:
    assert "error" in refused([text, "", "100200300", ""])
