"""Headers and cells, as values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from producers.files.defaults import lay_over
from producers.files.read_options import ReadOptions
from producers.files.row_converter import RowConverter
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import MAX_KEY_LENGTH, NewJob, fingerprint


def body_of(cells: dict[str, str], **options: Any) -> Any:
    """The body that one row makes; a bot id and a key are added where the test has no word on them."""
    cells = {"key": "k", "bot.id": "100", **cells}
    job = RowConverter.parse(list(cells), ReadOptions(**options)).job(list(cells.values()), 2)
    assert isinstance(job, NewJob), [(problem.field, problem.message) for problem in job]
    return json.loads(job.body)


def problems_of(cells: dict[str, str], **options: Any) -> list[InvalidJobError]:
    """All that is wrong with one row."""
    cells = {"key": "k", "bot.id": "100", **cells}
    problems = RowConverter.parse(list(cells), ReadOptions(**options)).job(list(cells.values()), 2)
    assert isinstance(problems, list)
    return problems


def test_dotted_headers_become_nested_members() -> None:
    assert body_of({"widget.theme.vars.color.primary": "#123", "widget.theme.position": "br"}) == {
        "bot": {"id": "100"},
        "widget": {"theme": {"position": "br", "vars": {"color": {"primary": "#123"}}}},
    }


def test_an_empty_or_blank_cell_leaves_its_member_and_its_empty_parents_out() -> None:
    blank = {"widget.theme.position": "", "widget.theme.font.name": " ", "credentials.whiteList": " ; "}
    assert body_of(blank) == {"bot": {"id": "100"}, "widget": {}}


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "yes", "Verdadero", "si", "Sí", " true "])
def test_words_for_true(word: str) -> None:
    assert body_of({"widget.theme.status": word})["widget"] == {"theme": {"status": True}}


@pytest.mark.parametrize("word", ["false", "0", "No", "FALSO", "off"])
def test_words_for_false(word: str) -> None:
    assert body_of({"widget.theme.font.googlefont": word})["widget"]["theme"]["font"] == {"googlefont": False}


@pytest.mark.parametrize("word", ["maybe", "2", "verdad", "tr ue", "[true]", "{}"])
def test_anything_else_where_true_or_false_is_documented_is_a_problem(word: str) -> None:
    [problem] = problems_of({"widget.theme.status": word})
    assert (problem.row, problem.field, problem.value) == (2, "widget.theme.status", word)


def test_lists_are_split_and_blank_items_dropped() -> None:
    body = body_of({"credentials.whiteList": "a; b;;", "credentials.blackList": '["x;y"]'})
    assert body["credentials"] == {"whiteList": ["a", "b"], "blackList": ["x;y"]}
    assert body_of({"credentials.whiteList": "a|b;c"}, separator="|")["credentials"]["whiteList"] == [
        "a",
        "b;c",
    ]


def test_members_that_nobody_documents_pass_under_widget_as_text() -> None:
    assert body_of({"widget.homeMenu.size": "5"})["widget"] == {"homeMenu": {"size": "5"}}


def test_a_cell_that_starts_like_json_is_json() -> None:
    cells = {"widget.theme.vars.color.grey": '{"200":"#EEE"}', "widget.list": "[1, null]"}
    widget = body_of(cells)["widget"]
    assert widget == {"theme": {"vars": {"color": {"grey": {"200": "#EEE"}}}}, "list": [1, None]}


def test_a_json_cell_and_columns_below_it_are_merged_and_the_column_wins() -> None:
    cells = {
        "widget.theme.position": "br",
        "widget": '{"theme":{"position":"bl","x":1}}',
        "widget.theme": '{"y":2}',
    }
    assert body_of(cells)["widget"] == {"theme": {"position": "br", "x": 1, "y": 2}}


def test_one_cell_cannot_be_text_and_have_members_below_it() -> None:
    headers = {"widget.a": "text", "widget.a.b": "more"}
    [problem] = problems_of(headers)
    assert problem.field == "widget.a"
    assert body_of({**headers, "widget.a.b": ""})["widget"] == {"a": "text"}
    assert body_of({**headers, "widget.a": ""})["widget"] == {"a": {"b": "more"}}


@pytest.mark.parametrize(
    ("header", "cell", "part"),
    [
        ("widget.properties", "{", "cannot be read as JSON"),
        ("widget.x", "[a]", "cannot be read as JSON"),
        ("widget.theme", "dark", "must be a JSON object"),
        ("widget.theme", "[1]", "must be a JSON object, not a list"),
        ("widget.theme", '{"status":"true"}', "must be true or false, not text"),
        ("widget.theme.position", '{"a":1}', "must be text, not an object"),
        ("widget.x", '{"a":"\\u0000"}', "control character (U+0000)"),
        ("widget.x", "[" * 100_000, "nested too deep"),
        ("credentials.whiteList", "[1]", "must be a list of texts"),
        ("widget.x", "#REF!", "error value"),
        ("widget.x", "#¡VALOR!", "error value"),
        ("widget.x", "a\x07", "control character (U+0007)"),
        ("widget.x", "a" * 70_000, "the body has"),
        ("key", "", "the key is empty"),
        ("key", "x" * (MAX_KEY_LENGTH + 1), "at most 200"),
        ("key", "a\u200bb", "invisible character (U+200B, zero width space)"),
        ("key", "a\nb", "invisible character (U+000A"),
        ("bot.id", "", "no bot id"),
        ("bot.id", "1.23457E+11", "scientific notation"),
        ("label", "x" * 501, "at most 500"),
    ],
)
def test_what_is_wrong_with_a_cell_is_said_with_its_row_and_column(header: str, cell: str, part: str) -> None:
    [problem] = problems_of({header: cell})
    assert part in problem.message
    assert problem.row == 2
    assert problem.field in (header, "", f"{header}.status", f"{header}.a")
    assert len(problem.value) <= 60


def test_all_problems_of_a_row_are_reported_in_the_order_of_its_columns() -> None:
    cells = {"widget.theme.status": "maybe", "key": "", "bot.id": "#N/A", "widget.theme.font": "{"}
    assert [problem.field for problem in problems_of(cells)] == [
        "key",
        "bot.id",
        "widget.theme.status",
        "widget.theme.font",
    ]


def test_a_secret_in_the_credential_column_is_refused_and_not_repeated() -> None:
    [problem] = problems_of({"credential": "client:s3cret"})
    assert "s3cret" not in f"{problem.message} {problem.hint} {problem.value}"


def test_a_row_names_its_credentials_or_gets_the_default() -> None:
    columns = RowConverter.parse(["key", "credential", "bot.id"], ReadOptions(credential="acme"))
    first, second = columns.job(["a", "", "1"], 2), columns.job(["b", "other", "1"], 3)
    assert isinstance(first, NewJob)
    assert isinstance(second, NewJob)
    assert (first.credential, second.credential) == ("acme", "other")


def test_without_a_key_column_the_body_is_the_key() -> None:
    job = RowConverter.parse(["bot.id"]).job(["100"], 2)
    assert isinstance(job, NewJob)
    assert job.key == "body-" + fingerprint({"widget": {}, "bot": {"id": "100"}})[:24]


def test_an_empty_bot_id_makes_a_new_bot_only_when_asked() -> None:
    assert body_of({"bot.id": ""}, new_bots=True) == {"bot": {}, "widget": {}}
    [problem] = problems_of({"bot.id": ""})
    assert "--new-bots" in problem.hint


def test_every_row_is_laid_over_the_defaults_which_stay_as_they_were() -> None:
    defaults = {
        "bot": {"id": "7"},
        "widget": {"theme": {"position": "bl", "status": True}, "x": {"a": 1}},
        "credentials": {"whiteList": ["d"]},
    }
    before = json.dumps(defaults)
    cells = {"bot.id": "", "widget.theme.position": "br", "widget.x": '{"b":2}', "credentials.whiteList": ""}
    assert body_of(cells, defaults=defaults) == {
        "bot": {"id": "7"},
        "widget": {"theme": {"position": "br", "status": True}, "x": {"a": 1, "b": 2}},
        "credentials": {"whiteList": ["d"]},
    }
    assert body_of({"bot.id": "8"}, defaults=defaults)["bot"] == {"id": "8"}
    assert json.dumps(defaults) == before


def test_lay_over_merges_objects_and_replaces_all_else() -> None:
    assert lay_over({"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"c": []}, "d": {"e": 2}}) == {
        "a": {"b": 1, "c": []},
        "d": {"e": 2},
    }


@pytest.mark.parametrize(
    "defaults", [{"wigdet": {}}, {"widget": {"theme": {"status": "yes"}}}, {"widget": 5}]
)
def test_defaults_that_are_no_body_are_refused(defaults: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="the defaults are not a body"):
        RowConverter.parse(["bot.id"], ReadOptions(defaults=defaults))


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("bot_id", "bot.id"),
        ("Bot Id", "bot.id"),
        ("BOT.ID", "bot.id"),
        ("bot", "bot.id"),
        ("Key", "key"),
        ("white_list", "credentials.whiteList"),
        ("credentials.blacKList", "credentials.blackList"),
        ("color_primary", "widget.theme.vars.color.primary"),
        ("button_logo_url", "widget.startButton.logoUrl"),
        ("font_google", "widget.theme.font.googlefont"),
        ("widget_type", "widget.properties.type"),
        ("widget.theme.Status", "widget.theme.status"),
        ("Widget.theme.position", "widget.theme.position"),
        ("wigdet.theme.position", "widget.theme.position"),
        ("credentails.whiteList", "credentials.whiteList"),
        ("row_ref", "key"),
        ("site_label", "label"),
    ],
)
def test_a_header_that_is_not_understood_gets_the_nearest_and_the_way_to_map_it(
    header: str, meant: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        RowConverter.parse([header, "widget.theme.font.name"])
    assert f"did you mean {meant}?" in caught.value.message
    assert "--map" in caught.value.hint
    assert f"{header}={meant}" in caught.value.hint


def test_all_headers_that_are_not_understood_are_named_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        RowConverter.parse(["bot_id", "zzz", "key"])
    assert "2 headers 'bot_id' (did you mean bot.id?), 'zzz' are not understood" in caught.value.message
    assert caught.value.hint.startswith("--map bot_id=bot.id --map zzz= ")


def test_a_mapping_renames_a_column_or_passes_it_over() -> None:
    maps = {"ID bot": "bot.id", "notas": "", "absent": "label"}
    columns = RowConverter.parse(["ID bot", "notas", "outcome.reason"], ReadOptions(maps=maps))
    assert columns.layout.paths == ("bot.id", "", "")
    assert columns.layout.headers == ("ID bot", "notas", "outcome.reason")
    assert tuple(map(str, columns.notes)) == ("no column is named 'absent': this mapping was not used",)
    job = columns.job(["100", "\n", "rejected"], 2)
    assert isinstance(job, NewJob)
    assert json.loads(job.body) == {"bot": {"id": "100"}, "widget": {}}


def test_problems_name_the_column_as_the_file_does() -> None:
    [problem] = RowConverter.parse(["ID bot"], ReadOptions(maps={"ID bot": "bot.id"})).job(["#N/A"], 9)  # type: ignore[misc]
    assert problem.field == "ID bot"


@pytest.mark.parametrize("header", ["widget.", "widget..x", "widget.a. b"])
def test_a_path_with_an_empty_or_padded_step_is_not_understood(header: str) -> None:
    with pytest.raises(InvalidInputError, match="not understood"):
        RowConverter.parse(["bot.id", header])


def test_a_near_miss_under_widget_is_sent_and_noted() -> None:
    columns = RowConverter.parse(
        ["bot.id", "widget.theme.vars.color.primari", "widget.theme.vars.color.grey.300"]
    )
    [note] = columns.notes
    assert "did you mean 'widget.theme.vars.color.primary'?" in str(note)


def test_two_headers_for_one_member_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"bot\.id is given twice: by 'bot' and 'bot\.id'"):
        RowConverter.parse(["bot", "bot.id"], ReadOptions(maps={"bot": "bot.id"}))


def test_the_body_is_compact_json_in_utf8() -> None:
    job = RowConverter.parse(["bot.id", "widget.x"]).job(["100", "Ñandú"], 2)
    assert isinstance(job, NewJob)
    assert job.body == '{"bot":{"id":"100"},"widget":{"x":"Ñandú"}}'.encode()
    assert job.row == 2


def test_control_characters_of_a_text_that_was_utf_8_are_not_to_be_removed() -> None:
    plan = RowConverter.parse(["key", "bot.id", "label"])
    twice = "Peña".encode().decode("latin-1").encode().decode("latin-1")
    for text, hint in ((twice, "export it anew as UTF-8, from where it comes"), ("Pe\x08a", "remove it")):
        found = plan.job(["a", "100", text], 2)
        assert isinstance(found, list)
        assert [problem.hint for problem in found] == [hint]
        assert "control character" in found[0].message
