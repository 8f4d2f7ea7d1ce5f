"""What tests of jobs share: the pipeline of the parcels, a real MLflow server, and a way to run a job."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import pytest

import jobs  # noqa: F401  sets what every job sets, before a test imports mlflow or sklearn
from tests.mlflow_server import mlflow_url  # noqa: F401  a fixture
from tests.parcels import make_parcels, registered_parcels  # noqa: F401  fixtures
from tidewheel.runs import JobRecord, read_record

if TYPE_CHECKING:
    from tests.parcels import Parcels


@pytest.fixture
def run_job(monkeypatch: pytest.MonkeyPatch) -> Callable[..., JobRecord]:
    """Runs a job as its command line would, in this process; returns its record, or raises SystemExit."""

    monkeypatch.setattr("jobs.evaluation.footprint.TIMED_CALLS", 5)

    def run(parcels: Parcels, job: str, partition: date | str, run_id: str, *options: str) -> JobRecord:
        assert importlib.util.find_spec(f"jobs.{job}")
        arguments = ["--pipeline", parcels.name, "--partition", str(partition), "--run-id", run_id, *options]
        monkeypatch.setattr(sys, "argv", [f"jobs.{job}", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(f"jobs.{job}", run_name="__main__")
        if ended.value.code != 0:
            raise ended.value
        return read_record(parcels.lake, run_id, job)

    return run
