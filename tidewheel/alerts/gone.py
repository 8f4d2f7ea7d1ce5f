"""Failed tasks that can never succeed again: their DAG no longer has them, after a change of the pipeline's file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidewheel.airflow_api import AirflowApi
from tidewheel.errors import TidewheelError

if TYPE_CHECKING:
    from tidewheel.ledger.alert_tables import TaskFailureRow
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.alerts")

ASKED_EVERY = timedelta(minutes=10)


class GoneTasks:
    """Asks Airflow which tasks a DAG has, now and then, as long as one of them is in the list of failures.

    Args:
        ask: the ids of a DAG's tasks; None where Airflow has no such DAG, which may be for a moment only.
    """

    def __init__(self, ask: Callable[[str], set[str] | None]) -> None:
        self._ask = ask
        self._asked: dict[str, tuple[datetime, set[str] | None]] = {}

    @classmethod
    def open(cls, settings: Settings) -> GoneTasks:
        """Ask the Airflow of this installation; one that does not answer has lost no task."""

        def ask(dag: str) -> set[str] | None:
            try:
                with AirflowApi.open(settings) as airflow:
                    return airflow.dag_tasks(dag)
            except TidewheelError as error:
                log.warning("the tasks of %s are not known: %s", dag, error)
                return None

        return cls(ask)

    def among(self, failures: Sequence[TaskFailureRow], now: datetime) -> list[TaskFailureRow]:
        """The failures of tasks that are gone.

        Args:
            failures: of pipelines that are declared.
            now: the time, in UTC.
        """
        return [row for row in failures if self._is_gone(f"{row.pipeline}.{row.purpose}", row.task_id, now)]

    def _is_gone(self, dag: str, task: str, now: datetime) -> bool:
        at, tasks = self._asked.get(dag, (None, None))
        if at is None or not at <= now < at + ASKED_EVERY:
            tasks = self._ask(dag)
            self._asked[dag] = now, tasks
        return tasks is not None and task not in tasks


def gone_sentence(pipeline: str, subject: str) -> str:
    """Why an incident of such a task ends."""
    purpose, _, task = subject.partition(" ")
    return f"{pipeline}.{purpose} has no task {task} any more, so it cannot succeed again; nothing is to be done."


def undeclared_sentence(pipeline: str) -> str:
    """Why an incident of a pipeline without a file ends."""
    return f"{pipeline} is no longer declared in dags/, so nothing of it is evaluated any more."
