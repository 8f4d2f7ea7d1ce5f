"""What the tasks of all pipelines took, by outcome."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy.dialects import postgresql, sqlite

from tidewheel.ledger.ledger import Ledger
from tidewheel.ledger.task_tables import TaskRunsRow


class TaskOutcome(StrEnum):
    """How a task ended for good."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class TaskLog:
    """Counts the runs of tasks.

    Args:
        ledger: where they are counted.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def ended(
        self, pipeline: str, purpose: str, task_id: str, seconds: float, at: datetime, *, succeeded: bool
    ) -> None:
        """Count a task that has ended. It is not repeated while the ledger is away: it might be counted twice.

        Args:
            pipeline: whose task it is.
            purpose: of its DAG.
            task_id: the task.
            seconds: from its start to its end, of the last attempt.
            at: when it ended.
            succeeded: how it ended.

        Raises:
            LedgerError: the ledger does not answer.
        """
        outcome = TaskOutcome.SUCCEEDED if succeeded else TaskOutcome.FAILED
        key = {"pipeline": pipeline, "purpose": purpose, "task_id": task_id, "outcome": str(outcome)}
        last = {"last_seconds": seconds, "last_ended_at": at}
        with self._ledger.session() as session:
            insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
            counted = {"runs": TaskRunsRow.runs + 1, "seconds": TaskRunsRow.seconds + seconds}
            statement = insert(TaskRunsRow).values(**key, **last, runs=1, seconds=seconds)
            session.execute(statement.on_conflict_do_update(index_elements=list(key), set_={**counted, **last}))
