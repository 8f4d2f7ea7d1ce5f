"""What a DAG consists of, for tests to look at."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG, Asset
from airflow.sdk.api.datamodels._generated import DagRunType
from jinja2 import Template


def chain_of(dag: DAG) -> list[str]:
    """The tasks in order; fails where the DAG is not one chain."""
    order, task = [], next(task for task in dag.tasks if not task.upstream_task_ids)
    while True:
        order.append(task.task_id)
        if not task.downstream_task_ids:
            assert len(order) == len(dag.tasks)
            return order
        (following,) = task.downstream_task_ids
        task = dag.get_task(following)


def watched(dag: DAG) -> list[str]:
    condition = dag.timetable.asset_condition
    return [asset.name for asset in getattr(condition, "objects", [condition])]


def outlets(dag: DAG) -> dict[str, str]:
    return {task.task_id: asset.name for task in dag.tasks for asset in task.outlets if isinstance(asset, Asset)}


def given(dag: DAG, task: str) -> dict[str, str]:
    """The options of a task's job, before Airflow fills them in."""
    found: dict[str, str] = dag.get_task(task).job_options  # type: ignore[attr-defined]
    return found


def command(dag: DAG, task: str, **known: Any) -> list[str]:
    """The options of a task's job on its command line, filled in over what a run knows."""
    dag_run = SimpleNamespace(
        run_type=DagRunType.MANUAL, triggering_user_name="anna", run_after=datetime(2026, 1, 5, 9, tzinfo=UTC)
    )
    form = {name: dag.params[name] for name in dag.params}
    known = {"partition": lambda dag_run, params: "2026-01-05", "run_id": "r", "dag_run": dag_run} | known
    filled = {
        name: Template(value).render(known | {"params": SimpleNamespace(**form | known.get("params", {}))})
        for name, value in given(dag, task).items()
    }
    start = ["-m", f"jobs.{dag.get_task(task).command.job}", "--pipeline=orders", "--partition=2026-01-05"]  # type: ignore[attr-defined]
    found: list[str] = dag.get_task(task).command.arguments(filled)  # type: ignore[attr-defined]
    assert found[: len(start)] == start
    return found[len(start) + 1 :]
