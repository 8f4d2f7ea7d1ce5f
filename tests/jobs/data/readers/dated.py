"""A path that names the day, for files that lie in a folder of a test: a reader's path must."""

from __future__ import annotations

from datetime import date
from pathlib import Path

DAY = date(2024, 3, 1)


def dated(folder: Path, path: str) -> str:
    """The path of a file in a folder by way of the day; the folder is its own for that day."""
    link = folder / str(DAY)
    if not link.exists():
        link.symlink_to(folder, target_is_directory=True)
    return path if "{partition}" in path else f"{{partition}}/{path}"
