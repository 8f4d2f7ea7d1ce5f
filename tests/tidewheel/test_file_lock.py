"""One holder at a time, among processes and among threads; a process that is killed holds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tidewheel.file_lock import LockHeld, file_lock

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from tidewheel.file_lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_names_its_holder_and_ends_with_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(LockHeld, match=rf"pid {process.pid}\) holds {path}") as refused,
            file_lock(path, wait=False),
        ):
            pass
        assert refused.value.holder == str(process.pid)
        process.kill()
        process.wait()
    with file_lock(path, wait=False):
        assert path.read_text() == str(os.getpid())


def test_threads_wait_for_each_other(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "lock", [0], [0]

    def work(_: int) -> None:
        with file_lock(path):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            (tmp_path / "work").write_text("x" * 10_000)
            inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == [1]


def test_a_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), file_lock(tmp_path / "lock"):
        _ = 1 / 0
    with file_lock(tmp_path / "lock", wait=False):
        pass
