"""The end of a log, and what comes after it."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from infra.embedded.supervise import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

POLL_SECONDS = 0.3


def tail(log: Path, lines: int, *, follow: bool) -> Iterator[str]:
    """Yield the last lines of a log, and with `follow` whatever is written to it, across its rotation, without end."""
    with ExitStack() as stack:
        file = stack.enter_context(_open(log))
        file.seek(0, os.SEEK_END)
        yield from last_lines(log, lines).splitlines()
        while follow:
            if line := file.readline():
                yield line.rstrip("\n")
            elif not log.exists() or log.stat().st_ino == os.fstat(file.fileno()).st_ino:
                time.sleep(POLL_SECONDS)
            else:  # it was rotated: all of the new one comes after what was read
                stack.close()
                file = stack.enter_context(_open(log))


def _open(log: Path) -> TextIO:
    return log.open(encoding="utf-8", errors="replace")
