"""A lock that processes of one machine share by a file; it ends with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tidewheel.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class LockHeld(PlatformError):
    """Another process holds the lock.

    Attributes:
        holder: its process id, as far as it is known.
    """

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"another process (pid {holder}) holds {path}; wait for it, or end it")
        self.holder = holder


@contextmanager
def file_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock for the length of a `with` block.

    Args:
        path: of the lock's file, in a folder that exists. It is made if it is missing and never removed: two processes
            that lock a file each, one removed and one made anew, would both hold the lock.
        wait: whether to wait for as long as another process, or another thread, holds the lock.

    Raises:
        LockHeld: another holds it, and `wait` is False.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise LockHeld(path, file.read().strip() or "unknown") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
