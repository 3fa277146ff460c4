"""The page for services, carried out as it stands, against a real server and broker."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from api.problem import Kind
from tests.docs.pages import Shown, shown_commands, table_words
from tests.support.http_server import PATIENCE, environ, make_token, running_server
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "how-to" / "call-it-from-a-service.md"


RECIPE = "Try a webhook on this machine"


def test_every_refusal_is_documented() -> None:
    page = ROOT / "docs" / "reference" / "http-api.md"
    assert table_words(page, under="Refusals") == [kind.slug for kind in Kind]


def _blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page uses curl")
def test_the_commands_of_the_page_do_what_it_says(valkey_url: str, tmp_path: Path) -> None:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    # As `operations` of the page has it, for the commands that change what all owners share.
    token = make_token(valkey_url, "onboarding", "submit", "read", "operate", "keys", all_owners=True)
    with running_server(valkey_url, tmp_path, token) as server:
        said: list[Any] = []
        for shown in shown_commands(PAGE):
            if shown.words[0] != "curl" or shown.heading == RECIPE:
                continue
            line = shown.line.replace("http://127.0.0.1:8080", server.url)
            done = subprocess.run(
                ["/bin/sh", "-c", line],
                cwd=tmp_path,
                env=environ(valkey_url) | {"TOKEN": server.token},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            said.append(json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout)
        job, taken, batch, page, file, bulk_act, bulk_acts = said[:7]
        causes, history, workers, audit, put, pace, deleted, paused, resumed, webhook = said[7:]
        assert isinstance(file, str)
        assert (job["key"], job["verdict"]) == ("tenant-42", "new")
        assert taken["accepted"] == batch["accepted"] > 0
        assert len(page["jobs"]) == 2
        assert [each["id"] for each in bulk_acts["bulk_acts"]] == [bulk_act["id"]]
        assert webhook["secret"].startswith("whsec_")
        assert file.lstrip("\ufeff").startswith("key,credential,label")
        assert (causes, deleted) == ({**causes, "state": "dead", "causes": []}, "")
        assert history["spans"] == workers["workers"] == []
        assert {each["by"] for each in audit["acts"]} <= {"onboarding"}  # the bulk act, once it has ended
        assert put == pace == {"credential": "default", "pace": "5/s", "set": True, "workers": 0}
        assert (paused["done"], resumed["done"]) == ("paused", "goes on")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_programs_of_the_page_run_in_an_environment_that_has_what_it_installs_and_nothing_else(
    valkey_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "service"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=120)
    installs = [shown for shown in shown_commands(PAGE) if shown.words[:2] == ["pip", "install"]]
    assert len(installs) == 2
    for shown in installs:
        pip = [str(home / "bin" / "python"), "-m", *shown.words]
        done = subprocess.run(pip, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        if "No matching distribution" in done.stderr and "setuptools" not in done.stderr:
            pytest.skip("no package registry can be reached")
        assert done.returncode == 0, done.stderr
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    with running_server(valkey_url, tmp_path) as server, Redis.from_url(valkey_url) as redis:
        for number, block in enumerate(_blocks("python")):
            if "serve_forever" in block:
                continue  # it has a test of its own
            program = tmp_path / f"program{number}.py"
            given = f"TOKEN = {server.token!r}\nBROKER_URL = {valkey_url!r}\n"
            program.write_text(given + block.replace("http://127.0.0.1:8080", server.url))
            done = subprocess.run(
                [str(home / "bin" / "python"), "-I", str(program)],
                cwd=tmp_path,
                env={"PATH": os.defpath},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        messages = redis.lrange("celery", 0, -1)
        assert any(b"provision.submit" in message for message in messages)
        assert server.client.get("/v1/jobs?key=tenant-43").json()["jobs"][0]["state"] == "queued"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page uses curl")
def test_the_receiver_of_the_page_checks_what_it_is_told(valkey_url: str, tmp_path: Path) -> None:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    [receiver] = [block for block in _blocks("python") if "serve_forever" in block]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    put, test = [each for each in shown_commands(PAGE) if each.heading == RECIPE and each.words[0] == "curl"]
    with running_server(valkey_url, tmp_path, ALLOW_PRIVATE="true") as server:

        def run(shown: Shown) -> dict[str, Any]:
            line = shown.line.replace("http://127.0.0.1:8080", server.url).replace(":9000", f":{port}")
            env = environ(valkey_url) | {"TOKEN": server.token}
            done = subprocess.run(
                ["/bin/sh", "-c", line], env=env, capture_output=True, text=True, timeout=60, check=True
            )
            said: dict[str, Any] = json.loads(done.stdout)
            assert said.keys() == json.loads(shown.output[0]).keys()
            return said

        secret = run(put)["secret"]
        for shown, accepted in ((secret, True), (f"whsec_{'A' * 43}=", False)):
            with subprocess.Popen(
                [sys.executable, "-c", receiver.replace("9000", port)],
                env=environ(valkey_url) | {"SECRET": shown},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as process:
                try:
                    _wait_for(int(port))
                    said = run(test)
                    assert (said["accepted"], said["status"]) == (accepted, 204 if accepted else 401)
                finally:
                    process.terminate()
                assert process.stdout is not None
                printed = process.stdout.read()
            assert printed == (b"webhook.test {'owner': 'default'}\n" if accepted else b"")


def _wait_for(port: int) -> None:
    """Waits until somebody listens there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
        else:
            return
