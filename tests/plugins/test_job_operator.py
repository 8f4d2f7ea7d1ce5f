"""The operator starts real processes and turns how they end into what Airflow must do."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from plugins.operators.command import JobCommand
from plugins.operators.job_operator import JobOperator
from tests.conftest import wait_until
from tests.otlp_receiver import receiving
from tests.plugins.conftest import NoteOptions
from tidewheel.errors import UsageError
from tidewheel.lake import Lake
from tidewheel.runs import read_record

if TYPE_CHECKING:
    from tests.plugins.conftest import Project

Context = Callable[..., dict[str, Any]]
DAY = "2026-11-21"


def operator(**options: str) -> JobOperator:
    task = JobOperator(task_id="land", command=JobCommand(NoteOptions, "orders", DAY, options))
    task.job_options["run_id"] = "run-1"
    return task


def test_a_finished_job_gives_its_records_path_and_a_few_figures(project: Project, context: Context) -> None:
    project.write_job("land", 'return Result(figures={"rows": 7}, sentence="7 rows")')
    assert operator().execute(context("run-1")) == {
        "record": "orders/runs/run-1/land.json",
        "partition": DAY,
        "sentence": "7 rows",
        "figures": {"rows": 7},
    }


def test_a_job_with_very_many_figures_leaves_most_of_them_to_its_record(project: Project, context: Context) -> None:
    project.write_job("land", 'return Result(figures={f"drift_{n}": n for n in range(500)})')
    assert len(operator().execute(context("run-1"))["figures"]) == 20
    assert len(read_record(Lake.open("orders"), "run-1", "land").figures) == 500


def test_the_jobs_lines_appear_in_the_tasks_log_at_their_level_while_it_runs(
    project: Project, context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = tmp_path / "read"
    project.write_job(
        "land",
        f"""
logging.getLogger("x").warning("half way")
print("progress 49%", end="\\r")
print("progress 50%")
while not pathlib.Path({str(read)!r}).exists():
    time.sleep(0.01)
return Result()
""",
        imports="import logging, pathlib, time",
    )
    seen: list[str] = []

    def progress_is_visible() -> bool:
        seen.extend(capsys.readouterr().out.splitlines())
        return any("progress 50%" in line for line in seen)

    task = operator()
    thread = threading.Thread(target=task.execute, args=(context("run-1"),))
    thread.start()
    try:
        wait_until(progress_is_visible, "the job's progress is in the log")
    finally:
        read.touch()
        thread.join(30)
    assert any("warning" in line and "half way" in line for line in seen)
    assert any("progress 49%" in line for line in seen)


def test_a_job_in_json_says_the_same_and_continues_the_tasks_span(
    project: Project, context: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_job(
        "land",
        """
logging.getLogger("x").warning("half\\nway in %s", os.environ["TRACEPARENT"])
raise RuntimeError("database is gone")
""",
        imports="import logging, os",
    )
    monkeypatch.setenv("TIDEWHEEL_LOG_FORMAT", "json")
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        task = SpanContext(0xA11CE, 0xB0B, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        with (
            use_span(NonRecordingSpan(task)),
            pytest.raises(AirflowException, match=r"RuntimeError: database is gone\nTraceback"),
        ):
            operator().execute(context("run-1"))
    said = capsys.readouterr().out
    assert f"way in 00-{0xA11CE:032x}-{0xB0B:016x}-01" in said
    assert '"level"' not in said
    job = receiver.named("job land")
    assert (job.trace_id, job.parent_id) == (f"{0xA11CE:032x}", f"{0xB0B:016x}")
    assert job.attributes["tidewheel.run_id"] == "run-1"


def test_refused_data_fails_the_task_at_once_with_the_reason(project: Project, context: Context) -> None:
    project.write_job("land", 'raise DataRefused("orders.csv: column amount is missing")')
    task = operator()
    with pytest.raises(AirflowFailException, match=r"^orders.csv: column amount is missing$"):
        task.execute(context("run-1"))
    assert task.outcome is not None
    assert task.outcome.record is not None
    assert task.outcome.record.refused == "orders.csv: column amount is missing"


def test_wrong_usage_fails_the_task_at_once_with_the_last_error(project: Project, context: Context) -> None:
    project.write_job("land", 'raise SpecError("no such column")')
    with pytest.raises(AirflowFailException, match="called wrongly: no such column"):
        operator().execute(context("run-1"))


def test_a_crash_may_be_retried_and_names_the_error(project: Project, context: Context) -> None:
    project.write_job("land", 'raise RuntimeError("database is gone")')
    with pytest.raises(AirflowException, match=r"land failed \(exit code 1\): RuntimeError: database is gone") as found:
        operator().execute(context("run-1"))
    assert not isinstance(found.value, AirflowFailException | AirflowSkipException)


def test_a_killed_job_may_be_retried_and_an_older_record_does_not_count(project: Project, context: Context) -> None:
    project.write_job("land", 'return Result(sentence="of yesterday")')
    operator().execute(context("run-1"))
    project.write_job("land", "os.kill(os.getpid(), 9)", imports="import os")
    task = operator()
    with pytest.raises(AirflowException, match="land was ended by signal 9"):
        task.execute(context("run-1"))
    assert task.outcome is not None
    assert task.outcome.record is None


def test_a_job_with_nothing_to_do_skips_what_follows_and_says_why(project: Project, context: Context) -> None:
    project.write_job("land", 'return Result(figures={"skipped": True}, sentence="the source begins in 2027")')
    with pytest.raises(AirflowSkipException, match="the source begins in 2027"):
        operator().execute(context("run-1"))


def test_a_record_that_names_a_batch_the_lake_has_not_is_not_believed(project: Project, context: Context) -> None:
    project.write_job(
        "land",
        """
