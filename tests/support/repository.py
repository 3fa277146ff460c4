"""Where the repository is, and its rooms with code of the program."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("provisioning", "producers", "worker", "outcomes", "api", "console")
