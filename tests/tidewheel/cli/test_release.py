"""`tidewheel release` starts the release job, and ends as it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tidewheel.errors import ExitCode


@pytest.mark.parametrize("command", ["release", "rollback"])
def test_a_pipeline_that_is_not_there_is_one_sentence_and_wrong_usage(command: str) -> None:
    line = [sys.executable, "-c", "from tidewheel.cli.app import main; main()", command, "nobody", "--dry-run"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == ExitCode.WRONG_USAGE
    assert "no pipeline 'nobody' in" in done.stderr
    assert "Traceback" not in done.stderr
