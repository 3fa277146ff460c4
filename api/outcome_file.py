"""One outcome file of a batch, as an answer: for the HTTP API and for pages."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from api.state import AppState

FILES: Final = ("created.csv", "failed.csv", "in_doubt.csv", "not_attempted.csv", "manifest.json")
HAS_KEYS: Final = "created.csv"
"""The file that has the widgets' keys."""


async def outcome_file_of(app_state: AppState, batch: str, file: str) -> FileResponse | None:
    """The file, as `provision export` writes it; None if there is none of this name."""
    if file not in FILES or app_state.export is None:
        return None
    folder = tempfile.TemporaryDirectory(prefix="outcomes-")
    try:
        await app_state.export(app_state.ledger, batch, Path(folder.name))
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        Path(folder.name) / file,
        media_type="application/json" if file.endswith(".json") else "text/csv; charset=utf-8",
        filename=file,
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(folder.cleanup),
    )
