"""`provision console`: pages for one person on one machine, with nothing to set up."""

from __future__ import annotations

import re
import signal

import httpx

from tests.support.commands import Desk, until


def test_a_person_opens_the_link_once_and_sees_what_was_applied(desk: Desk) -> None:
    (desk.folder / "june.csv").write_text("key,bot.id\nt1,100200300\n")
    assert desk.run("apply", "june.csv", "--yes").code == 0
    console = desk.start("console", "--no-open")
    until(lambda: "open http" in console.said, "the link is printed")
    found = re.search(r"open (http://127\.0\.0\.1:\d+)(/enter\?code=\S+)", console.said)
    assert found is not None
    with httpx.Client(base_url=found[1], timeout=60) as client:
        page = client.get(found[2], follow_redirects=True)
        assert page.url.path == "/batches"
        assert "june" in page.text
    with httpx.Client(base_url=found[1], timeout=60) as client:
        again = client.get(found[2], follow_redirects=True)
        assert again.status_code == 403
        assert "used already" in again.text
        assert client.get("/batches").status_code == 303
    ended = console.end(signal.SIGINT)
    assert ended.code in (0, 130)
    assert "Traceback" not in ended.err


def test_a_wrong_code_ends_the_link(desk: Desk) -> None:
    console = desk.start("console", "--no-open")
    until(lambda: "open http" in console.said, "the link is printed")
    found = re.search(r"open (http://127\.0\.0\.1:\d+)(/enter\?code=\S+)", console.said)
    assert found is not None
    with httpx.Client(base_url=found[1], timeout=60) as client:
        assert client.get("/enter?code=guess").status_code == 403
        assert client.get(found[2]).status_code == 403
    console.end(signal.SIGTERM)
