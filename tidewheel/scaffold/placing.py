"""Putting new files in place: all of them appear, or none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4


def put_in_place(files: Mapping[Path, str], places: Sequence[Path], folder: Path, draft_name: str) -> list[Path]:
    """Write files into a folder; where anything goes wrong, nothing is left.

    Args:
        files: their content, by path relative to the folder.
        places: what is moved in one step each, in this order: files, or folders as a whole. None of them is there yet.
        folder: where they go.
        draft_name: of the folder in which they are written first.

    Returns:
        The paths written, relative to the folder.

    Raises:
        OSError: a file cannot be written.
    """
    # In the same folder, so that moving is renaming: the same file system.
    draft = folder / f".new-{draft_name}-{uuid4().hex[:8]}"
    moved: list[Path] = []
    try:
        for path, content in files.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(content, encoding="utf-8")
        for place in places:
            (draft / place).rename(folder / place)
            moved.append(folder / place)
    except BaseException:  # Ctrl-C too
        for path in moved:
            _remove(path)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return sorted(files)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