manifest = job.lake.write_table("landing", "2026-11-21", pa.table({"order_id": [1]}), {}, "test")
job.lake.store.remove("orders/landing")
return Result(outputs=[manifest])
""",
        imports="import pyarrow as pa",
    )
    with pytest.raises(Exception, match="never had content"):
        operator().execute(context("run-1"))


def test_options_left_empty_in_the_form_are_not_passed_on(project: Project, context: Context) -> None:
    project.write_job("land", 'return Result(sentence=f"note: {job.options.note}")')
    assert operator(note="").execute(context("run-1"))["sentence"] == "note: None"
    assert operator(note="a b; $(c)").execute(context("run-1"))["sentence"] == "note: a b; $(c)"


def test_a_bad_value_fails_the_task_at_once_and_starts_no_job(project: Project, context: Context) -> None:
    with pytest.raises(
        AirflowFailException, match=r"called wrongly: --copies: found '0'; expected a whole number of at le"
    ):
        operator(copies="0").execute(context("run-1"))


def test_an_option_that_a_job_has_not_is_a_mistake_in_the_dag() -> None:
    with pytest.raises(UsageError, match=r"job land has no option 'notes', did you mean 'note'\?$"):
        operator(notes="")


def test_the_job_sees_neither_airflows_secrets_nor_another_project(
    project: Project, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "secret")
    monkeypatch.setenv("SHOP_DATABASE_URL", "kept")
    project.write_job(
        "land", "return Result(sentence=json.dumps([dict(os.environ), os.getcwd()]))", imports="import json, os"
    )
    environment, folder = json.loads(operator().execute(context("run-1"))["sentence"])
    assert "AIRFLOW__API_AUTH__JWT_SECRET" not in environment
    assert environment["SHOP_DATABASE_URL"] == "kept"
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == folder == str(project.folder)


def test_killing_the_task_ends_the_job_and_everything_it_started(
    project: Project, context: Context, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    project.write_job(
        "land",
        f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
path = pathlib.Path({str(pids)!r})
path.with_suffix(".new").write_text(json.dumps([os.getpid(), child.pid]))
path.with_suffix(".new").rename(path)
time.sleep(600)
""",
        imports="import json, os, pathlib, signal, subprocess, sys, time",
    )
    task, raised = operator(), []

    def execute() -> None:
        try:
            task.execute(context("run-1"))
        except AirflowException as error:
            raised.append(str(error))

    thread = threading.Thread(target=execute)
    thread.start()
    try:
        wait_until(pids.exists, "the job has started its child")
        started = [psutil.Process(pid) for pid in json.loads(pids.read_text())]
        assert os.getpgid(started[0].pid) != os.getpgid(0)
    finally:
        task.on_kill()
        thread.join(30)
    assert raised == ["land was ended by signal 9; last words: none"]
    wait_until(lambda: not any(process.is_running() for process in started), "job and child are gone")
