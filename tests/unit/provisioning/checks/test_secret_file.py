"""Who may read the files that hold secrets, as far as the folders above let them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.checks.finding import Level
from provisioning.checks.secret_file import judge_secret_files, look_at, openness, secret_files


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that others could reach: pytest's own keep them out."""
    closed = [each for each in tmp_path.parents if not each.stat().st_mode & 0o001]
    modes = {each: each.stat().st_mode for each in closed}
    for each in closed:
        each.chmod(0o755)
    tmp_path.chmod(0o755)
    yield tmp_path
    for each, mode in modes.items():
        each.chmod(mode)


@pytest.mark.parametrize(
    ("above", "mode", "to"),
    [
        (0o755, 0o600, ""),
        (0o755, 0o444, "everybody"),
        (0o755, 0o440, "its group"),
        (0o711, 0o444, "everybody"),  # whoever knows the name can open it
        (0o750, 0o444, "its group"),
        (0o700, 0o444, ""),
    ],
)
def test_a_folder_that_keeps_others_out_guards_what_is_in_it(
    folder: Path, above: int, mode: int, to: str
) -> None:
    secrets = folder / "secrets"
    secrets.mkdir()
    file = secrets / "key"
    file.write_text("k")
    file.chmod(mode)
    secrets.chmod(above)
    found = look_at(file)
    assert found is not None
    assert str(openness(found)) == to


def test_every_file_named_after_an_at_and_every_file_of_settings_is_looked_at(folder: Path) -> None:
    for name, text in {
        "keys": "k",
        "password": "p",
        ".env": "PROVISION_RATE=5/s\nexport PROVISION_CLIENT_SECRET='s'\nPROVISION_PULL_TOKEN=@t\n",
        "provision.env": "PROVISION_API_URL=https://api.jelou.ai\nPROVISION_REDIS_PASSWORD=@/run/secrets/p\n",
    }.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    (folder / "password").chmod(0o600)
    environ = {
        "PROVISION_ENCRYPTION_KEYS": f"@{folder / 'keys'}",
        "PROVISION_REDIS_PASSWORD": f"@{folder / 'password'}",
        "PROVISION_FLOWER_AUTH": "@/nowhere",
        "PROVISION_PULL_TOKEN": "in the environment",
    }
    found = {finding.message: finding.level for finding in judge_secret_files(secret_files(environ, folder))}
    opened = "is open to everybody (mode 0644), and holds PROVISION_"
    assert found == {
        f"{folder / 'keys'} {opened}ENCRYPTION_KEYS": Level.WARNING,
        f"{folder / 'password'} is private to its owner": Level.OK,
        f"{folder / '.env'} {opened}CLIENT_SECRET": Level.WARNING,
    }
