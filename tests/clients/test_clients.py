"""The document pleases a linter, and generated clients type-check and do the journey of the guide."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.generators import HERE, node_modules, node_tool, python_generator, run
from tests.support.http_server import Server, make_token, running_server
from tests.support.npm import node
from tests.support.repository import ROOT

DOCUMENT = ROOT / "docs" / "reference" / "http-api.openapi.json"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def server(valkey_url: str, tmp_path: Path) -> Iterator[Server]:
    token = make_token(valkey_url, tmp_path.name, "submit", "read")
    with running_server(valkey_url, tmp_path, token) as server:
        yield server


def test_redocly_has_nothing_to_say(tmp_path: Path) -> None:
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    said = run(node_tool("redocly"), "lint", "--format=json", str(DOCUMENT), cwd=tmp_path, **quiet)
    assert '"errors": 0,' in said
    assert '"warnings": 0,' in said
    assert '"ignored": 0' in said


def test_a_python_client(server: Server, tmp_path: Path) -> None:
    generator = python_generator()
    folder = HERE / "python"
    made = ["--output-path", "provisioner", "--meta", "none", "--config", str(folder / "config.yaml")]
    said = run(generator, "generate", "--path", str(DOCUMENT), *made, cwd=tmp_path)
    assert "Warning" not in said
    assert "Unable" not in said
    shutil.copy(folder / "journey.py", tmp_path)
    run(sys.executable, "-m", "mypy", "--strict", "journey.py", "provisioner", cwd=tmp_path)
    said = run(sys.executable, "journey.py", server.url, server.token, cwd=tmp_path)
    assert said == "the journey is done\n"


def test_a_typescript_client(server: Server, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules())
    for file in (HERE / "package.json", *(HERE / "typescript").iterdir()):
        shutil.copy(file, tmp_path)
    # No api.d.ts: the compiler does not check declarations of libraries, for which it needs most of its time.
    run(node_tool("openapi-typescript"), str(DOCUMENT), "--output", "api.ts", cwd=tmp_path)
    run(node_tool("tsc"), cwd=tmp_path)
    said = run(node(), "made/journey.js", server.url, server.token, cwd=tmp_path)
    assert said == "the journey is done\n"
