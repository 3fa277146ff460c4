"""Every shell command that a hint prints is run as it is printed, and what comes of it is read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from producers.files.file_kinds import _MAGIC
from producers.files.reading import Reading
from provisioning.errors import InvalidInputError
from provisioning.job import NewJob

CSV = "key,bot.id,label\na,100200300,Peña\nb,100200301,x\n"
JOBS = [{"key": key, "bot": {"id": bot}} for key, bot in (("a", "100200300"), ("b", "100200301"))]
LIST = json.dumps(JOBS, indent=1)
OVER_LINES = "\n".join(json.dumps(job, indent=1) for job in JOBS)


def wanted(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")


def by(*command: str) -> Callable[[bytes], bytes]:
    def pack(content: bytes) -> bytes:
        wanted(command[0])
        return subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True).stdout

    return pack


def archive(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("inside.csv")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def old_compress(content: bytes) -> bytes:
    """A `.Z` of a short text: each byte a code of nine bits, lowest first, and nothing compressed."""
    assert len(content) < 255
    codes = sum(byte << (9 * at) for at, byte in enumerate(content))
    return b"\x1f\x9d\x90" + codes.to_bytes(-(-9 * len(content) // 8), "little")


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "zstd -d": (".zst", by("zstd", "-c")),
    "bunzip2": (".bz2", bz2.compress),
    "unxz": (".xz", lzma.compress),
    "lz4 -d": (".lz4", by("lz4", "-c")),
    "uncompress": (".Z", old_compress),
    "tar -xkf": (".tar", archive),
}
NOT_TRIED = {"7z x": "nothing here makes 7-Zip archives", "unrar x": "nothing here makes RAR archives"}


def hint_for(where: Path | io.BytesIO | str) -> str:
    with pytest.raises(InvalidInputError) as told:
        list(Reading(where))
    return told.value.hint


def run(command: str, cwd: Path, content: bytes | None = None) -> bytes:
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command],
        cwd=cwd,
        input=content,
        stdin=subprocess.DEVNULL if content is None else None,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def keys(where: Path | io.BytesIO) -> list[str]:
    return [job.key for job in Reading(where) if isinstance(job, NewJob)]


def printed(hint: str, before: str) -> str:
    """The command of a hint."""
    assert hint.startswith(before), hint
    command = hint.removeprefix(before)
    wanted(*re.findall(r"(?:^|\| )(\S+)", command))
    return command


NAMES = ["clientes.csv{}", "los clientes de Peña.csv{}", "-x.csv{}", "it's $HOME.csv{}", "clientes{}"]


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("name", [*NAMES, "clientes.csv", "a.dat"])
@pytest.mark.parametrize("program", PACKERS)
def test_what_unpacks_a_file_is_run_as_printed(
    program: str, name: str, relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffix, pack = PACKERS[program]
    monkeypatch.chdir(tmp_path)
    path = Path(name.format(suffix)) if relative else tmp_path / name.format(suffix)
    content = pack(CSV.encode())
    path.write_bytes(content)
    run(printed(hint_for(path), "unpack it first: "), tmp_path)
    assert path.read_bytes() == content
    [made] = [each for each in tmp_path.iterdir() if each.name != path.name]
    assert keys(made) == ["a", "b"]


@pytest.mark.parametrize("program", [program for program in PACKERS if program != "tar -xkf"])
def test_what_unpacks_a_pipe_is_run_as_printed(program: str, tmp_path: Path) -> None:
    content = PACKERS[program][1](CSV.encode())
    command = re.fullmatch(r"unpack it first: put (.+) into the pipe", hint_for(io.BytesIO(content)))
    assert command
    wanted(command[1].split()[0])
    assert keys(io.BytesIO(run(f"cat | {command[1]} | cat", tmp_path, content))) == ["a", "b"]


def test_an_archive_in_a_pipe_is_unpacked_by_hand() -> None:
    assert "pipe" not in hint_for(io.BytesIO(archive(CSV.encode())))


def encoded(text: str, how: str) -> bytes:
    name, _, packed = how.partition("+")
    content = text.encode(name)
    return gzip.compress(content) if packed else content


HOW = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-8+gz", "utf-16+gz"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ["a.json", "los clientes.json", "-x.json", "a.jsonl", "a.txt", "a"])
@pytest.mark.parametrize(
    ("text", "before"), [(LIST, "turn it into lines"), (OVER_LINES, "join each object's lines")]
)
def test_what_makes_lines_of_json_is_run_as_printed(
    text: str, before: str, name: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(f"{name}.gz" if how.endswith("gz") else name)
    path.write_bytes(encoded(text, how))
    run(printed(hint_for(path), f"{before}: "), tmp_path)
    [made] = [each for each in tmp_path.iterdir() if each.name != path.name]
    assert keys(made) == ["a", "b"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("text", [LIST, OVER_LINES])
def test_what_makes_lines_of_json_in_a_pipe_is_run_as_printed(text: str, how: str, tmp_path: Path) -> None:
    content = encoded(text, how)
    command = re.fullmatch(r".*: put (.+) into the pipe", hint_for(io.BytesIO(content)))
    assert command
    wanted(*re.findall(r"(?:^|\| )(\S+)", command[1]))
    assert keys(io.BytesIO(run(f"cat | {command[1]} | cat", tmp_path, content))) == ["a", "b"]


def test_a_packed_archive_and_a_packed_packed_file_are_unpacked_as_printed(tmp_path: Path) -> None:
    for name, content in (
        ("a.tar.gz", gzip.compress(archive(CSV.encode()))),
        ("a.csv.bz2.gz", gzip.compress(bz2.compress(CSV.encode()))),
    ):
        where = tmp_path / name.replace(".", "_")
        where.mkdir()
        path = where / name
        path.write_bytes(content)
        run(printed(hint_for(path), "unpack it first: "), where)
        [made] = [each for each in where.iterdir() if each != path]
        assert keys(made) == ["a", "b"]


@pytest.mark.parametrize("program", NOT_TRIED)
def test_what_unpacks_other_archives_is_run_as_printed(program: str) -> None:
    pytest.skip(f"{program}: {NOT_TRIED[program]}")


def test_every_program_that_a_hint_names_is_tried_or_said_not_to_be() -> None:
    assert {magic.unpack for magic in _MAGIC if magic.unpack} == {*PACKERS, *NOT_TRIED}
