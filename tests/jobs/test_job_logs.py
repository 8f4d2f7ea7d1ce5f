"""What stands in the log of a job that a DAG starts: its own sentences, and warnings that matter."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from jobs.logs import matters
from tests.jobs.data.conftest import FIRST, make_deliveries, project

OURS = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING) ")


def lines_of(job: str, pipeline: str, partition: date, *options: str) -> list[str]:
    """Run a job as a process; what it wrote to stderr, which must have ended well."""
    arguments = ["--pipeline", pipeline, "--partition", str(partition), "--run-id", "night", *options]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(
        [sys.executable, "-m", f"jobs.{job}", *arguments],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr.splitlines()


@pytest.mark.spark
@pytest.mark.slow
def test_jobs_of_a_night_s_data_log_nothing_but_what_they_say_themselves(tmp_path: Path) -> None:
    with project(tmp_path):
        deliveries = make_deliveries(tmp_path)
        deliveries.put(FIRST)
        for job, *options in (
            ("land",),
            ("validate", "--stage", "raw"),
            ("features",),
            ("validate", "--stage", "features"),
        ):
            said = lines_of(job, "deliveries", FIRST, *options)
            assert [line for line in said if not OURS.match(line)] == []
            assert f"INFO {job}" in said[-1]
            assert len(said) <= 3, said


def _record(path: str, level: int) -> logging.LogRecord:
    return logging.LogRecord("any", level, path, 1, "words", None, None)


@pytest.mark.parametrize(
    ("path", "level", "stays"),
    [
        (logging.__file__, logging.INFO, False),
        (pytest.__file__, logging.INFO, False),
        (pytest.__file__, logging.WARNING, True),
        (pytest.__file__, logging.ERROR, True),
        (__file__, logging.INFO, True),  # a team's own code
        ("/srv/shop/jobs/pipelines/shop/reader.py", logging.INFO, True),
    ],
)
def test_what_libraries_inform_of_is_left_out_and_what_they_warn_of_stays(path: str, level: int, stays: bool) -> None:
    assert matters(_record(path, level)) is stays
