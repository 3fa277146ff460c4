"""A spreadsheet program that people use, for what it shows: LibreOffice, without a window."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ABSENT = "LibreOffice is not on this machine (Debian: apt-get install libreoffice-calc-nogui)"
CONVERT_SECONDS = 110
_FILTER = "csv:Text - txt - csv (StarCalc):{},34,76"
"""The separator's code, double quotes, UTF-8; the cells as they are shown."""

_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N">
<prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>{}</value></prop>
</item>
</oor:items>
"""


def csv_of(workbooks: Sequence[Path], *, separator: str = ",", country: str = "en-US") -> list[bytes]:
    """
    The CSV files that it makes of the first sheets, as a person would by File, Save As.

    Skips the test if it is not here.

    Args:
        workbooks: all in one folder.
        country: whose ways to write numbers and dates it follows.
    """
    soffice = shutil.which("soffice")
    if soffice is None:
        pytest.skip(ABSENT)
    folder = workbooks[0].parent
    profile = folder / f"profile-{country}"
    settings = profile / "user" / "registrymodifications.xcu"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(_PROFILE.format(country))
    command = [soffice, f"-env:UserInstallation={profile.as_uri()}", "--headless"]
    converted = [
        "--convert-to",
        _FILTER.format(ord(separator)),
        "--outdir",
        str(folder),
        *map(str, workbooks),
    ]
    subprocess.run([*command, *converted], check=True, capture_output=True, timeout=CONVERT_SECONDS)
    return [path.with_suffix(".csv").read_bytes() for path in workbooks]
