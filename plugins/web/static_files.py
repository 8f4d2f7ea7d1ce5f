"""Style sheet, scripts and chart library of the pages: the files of `static/`, and nothing else."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Content and type of each file by its path below `static/`."""
    return {
        path.relative_to(STATIC).as_posix(): (path.read_bytes(), CONTENT_TYPES[path.suffix])
        for path in sorted(STATIC.rglob("*"))
        if path.suffix in CONTENT_TYPES
    }


@cache
def static_version() -> str:
    """Changes with any of the files, so that a browser may keep them for good."""
    digest = hashlib.sha256()
    for name, (content, _) in static_files().items():
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:12]
