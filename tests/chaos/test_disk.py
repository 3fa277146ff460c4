"""The power cut of the harness takes away what was not synced, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from chaos.disk import Synced, missing
from chaos.valkey import Valkey

FILE = "/data/appendonlydir/a.aof"


def synced_bytes(*lines: str, before: int = 100) -> int:
    """Bytes of the file that a power cut leaves after these calls."""
    synced = Synced(Path("/data"), {FILE: before})
    synced.read(lines)
    return synced.bytes_of(FILE)


def test_a_write_is_kept_once_a_sync_after_it_has_come_back() -> None:
    write = f'1 write(9<{FILE}>, ""..., 20) = 20'
    assert synced_bytes(write) == 100
    assert synced_bytes(write, f"1 fdatasync(9<{FILE}>) = 0") == 120


def test_a_write_that_began_after_the_sync_is_not_kept_by_it() -> None:
    assert (
        synced_bytes(
            f"2 fdatasync(9<{FILE}> <unfinished ...>",
            f'1 write(9<{FILE}>, ""..., 20) = 20',
            "2 <... fdatasync resumed>) = 0",
        )
        == 100
    )


def test_a_write_that_had_not_come_back_when_the_sync_began_is_not_kept_by_it() -> None:
    assert (
        synced_bytes(
            f'1 write(9<{FILE}>, ""..., 20 <unfinished ...>',
            f"2 fdatasync(9<{FILE}> <unfinished ...>",
            "1 <... write resumed>) = 20",
            "2 <... fdatasync resumed>) = 0",
        )
        == 100
    )


@pytest.mark.parametrize("end", ["?", "-1 EIO (Input/output error)"])
def test_a_sync_that_did_not_come_back_well_keeps_nothing(end: str) -> None:
    assert synced_bytes(f'1 write(9<{FILE}>, ""..., 20) = 20', f"1 fdatasync(9<{FILE}>) = {end}") == 100


def test_a_file_that_was_cut_short_is_no_longer_than_that() -> None:
    assert synced_bytes(f"1 ftruncate(9<{FILE}>, 60) = 0") == 60


def test_a_new_name_is_kept_once_its_folder_is_synced() -> None:
    made = Synced(Path("/data"), {})
    opened = 'openat(AT_FDCWD</data>, "temp", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 9</data/temp>'
    made.read([f"1 {opened}", '1 write(9</data/temp>, ""..., 5) = 5', "1 fsync(9</data/temp>) = 0"])
    made.read(['1 rename("temp", "appendonlydir/a.aof") = 0'])
    assert made.names == set()
    made.read(["1 fdatasync(13</data/appendonlydir>) = 0"])
    assert made.names == {FILE}
    assert made.bytes_of(FILE) == 5


def test_a_rename_over_a_kept_file_is_not_imitated_before_its_folder_is_synced() -> None:
    made = Synced(Path("/data"), {FILE: 100})
    made.read(
        [
            '1 open("/data/temp", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 9',
            '1 rename("temp", "appendonlydir/a.aof") = 0',
        ]
    )
    assert made.replaced == {FILE}
    made.read(["1 fdatasync(13</data/appendonlydir>) = 0"])
    assert made.replaced == set()


@pytest.fixture
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of the `appendfsync` that the test names, whose power can be cut."""
    if why := missing():
        pytest.skip(why)
    valkey = Valkey(tmp_path, request.param, watched=True)
    valkey.start()
    try:
        yield valkey
    finally:
        valkey.kill()


def cut_after_a_write(valkey: Valkey) -> object:
    """What a power cut right behind an acknowledged write leaves of it; one that was synced must be there."""
    with Redis.from_url(valkey.url) as redis:
        said = str(redis.config_get("appendfsync")["appendfsync"])
        redis.config_set("appendfsync", "always")
        redis.set("old", "1")
        redis.config_set("appendfsync", said)
        redis.set("new", "1")
        valkey.cut_power()
    valkey.start()
    with Redis.from_url(valkey.url) as redis:
        assert redis.get("old") == b"1"
        return redis.get("new")


@pytest.mark.parametrize("watched", ["everysec"], indirect=True)
def test_with_everysec_a_write_acknowledged_before_the_cut_is_gone(watched: Valkey) -> None:
    assert cut_after_a_write(watched) is None


@pytest.mark.parametrize("watched", ["always", "embedded"], indirect=True)
def test_with_always_a_write_acknowledged_before_the_cut_is_there(watched: Valkey) -> None:
    assert cut_after_a_write(watched) == b"1"


@pytest.mark.parametrize("watched", ["always"], indirect=True)
def test_what_one_cut_has_left_is_there_after_the_next(watched: Valkey) -> None:
    assert cut_after_a_write(watched) == b"1"
    watched.cut_power()
    watched.start()
    with Redis.from_url(watched.url) as redis:
        assert redis.mget("old", "new") == [b"1", b"1"]
