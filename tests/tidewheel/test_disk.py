"""What the system says with a number, in a sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidewheel.disk import disk_sentence


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EDQUOT, "the quota of this user is used up"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "this user may not: give the permission"),
    ],
)
def test_the_file_the_reason_and_what_to_do_are_told(number: int, words: str) -> None:
    told = disk_sentence(OSError(number, os.strerror(number), "/home/lake/part.parquet"))
    assert told is not None
    assert told.startswith(f"/home/lake/part.parquet cannot be used: {words}")


def test_a_really_full_disk_is_told_whoever_writes(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as plain:
        Path("/dev/full").write_bytes(b"x" * 100_000)
    with pytest.raises(OSError, match="No space left") as arrow, pa.OSFile("/dev/full", "wb") as file:
        pq.write_table(pa.table({"x": range(100_000)}), file)
    assert "the disk is full" in (disk_sentence(plain.value) or "")
    assert "the disk is full" in (disk_sentence(arrow.value) or "")


def test_other_errors_are_not_ours_to_explain() -> None:
    assert disk_sentence(OSError(errno.EIO, "Input/output error")) is None
    assert disk_sentence(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None
    assert disk_sentence(OSError("no number")) is None
