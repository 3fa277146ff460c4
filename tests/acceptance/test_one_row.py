"""`provision plan --row`: any row as it will be sent, before anything is."""

from __future__ import annotations

from tests.support.commands import Desk

ROWS = (
    "key,label,bot.id,widget.theme.position,credentials.whiteList\n"
    "a,Café,100200300,br,s3cret\nb,,,br,\nc,,100200302,bl,\n"
)


def test_a_row_is_shown_as_it_will_be_sent_with_its_secrets_masked(desk: Desk, redis_url: str) -> None:
    (desk.folder / "t.csv").write_text(ROWS)
    ran = desk.run("plan", "t.csv", "--row", "2", REDIS_URL=redis_url)
    assert ran.code == 0, ran.err
    assert "row 2 of t.csv" in ran.out
    assert "new: will be sent" in ran.out
    assert '"position": "br"' in ran.out
    assert "***" in ran.out
    assert "s3cret" not in ran.out + ran.err


def test_a_program_reads_the_row_as_an_object_with_what_the_ledger_knows_of_it(
    desk: Desk, redis_url: str
) -> None:
    (desk.folder / "t.csv").write_text(ROWS)
    applied = desk.run("apply", "t.csv", "--detach", "--skip-invalid", "--yes", REDIS_URL=redis_url)
    assert applied.code == 0, applied.err
    ran = desk.run("plan", "t.csv", "--row", "2", "--json", REDIS_URL=redis_url)
    assert ran.objects == [
        {
            "row": 2,
            "key": "a",
            "credential": "default",
            "label": "Café",
            "verdict": "queued",
            "body": {
                "bot": {"id": "100200300"},
                "widget": {"theme": {"position": "br"}},
                "credentials": {"whiteList": ["***"]},
            },
            "problems": [],
        }
    ]


def test_the_reading_options_apply(desk: Desk, redis_url: str) -> None:
    (desk.folder / "t.csv").write_text("id;bot\nx;100200300\n")
    (desk.folder / "d.json").write_text('{"widget": {"theme": {"position": "tl"}}}')
    options = ("--map", "id=key", "--map", "bot=bot.id", "--delimiter", ";", "--defaults", "d.json")
    ran = desk.run("plan", "t.csv", "--row", "2", *options, "--json", REDIS_URL=redis_url)
    assert ran.last["body"]["widget"] == {"theme": {"position": "tl"}}


def test_the_problems_of_a_row_are_shown_instead_and_the_exit_code_says_so(
    desk: Desk, redis_url: str
) -> None:
    (desk.folder / "t.csv").write_text(ROWS)
    ran = desk.run("plan", "t.csv", "--row", "3", REDIS_URL=redis_url)
    assert (ran.code, "--new-bots" in ran.out) == (2, True)
    ran = desk.run("plan", "t.csv", "--row", "3", "--json", REDIS_URL=redis_url)
    assert ran.code == 2
    assert (ran.last["row"], ran.last["body"], ran.last["verdict"]) == (3, None, None)
    assert [problem["column"] for problem in ran.last["problems"]] == ["bot.id"]


def test_a_row_that_is_not_there_is_one_clear_line(desk: Desk, redis_url: str) -> None:
    (desk.folder / "t.csv").write_text(ROWS)
    for options, says in (
        (("--row", "9"), "error: t.csv has no row 9"),
        (("--row", "1"), "error: row 1 of t.csv holds no tenant"),
        (("--row", "2", "--out", "p.csv"), "error: --row is about one row"),
    ):
        ran = desk.run("plan", "t.csv", *options, REDIS_URL=redis_url)
        assert (ran.code, ran.out) == (2, "")
        assert says in ran.err
        assert "hint: " in ran.err
