"""The frame of every job: its command line, its record, its exit code. Each job here is a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidewheel.errors import ExitCode
from tidewheel.lake import Lake
from tidewheel.runs import JobRecord, read_record
from tidewheel.settings import Settings

PIPELINE = """\
name: shop
description: Will the order be returned?
owner: {team: sales}
source:
  reader: {kind: csv, path: "{partition}.csv"}
  event_time: ordered_at
  entity_key: [order_id]
labels:
  reader: {kind: csv, path: "{partition}.csv"}
  column: returned
features:
  transform: a.b:c
  numeric: [amount]
"""
JOB = """\
from typing import Annotated, ClassVar
import pyarrow as pa
from jobs.job import Job, Result, run
from tidewheel.errors import DataRefused, LakeError
from tidewheel.options import JobOptions, Option

class ProbeOptions(JobOptions):
    job: ClassVar[str] = "probe"
{more}

def work(job: Job[ProbeOptions]) -> Result:
    "Lands two rows."
{body}

run(work, ProbeOptions)
"""
LANDS = """\
    made = [
        job.lake.write_table("landing", key, pa.table({"id": [1, 2]}), {}, job.code_version)
        for key in job.partitions.keys
    ]
    return Result(
        inputs={"z": "2", "a": "1"}, outputs=made, figures={"rows": 2}, links={"page": "x.html"}, sentence="2 rows"
    )
"""


class Probe:
    """A project with one pipeline and one job."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder / "home", project=folder)
        self.script = folder / "probe.py"
        (folder / "dags").mkdir()
        (folder / "dags" / "shop.yaml").write_text(PIPELINE)

    def run(self, body: str, *arguments: str, more: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        self.script.write_text(JOB.format(body=body, more=more))
        given = dict(zip(arguments[::2], arguments[1::2], strict=True))
        asked = {"--pipeline": "shop", "--partition": "2026-11-21", "--run-id": "run:1"} | given
        command = [sys.executable, str(self.script), *(word for pair in asked.items() for word in pair)]
        outside = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
        home, project = str(self.settings.home), str(self.settings.project)
        own = {"TIDEWHEEL_HOME": home, "TIDEWHEEL_PROJECT": project, "TIDEWHEEL_CODE_VERSION": "abc", **env}
        return subprocess.run(command, env=outside | own, capture_output=True, text=True, check=False, timeout=60)

    @property
    def lake(self) -> Lake:
        return Lake.open("shop", self.settings)

    def record(self, job: str = "probe") -> JobRecord:
        return read_record(self.lake, "run:1", job)


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


def test_a_job_leaves_a_record_of_what_it_read_wrote_and_measured(probe: Probe) -> None:
    ran = probe.run(LANDS, "--partition", "2026-11-20..2026-11-21")

    assert (ran.returncode, ran.stdout) == (ExitCode.DONE, "")
    record = probe.record()
    assert (record.pipeline, record.job, record.partition) == ("shop", "probe", "2026-11-20..2026-11-21")
    assert record.inputs == {"a": "1", "z": "2"}
    assert [(batch.partition, batch.rows) for batch in record.outputs] == [("2026-11-20", 2), ("2026-11-21", 2)]
    assert record.figures == {"rows": 2}
    assert (record.sentence, record.refused, record.code_version) == ("2 rows", None, "abc")
    assert "probe: 2 rows" in ran.stderr
    assert "runs/run-1/probe.json" in ran.stderr


def test_a_record_knows_seconds_and_this_process_s_own_memory(probe: Probe) -> None:
    probe.run("    ballast = b'x' * 300_000_000\n    return Result()")

    record = probe.record()

    assert 300e6 < record.peak_memory_bytes < 700e6
    assert 0 < record.import_seconds < 60
    assert record.seconds < 60
    assert record.cpu_seconds > 0.1


@pytest.mark.parametrize(
    "body", ["    raise DataRefused('id 7 stands twice')", "    return Result(refused='id 7 stands twice')"]
)
def test_refused_data_ends_with_its_own_exit_code_and_a_record(probe: Probe, body: str) -> None:
    ran = probe.run(body)

    assert ran.returncode == ExitCode.DATA_REFUSED
    assert probe.record().refused == "id 7 stands twice"
    assert "id 7 stands twice" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_error_of_ours_is_one_sentence_and_leaves_no_record(probe: Probe) -> None:
    ran = probe.run("    raise LakeError('the batch is gone')")

    assert ran.returncode == ExitCode.FAILED
    assert ran.stderr.strip().endswith("ERROR the batch is gone")
    assert not probe.lake.store.find("shop/runs", ".json")


def test_a_store_that_does_not_answer_is_one_sentence(probe: Probe) -> None:
    ran = probe.run(
        "    from botocore.exceptions import EndpointConnectionError\n"
        "    raise EndpointConnectionError(endpoint_url='http://s3.example/lake')"
    )
    assert ran.returncode == ExitCode.FAILED
    assert (
        'ERROR the lake\'s store does not answer: Could not connect to the endpoint URL: "http://s3.example/lake"'
        in (ran.stderr)
    )
    assert "Traceback" not in ran.stderr


def test_a_full_disk_is_one_sentence_that_names_the_file(probe: Probe) -> None:
    ran = probe.run("    raise OSError(28, 'No space left on device', '/lake/x.parquet')")

    assert ran.returncode == ExitCode.FAILED
    assert "ERROR /lake/x.parquet cannot be used: the disk is full: free some space" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_error_nobody_expected_shows_where_it_happened(probe: Probe) -> None:
    ran = probe.run("    return 1 / 0")

    assert ran.returncode == ExitCode.FAILED
    assert "ZeroDivisionError" in ran.stderr
    assert "probe.py" in ran.stderr


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--pipeline", "shopp", "no pipeline 'shopp'"),
        ("--partition", "yesterday", "expected YYYY-MM-DD"),
        ("--run-id", "..", "cannot name a folder"),
        ("--run-id", "", "ERROR --run-id is missing; expected name of the run"),
        ("--colour", "blue", "unrecognized arguments: --colour blue"),
    ],
)
def test_wrong_usage_has_its_own_exit_code(probe: Probe, option: str, value: str, said: str) -> None:
    ran = probe.run(LANDS, option, value)

    assert ran.returncode == ExitCode.WRONG_USAGE
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert probe.lake.partitions("landing") == [], "nothing was done"


def test_a_job_may_take_options_and_leave_one_record_for_each(probe: Probe) -> None:
    more = """\
    record_for_each: ClassVar[str] = "stage"
    stage: Annotated[str, Option("part of the run")] = "all"
"""

    ran = probe.run("    return Result(sentence=job.options.stage)", "--stage", "raw", more=more)

    assert ran.returncode == ExitCode.DONE
    assert probe.record("probe-raw").sentence == "raw"


def test_the_code_s_version_is_the_commit_and_says_whether_files_differ(probe: Probe) -> None:
    body = "    return Result(sentence=job.code_version)"
    folder = str(probe.settings.project)
    git = ["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t"]
    probe.run(body, TIDEWHEEL_CODE_VERSION="", GIT_CEILING_DIRECTORIES=str(Path(folder).parent))
    assert probe.record().sentence == "0.1.0"

    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    probe.run(body, TIDEWHEEL_CODE_VERSION="")
    assert probe.record().sentence == commit[:12]

    (probe.settings.project / "dags" / "shop.yaml").write_text(PIPELINE + "task: regression\n")
    probe.run(body, TIDEWHEEL_CODE_VERSION="")
    assert probe.record().sentence == f"{commit[:12]}-dirty"
