"""Replacing a file in one atomic step: a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from mmap import mmap
    from pathlib import Path

PRIVATE = 0o600


def replace_file(
    path: Path, content: bytes | str | mmap, *, mode: int = 0o666, times_ns: tuple[int, int] | None = None
) -> None:
    """Write a file beside `path`, sync it to the disk, and rename it onto `path`.

    A process that is killed meanwhile leaves a file `<name>.<32 hex digits>.tmp`; an error leaves none.

    Args:
        path: the file, in a folder that exists.
        content: text is written as UTF-8.
        mode: permissions of the new file, less those that the process's umask takes away.
        times_ns: when the new file was last read and changed, in nanoseconds; None: now.
    """
    beside = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if times_ns is not None:
            os.utime(beside, ns=times_ns)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read and write."""
    replace_file(path, text, mode=PRIVATE)
