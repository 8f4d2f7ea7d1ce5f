"""Files of the lake that a browser may see: reports and records of runs, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from tidewheel.lake import Store

READABLE = frozenset({"reports", "runs"})
LONGEST_NAME = 255
"""Bytes that a file system takes as the name of a file or folder."""
LONGEST_PATH = 1000
CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".json": "application/json"}


@dataclass(frozen=True)
class ReportFile:
    """A file that may be shown."""

    content: bytes
    content_type: str


def read_report(store: Store, path: str) -> ReportFile | None:
    """The file at a path of the lake; None where there is none, or where it is not a report.

    Rows of data, quarantined files among them, are never handed out: only `.html` and `.json` below
    `<pipeline>/reports/` and `<pipeline>/runs/`.
    """
    content_type = CONTENT_TYPES.get(PurePosixPath(path).suffix)
    if content_type is None or not _is_report(path):
        return None
    try:
        content = store.read(path)
    except (IsADirectoryError, NotADirectoryError):
        return None
    return None if content is None else ReportFile(content, content_type)


def _is_report(path: str) -> bool:
    parts = path.split("/")
    return len(parts) > 2 and parts[1] in READABLE and len(path) <= LONGEST_PATH and all(map(_is_name, parts))


def _is_name(part: str) -> bool:
    """Whether a job can have named a file or folder so; what lies below never gets to see another name."""
    plain = part not in ("", ".", "..") and "\\" not in part and part.isprintable()
    return plain and len(part.encode()) <= LONGEST_NAME
