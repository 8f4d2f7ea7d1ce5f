"""What a full disk, a used-up quota or a missing permission is called, where the system only has a number for it."""

from __future__ import annotations

import errno

WORDS = {
    errno.ENOSPC: "the disk is full: free some space (see `tidewheel gc`), or move TIDEWHEEL_HOME to a larger one",
    errno.EDQUOT: "the quota of this user is used up: free some space, or have it raised",
    errno.EROFS: "the file system is read-only: mount it for writing, or move TIDEWHEEL_HOME",
    errno.EACCES: "this user may not: give the permission, or run as the user it belongs to",
}


def disk_sentence(error: OSError) -> str | None:
    """What is wrong with a file, and what to do, in one sentence; None where it is another kind of error.

    Args:
        error: as the system raised it; libraries sometimes leave out which file it was about.
    """
    words = WORDS.get(error.errno or 0)
    return words and f"{error.filename or 'a file'} cannot be used: {words} ({error.strerror})"
