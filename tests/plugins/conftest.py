"""A small project with jobs that do what a test wants, run by the real operators as real processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from tests import airflow_home  # noqa: F401  before anything imports Airflow
from tests.mlflow_server import mlflow_url  # noqa: F401  a fixture
from tests.parcels import make_parcels, registered_parcels  # noqa: F401  fixtures
from tests.pipelines import PIPELINE_FILE
from tidewheel.options import JobOptions, Option

ROOT = Path(__file__).parents[2]
RUN_ID = "manual__2026-11-22T05:18:00+00:00"


class NoteOptions(JobOptions):
    """Of the job `land` that a test writes."""

    job: ClassVar[str] = "land"
    note: Annotated[str | None, Option("a note", title="Note")] = None
    copies: Annotated[int, Option("how often it is written"), Field(ge=1)] = 1


class Project:
    """A project folder: one pipeline, and the jobs that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dags").mkdir(parents=True)
        (folder / "dags" / "orders.yaml").write_text(PIPELINE_FILE)
        (folder / "jobs").mkdir()
        for name in ("__init__.py", "job.py", "logs.py", "partial_failures.py"):
            shutil.copy(ROOT / "jobs" / name, folder / "jobs" / name)

    def write_job(self, name: str, body: str, imports: str = "") -> None:
        """Write `jobs/<name>.py`, whose work is `body`; with `job`, `Result` and `DataRefused` at hand."""
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        (self.folder / "jobs" / f"{name}.py").write_text(
            "from typing import Annotated, ClassVar\n"
            "from jobs.job import Job, Result, run\n"
            "from tidewheel.options import JobOptions, Option\n"
            "from tidewheel.errors import DataRefused, SpecError\n"
            f"{imports}\n\n"
            "class Options(JobOptions):\n"
            f"    job: ClassVar[str] = {name!r}\n"
            '    note: Annotated[str | None, Option("a note")] = None\n\n'
            f"def work(job: Job[Options]) -> Result:\n{lines}\n\n"
            'if __name__ == "__main__":\n    run(work, Options)\n'
        )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project that the settings of this process point to."""
    project = Project(tmp_path / "project")
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(project.folder))
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEWHEEL_CODE_VERSION", "test")
    return project


@pytest.fixture
def context() -> Callable[..., dict[str, Any]]:
    """Builds the part of Airflow's context that our operators read."""

    def build(run_id: str = RUN_ID, **dag_run: Any) -> dict[str, Any]:
        facts = {"partition_key": None, "run_after": datetime(2026, 11, 22, 3, 0, tzinfo=UTC)} | dag_run
        return {"run_id": run_id, "dag_run": SimpleNamespace(run_id=run_id, **facts), "params": {}}

    return build
