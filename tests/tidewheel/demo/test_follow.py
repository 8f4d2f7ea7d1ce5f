"""The demo follows runs, and goes on from what failed before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import cast

import pytest
from rich.console import Console

from tidewheel.airflow_api import AirflowApi, DagRun, TaskInstance
from tidewheel.demo.display import Display
from tidewheel.demo.follow import Follower
from tidewheel.errors import PlatformError


@dataclass
class Airflow:
    """One run of one DAG; a run that is cleared ends well, if it is not `broken`."""

    state: str
    broken: bool = False
    log_lines: tuple[str, ...] = ()
    cleared: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, dag: str, run_id: str) -> DagRun | None:
        return DagRun(dag, run_id, self.state, None, {}, "asset_triggered") if self.state else None

    def runs(self, dag: str) -> list[DagRun]:
        return [run for run in [self.run(dag, "by_event")] if run]

    def clear(self, dag: str, run_id: str, tasks: Sequence[str] = ()) -> None:
        self.cleared.append(tuple(tasks))
        self.state = "failed" if self.broken else "success"

    def follow(self, dag: str, run_id: str) -> Iterator[tuple[DagRun, list[TaskInstance]]]:
        run = self.run(dag, run_id)
        assert run
        yield run, [TaskInstance("score", self.state, 1, 1.0)]

    def log(self, dag: str, run_id: str, task: str, try_number: int) -> list[str]:
        return list(self.log_lines)

    def run_page(self, dag: str, run_id: str) -> str:
        return f"http://airflow/{dag}/{run_id}"


def follower(airflow: Airflow) -> Follower:
    return Follower(cast("AirflowApi", airflow), Display(Console(file=StringIO())))


def test_a_run_that_failed_in_an_earlier_demo_runs_again() -> None:
    airflow = Airflow("failed")
    follower(airflow).run("shop.features", "demo__history")
    assert airflow.cleared == [()]


def test_a_run_that_an_event_had_started_and_that_failed_runs_again_from_where_it_must() -> None:
    airflow = Airflow("failed")
    follower(airflow).started_by_event("shop.release", again_from=("plan",))
    assert airflow.cleared == [("plan",)]


def test_a_run_that_ended_well_is_left_alone() -> None:
    airflow = Airflow("success")
    follower(airflow).started_by_event("shop.scoring")
    assert airflow.cleared == []


def test_a_run_that_fails_again_is_one_sentence_with_its_reason_and_its_page() -> None:
    alert = json.dumps({"task_id": "score", "error": "shop has no champion: train and promote a model first"})
    noise = ("Task failed with exception", f"task failed: {alert}", "Task instance in failure state")
    airflow = Airflow("failed", broken=True, log_lines=noise)
    with pytest.raises(PlatformError) as failure:
        follower(airflow).started_by_event("shop.scoring")
    assert str(failure.value).splitlines()[0] == (
        "task score of shop.scoring failed: shop has no champion: train and promote a model first"
    )
    assert "http://airflow/shop.scoring/by_event" in str(failure.value)
    assert airflow.cleared == [()]
