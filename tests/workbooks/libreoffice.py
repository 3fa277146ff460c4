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


def csv_of(workbooks: Sequence[Path], *, separator: str = ",") -> list[bytes]:
    """
    The CSV files that it makes of the first sheets, as a person would by File, Save As.

    Skips the test if it is not here.
    """
    soffice = shutil.which("soffice")
    if soffice is None:
        pytest.skip(ABSENT)
    folder = workbooks[0].parent
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    command = [soffice, profile, "--headless", "--convert-to", _FILTER.format(ord(separator))]
    subprocess.run(
        [*command, "--outdir", str(folder), *map(str, workbooks)],
        check=True,
        capture_output=True,
        timeout=CONVERT_SECONDS,
    )
    return [path.with_suffix(".csv").read_bytes() for path in workbooks]
