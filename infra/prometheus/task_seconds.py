"""What the tasks of each pipeline took, as the ledger has counted it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from tidewheel.ledger.task_tables import TaskRunsRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class TaskSeconds(NamedTuple):
    """A task and one of its outcomes; the seconds of `TaskRunsRow`."""

    dag: str
    task: str
    outcome: str
    runs: int
    seconds: float
    last_seconds: float
    last_ended_at: datetime


def task_seconds(session: Session) -> Mapping[str, Sequence[TaskSeconds]]:
    """All tasks that have ended, by pipeline."""
    tasks: defaultdict[str, list[TaskSeconds]] = defaultdict(list)
    columns = (
        TaskRunsRow.purpose,
        TaskRunsRow.task_id,
        TaskRunsRow.outcome,
        TaskRunsRow.runs,
        TaskRunsRow.seconds,
        TaskRunsRow.last_seconds,
        TaskRunsRow.last_ended_at,
    )
    for pipeline, *of_task in session.execute(select(TaskRunsRow.pipeline, *columns)):
        tasks[pipeline].append(TaskSeconds._make(of_task))
    return tasks
