"""Owners at the command line: the same file for two services, looked at and filtered by owner."""

from __future__ import annotations

import json

from tests.support.commands import Desk

FILE = "key,bot.id\nt1,100200300\nt2,100200301\n"


def test_the_same_file_makes_a_batch_for_each_owner_and_each_is_found_by_its_owner(desk: Desk) -> None:
    (desk.folder / "june.csv").write_text(FILE)
    for owner in ((), ("--owner", "crm")):
        assert desk.run("apply", "june.csv", "--yes", *owner).code == 0
        again = desk.run("plan", "june.csv", "--json", *owner)
        assert json.loads(again.out)["verdicts"]["succeeded"] == 2
    assert json.loads(desk.run("plan", "june.csv", "--json", "--owner", "shop").out)["verdicts"]["new"] == 2
    listed = [json.loads(line) for line in desk.run("status", "--json").out.splitlines()]
    assert sorted((each["owner"], each["accepted"]) for each in listed) == [("crm", 2), ("default", 2)]
    mine = [json.loads(line) for line in desk.run("status", "--json", "--owner", "crm").out.splitlines()]
    assert [each["owner"] for each in mine] == ["crm"]
    assert desk.run("status", "crm/june").out.startswith("crm/june")
    ambiguous = desk.run("job", "t1")
    assert ambiguous.code != 0
    assert "of crm" in ambiguous.err
    assert desk.run("job", "t1", "--owner", "crm").code == 0
    assert (desk.folder / "crm" / "june.outcomes" / "created.csv").exists()
    for command in ("status", "jobs"):
        shown = desk.run(command, "june", "--json", "--owner", "crm").objects
        of_crm = desk.run(command, "crm/june", "--json").objects
        assert [each["batch"] for each in shown] == [each["batch"] for each in of_crm], command
        assert desk.run(command, "june", "--json", "--owner", "shop").code != 0


def test_a_doubt_is_settled_of_the_owner_who_is_named(desk: Desk) -> None:
    (desk.folder / "june.csv").write_text(FILE)
    for owner in ((), ("--owner", "crm")):
        assert desk.run("apply", "june.csv", "--yes", *owner).code == 0
    ambiguous = desk.run("resolve", "t1", "--created")
    assert "--owner OWNER" in ambiguous.err
    found = desk.run("resolve", "t1", "--created", "--owner", "crm")
    job = desk.run("job", "t1", "--json", "--owner", "crm").last["job"]
    assert f"{job} (t1) is not in doubt" in found.err


def test_no_batch_of_an_owner_has_the_folder_of_anothers(desk: Desk) -> None:
    for name in ("june", "crm.june"):
        (desk.folder / f"{name}.csv").write_text(FILE)
    assert desk.run("apply", "crm.june.csv", "--yes").code == 0
    before = (desk.folder / "crm.june.outcomes" / "created.csv").read_text()
    assert desk.run("apply", "june.csv", "--yes", "--owner", "crm").code == 0
    assert (desk.folder / "crm.june.outcomes" / "created.csv").read_text() == before


def test_a_token_is_listed_with_its_owner_and_its_end(desk: Desk) -> None:
    made = desk.run(
        "token", "create", "crm", "--owner", "crm", "--scope", "read", "--expires", "90d", "--json"
    )
    token = json.loads(made.out)
    assert (token["owner"], token["all_owners"]) == ("crm", False)
    assert token["preset"].endswith(":crm")
    assert round((token["expires_at"] - token["created_at"]) / 86400) == 90
    act = desk.run("audit", "--json").objects[0]
    assert (act["act"], act["on"]) == ("token", "token:crm")
    assert act["facts"] == {"done": "created", "owner": "crm", "scopes": "read"}
    listed = desk.run("token", "list").out
    assert "crm  crm  read  expires " in listed
    for wrong in (("--owner", "C/D"), ("--expires", "soon"), ("--expires", "0d")):
        refused = desk.run("token", "create", "x", "--scope", "read", *wrong)
        assert refused.code == 2
        assert "hint:" in refused.err
