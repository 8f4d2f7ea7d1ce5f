"""The command line as a whole: how it ends when something is wrong that no command expects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tidewheel
from tidewheel.errors import ExitCode

MAIN = "from tidewheel.cli.app import main; main()"
ON_A_FULL_DISK = """
from pathlib import Path
from tidewheel.cli import pipelines
from tidewheel.cli.app import main

pipelines.pipeline_schema = lambda: Path("/dev/full").write_text("{}")
main()
"""


def run(script: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", script, *arguments]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
    env = {**outside, "PYTHONPATH": str(Path(tidewheel.__file__).parents[1]), "COLUMNS": "200"}
    return subprocess.run(line, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def test_a_full_disk_is_one_sentence() -> None:
    done = run(ON_A_FULL_DISK, "schema")
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.startswith("tidewheel: ")
    assert "the disk is full: free some space" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_told_and_the_help_names_what_it_is_for() -> None:
    assert run(MAIN, "--version").stdout == f"tidewheel {tidewheel.__version__}\n"
    told = run(MAIN, "--help").stdout
    assert "Keeps machine-learning models fresh" in told
    assert "--install-completion" not in told


@pytest.mark.parametrize("command", ["up", "status", "pipelines"])
def test_outside_a_project_a_command_says_so_and_makes_nothing(tmp_path: Path, command: str) -> None:
    done = run(MAIN, command, cwd=tmp_path)
    assert done.returncode == ExitCode.WRONG_USAGE
    assert f"{tmp_path} is no Tidewheel project" in done.stderr
    assert "set TIDEWHEEL_PROJECT" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_status_names_the_home_and_how_to_start_what_is_stopped(tmp_path: Path) -> None:
    for room in ("dags", "jobs"):
        (tmp_path / room).mkdir()
    done = run(MAIN, "status", cwd=tmp_path / "jobs")
    assert done.returncode == ExitCode.FAILED
    assert f"Nothing runs in {tmp_path}/.tidewheel. Start it with tidewheel up." in done.stdout
