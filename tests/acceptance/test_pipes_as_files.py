"""What a shell gives for a file and is none: a pipe with a name, `/dev/stdin`, `<(…)`."""

from __future__ import annotations

import json

import pytest

from tests.fixtures.workbook import workbook
from tests.support.commands import PROVISION, Desk

ROWS = [("key", "bot.id"), ("a", "100200300"), ("b", "100200301")]


@pytest.mark.parametrize("way", ["/dev/stdin < {file}", "<(cat {file})", "- < {file}"])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_pipe_is_read_as_a_file_is(way: str, kind: str, desk: Desk, redis_url: str) -> None:
    file = f"tenants.{kind}"
    text = "".join(",".join(row) + "\n" for row in ROWS).encode()
    (desk.folder / file).write_bytes(workbook(ROWS) if kind == "xlsx" else text)
    line = f"'{PROVISION}' plan {way.format(file=file)} --json"
    ran = desk.start_program(["bash", "-c", line], REDIS_URL=redis_url).end()
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["rows"] == 2


def test_a_list_of_problems_without_room_is_not_taken_for_redis(desk: Desk, redis_url: str) -> None:
    (desk.folder / "bad.csv").write_text("key,bot.id\n" + "a,\n" * 2000)
    ran = desk.run("plan", "bad.csv", "--out", "/dev/full", REDIS_URL=redis_url)
    assert ran.code == 2
    assert "error: --out: cannot write /dev/full (No space left on device)" in ran.err


def test_notes_are_told_beside_json_and_before_an_error(desk: Desk, redis_url: str) -> None:
    (desk.folder / "old.csv").write_bytes(b'key,bot.id,label\na,100,Pe\xf1a\n"b,200,x\n')
    for command in (
        ["plan"],
        ["plan", "--json"],
        ["apply", "--detach", "--json"],
        ["apply", "--detach", "-q"],
    ):
        ran = desk.run(*command, "old.csv", REDIS_URL=redis_url)
        assert ran.code == 2
        assert "note: the file is not UTF-8" in ran.err
        assert "Traceback" not in ran.err
