"""Every DAG file of the project is read without an error, quickly, and explains itself."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

if TYPE_CHECKING:
    from airflow.sdk import DAG

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))
PURPOSES = {"features", "scoring", "monitoring", "training", "release"}


@pytest.fixture(scope="module", params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def dags(file: Path) -> list[DAG]:
    bag = DagBag(file)
    assert bag.import_errors == {}
    return list(bag.dags.values())


def test_a_file_gives_the_five_dags_of_its_pipeline(file: Path, dags: list[DAG]) -> None:
    assert {dag.dag_id for dag in dags} == {f"{file.stem}.{purpose}" for purpose in PURPOSES}


def test_a_file_is_read_within_a_second_of_computing(file: Path, dags: list[DAG]) -> None:
    started = time.process_time()  # what else the machine does meanwhile is not counted
    DagBag(file)
    assert time.process_time() - started < 1


def test_each_dag_survives_the_way_into_airflows_database_and_back(dags: list[DAG]) -> None:
    for dag in dags:
        assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_ids == dag.task_ids


def test_each_dag_has_an_owner_a_description_and_a_guide_that_names_every_task(dags: list[DAG]) -> None:
    for dag in dags:
        assert dag.description
        assert dag.owner not in ("", "airflow")
        assert dag.doc_md is not None
        assert "$" not in dag.doc_md, dag.dag_id
        for task in dag.tasks:
            named = re.search(rf"\*\*{task.task_id}\*\*", dag.doc_md) or task.task_id.startswith("validate_")
            assert named, f"the guide of {dag.dag_id} says nothing about {task.task_id}"


def test_every_field_of_a_form_has_a_title_and_a_description(dags: list[DAG]) -> None:
    for dag in dags:
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.schema["title"], f"{dag.dag_id}: {name}"
            assert param.description, f"{dag.dag_id}: {name}"
            assert param.value in (None, False), "a form left as it is must be a sensible run"


def test_every_task_retries_ends_some_day_and_tells_somebody_when_it_fails(dags: list[DAG]) -> None:
    for task in (task for dag in dags for task in dag.tasks):
        assert task.retries >= 2, task.task_id
        assert task.execution_timeout is not None or task.task_id == "approve"
        assert task.on_failure_callback, task.task_id


def test_nothing_runs_for_the_past_and_one_run_at_a_time_but_a_rollback_beside_its_release(dags: list[DAG]) -> None:
    assert all(not dag.catchup for dag in dags)
    assert all(dag.max_active_runs == (2 if dag.dag_id.endswith(".release") else 1) for dag in dags)
    assert all(dag.is_paused_upon_creation is False for dag in dags), "events to a paused DAG are lost"
