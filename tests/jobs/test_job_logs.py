"""What stands in the log of a job that a DAG starts: its own sentences, and warnings that matter."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.logs import matters
from tests.jobs.data.conftest import FIRST, make_deliveries, project
from tests.log_lines import log_lines
from tests.mlflow_server import mlflow_url  # noqa: F401  a fixture
from tests.otlp_receiver import SpanSeen, receiving
from tests.played_jobs import PLAY
from tidewheel.ledger import migrate

TRACE, RUN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OURS = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING) ")


DAYS = [FIRST + timedelta(days=n) for n in range(8)]
MODEL = """
training: {estimator: logistic_regression, holdout_days: 3, minimum_rows: 50, refit: never}
gate: {floors: {}}
"""
NIGHT = ("land", "validate --stage raw", "features", "validate --stage features")
TRAINING = ("assemble", "train", "evaluate", "promote")
AFTERWARDS = ("score", "validate --stage predictions", "monitor")


@pytest.fixture(scope="module")
def night(
    tmp_path_factory: pytest.TempPathFactory,
    mlflow_url: str,  # noqa: F811
) -> tuple[dict[str, list[str]], list[SpanSeen]]:
    """Eight nights of a small pipeline, played in one run; what each job wrote to stderr, and the spans it sent."""
    folder = tmp_path_factory.mktemp("deliveries")
    with project(folder), pytest.MonkeyPatch.context() as patch, receiving() as receiver:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        patch.setenv("TRACEPARENT", f"00-{TRACE}-{RUN}-01")
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("TIDEWHEEL_MLFLOW_URL", mlflow_url)
        patch.setenv("TIDEWHEEL_DATABASE_URL", f"sqlite:///{folder}/ledger.db")
        migrate(f"sqlite:///{folder}/ledger.db")
        deliveries = make_deliveries(folder)
        deliveries.suite("predictions", [("expect_column_values_to_not_be_null", {"column": "prediction"})])
        declared = folder / "dags" / "deliveries.yaml"
        declared.write_text(declared.read_text() + MODEL)
        deliveries.put(*DAYS)
        calls = []
        for call in (*NIGHT, *TRAINING, *AFTERWARDS):
            job, *options = call.split()
            days = f"{DAYS[0]}..{DAYS[-1]}" if call in NIGHT else str(DAYS[-1])
            calls.append([job, "--pipeline", "deliveries", "--partition", days, "--run-id", "night", *options])
        ran = subprocess.run(
            [sys.executable, "-c", PLAY, json.dumps(calls)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=400,
        )
    assert ran.returncode == 0, ran.stderr
    before, *parts = re.split(r"^# (.+)\n", ran.stderr, flags=re.MULTILINE)
    assert before == ""
    return {call: said.splitlines() for call, said in zip(parts[::2], parts[1::2], strict=True)}, receiver.spans


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize("call", [*NIGHT, *TRAINING, *AFTERWARDS])
def test_a_job_logs_nothing_but_what_it_says_itself(
    night: tuple[dict[str, list[str]], list[SpanSeen]], call: str
) -> None:
    said = night[0][call]
    assert [line for line in said if not OURS.match(line)] == []
    assert f"INFO {call.split()[0]}" in said[-1]
    assert len(said) <= 3, said


@pytest.mark.spark
@pytest.mark.slow
def test_a_night_is_one_trace_of_its_jobs_and_their_steps(night: tuple[dict[str, list[str]], list[SpanSeen]]) -> None:
    spans = night[1]
    assert {span.trace_id for span in spans} == {TRACE}
    jobs = {span.span_id: span for span in spans if span.parent_id == RUN}
    assert [span.name.removeprefix("job ") for span in jobs.values()] == [
        "land",
        "validate-raw",
        "features",
        "validate-features",
        *TRAINING,
        "score",
        "validate-predictions",
        "monitor",
    ]
    for span in jobs.values():
        assert (span.attributes["tidewheel.pipeline"], span.attributes["tidewheel.run_id"]) == ("deliveries", "night")
    steps = {(jobs[span.parent_id].name, span.name) for span in spans if span.parent_id in jobs}
    assert {
        ("job land", "read"),
        ("job land", "write"),
        ("job features", "compute and write"),
        ("job train", "read"),
        ("job train", "fit"),
        ("job train", "write"),
        ("job evaluate", "predict"),
        ("job score", "predict and write"),
        ("job monitor", "drift"),
    } <= steps
    assert not [span.name for span in spans if span.failed]


def test_in_json_each_line_of_a_job_is_of_the_schema_and_says_which_run_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_LOG_FORMAT", "json")
    command = [sys.executable, "-m", "jobs.land", "--pipeline", "deliveries", "--run-id", "night", "--partition"]
    with project(tmp_path):
        make_deliveries(tmp_path).put(FIRST)
        landed = subprocess.run([*command, str(FIRST)], capture_output=True, text=True, check=True)
        refused = subprocess.run([*command, "2024-02-31"], capture_output=True, text=True, check=False)
    (line,) = log_lines(landed.stdout + landed.stderr)
    assert (line["level"], line["pipeline"], line["partition"], line["run_id"], line["job"]) == (
        "info",
        "deliveries",
        str(FIRST),
        "night",
        "land",
    )
    (line,) = log_lines(refused.stdout + refused.stderr)
    assert (refused.returncode, line["level"], "2024-02-31" in line["message"]) == (2, "error", True)


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
