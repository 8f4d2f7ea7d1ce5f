"""Files of the lake that a browser may see: reports and records of runs, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from tidewheel.lake import Store

READABLE = frozenset({"reports", "runs"})
CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".json": "application/json"}


@dataclass(frozen=True)
class Report:
    """A file that may be shown."""

    content: bytes
    content_type: str


def read_report(store: Store, path: str) -> Report | None:
    """The file at a path of the lake; None where there is none, or where it is not a report.

    Rows of data, quarantined files among them, are never handed out: only `.html` and `.json` below
    `<pipeline>/reports/` and `<pipeline>/runs/`.
    """
    content_type = CONTENT_TYPES.get(PurePosixPath(path).suffix)
    if content_type is None or not _is_report(path):
        return None
    content = store.read(path)
    return None if content is None else Report(content, content_type)


def _is_report(path: str) -> bool:
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") and "\\" not in part and part.isprintable() for part in parts)
    return plain and len(parts) > 2 and parts[1] in READABLE
