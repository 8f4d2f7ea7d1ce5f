"""The command line as a whole: how it ends when something is wrong that no command expects."""

from __future__ import annotations

import subprocess
import sys

from tidewheel.errors import ExitCode

ON_A_FULL_DISK = """
from pathlib import Path
from tidewheel.cli import pipelines
from tidewheel.cli.app import main

pipelines.pipeline_schema = lambda: Path("/dev/full").write_text("{}")
main()
"""


def test_a_full_disk_is_one_sentence() -> None:
    line = [sys.executable, "-c", ON_A_FULL_DISK, "schema"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.startswith("tidewheel: ")
    assert "the disk is full: free some space" in done.stderr
    assert "Traceback" not in done.stderr
