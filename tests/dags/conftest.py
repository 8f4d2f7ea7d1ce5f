"""The project's own DAG files, and pipelines written for a test, read as Airflow reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import airflow_home  # noqa: F401  before anything imports Airflow

from airflow.dag_processing.dagbag import DagBag  # isort: skip

from tests.pipelines import PIPELINE_FILE

DAG_FILE = '''\
"""The Airflow DAGs of the pipeline that stands beside this file."""

from plugins.factory import pipeline_dags

globals().update(pipeline_dags(__file__))
'''
ReadDags = Callable[..., DagBag]


@pytest.fixture
def read_dags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReadDags:
    """Reads the DAGs of pipeline files: the smallest one named `orders`, with further sections, and any others."""
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))

    def read(more: str = "", **others: str) -> DagBag:
        folder = tmp_path / "dags"
        folder.mkdir(exist_ok=True)
        for name, content in {"orders": PIPELINE_FILE + more, **others}.items():
            (folder / f"{name}.yaml").write_text(content)
            (folder / f"{name}.py").write_text(DAG_FILE)
        return DagBag(folder)

    return read
