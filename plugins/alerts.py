"""What a task that failed leaves for the alerts service: a structured log line, and a row in the ledger.

The ledger is what alerts are made from (`tidewheel.alerts`): a callback sends nothing itself, so that a channel that is
down or slow holds up no task, and a message that could not be sent is sent later.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from plugins.operators.links import airflow_address
from tidewheel.errors import TidewheelError
from tidewheel.logs import redacted

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from tidewheel.ledger.alerts import AlertLog
    from tidewheel.ledger.tasks import TaskLog

log = logging.getLogger("tidewheel.alerts")

PATIENCE_SECONDS = 10.0
"""How long a task that failed waits for a ledger that is away; one that succeeded does not."""
LONGEST_ERROR = 2_000


@dataclass(frozen=True)
class TaskFailed:
    """A failure callback: a task has failed for good, after its retries.

    Attributes:
        pipeline: name of the pipeline.
        owner: the team that answers for it.
    """

    pipeline: str
    owner: str

    def __call__(self, context: Context) -> None:
        """Write it to the log and to the ledger; a ledger that is away is a second log line, not a second failure."""
        task = context["ti"]
        error = redacted(str(context.get("exception") or "unknown")).replace("\0", " ")
        failure = {
            "event": "task_failed",
            "pipeline": self.pipeline,
            "owner": self.owner,
            "dag_id": task.dag_id,
            "task_id": task.task_id,
            "run_id": task.run_id,
            "try_number": task.try_number,
            "error": error,
            "url": f"{airflow_address()}/dags/{task.dag_id}/runs/{quote(task.run_id)}/tasks/{task.task_id}",
        }
        log.error("task failed: %s", json.dumps(failure))
        try:
            with _logs(PATIENCE_SECONDS) as (alert_log, task_log):
                alert_log.task_failed(
                    self.pipeline,
                    _purpose(self.pipeline, task.dag_id),
                    task.task_id,
                    task.run_id,
                    error[:LONGEST_ERROR],
                    datetime.now(UTC),
                )
                _count(task_log, self.pipeline, task, succeeded=False)
        except TidewheelError as away:
            log.error("no alert is sent of this failure: %s", away)  # noqa: TRY400  the sentence is all there is
        except Exception:  # a callback that fails must not hide the task's own failure
            log.exception("no alert is sent of this failure")


@dataclass(frozen=True)
class TaskSucceeded:
    """A success callback: the run is counted, and if the task had failed before, that is over.

    Attributes:
        pipeline: name of the pipeline.
    """

    pipeline: str

    def __call__(self, context: Context) -> None:
        """Write it to the ledger; while that is away, the next success does so."""
        task = context["ti"]
        try:
            purpose = _purpose(self.pipeline, task.dag_id)
            with _logs(0) as (alert_log, task_log):
                alert_log.task_succeeded(self.pipeline, purpose, task.task_id, datetime.now(UTC))
                _count(task_log, self.pipeline, task, succeeded=True)
        except TidewheelError as away:
            log.warning("an alert of this task may stay open until it succeeds again: %s", away)


def _purpose(pipeline: str, dag_id: str) -> str:
    return dag_id.removeprefix(f"{pipeline}.")


def _count(task_log: TaskLog, pipeline: str, task: RuntimeTaskInstanceProtocol, *, succeeded: bool) -> None:
    ended = task.end_date or datetime.now(UTC)
    seconds = (ended - task.start_date).total_seconds()
    try:
        task_log.ended(pipeline, _purpose(pipeline, task.dag_id), task.task_id, seconds, ended, succeeded=succeeded)
    except TidewheelError as away:
        log.warning("the metrics lack this run of the task: %s", away)


@contextmanager
def _logs(patience_seconds: float) -> Iterator[tuple[AlertLog, TaskLog]]:
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.alerts import AlertLog
    from tidewheel.ledger.tasks import TaskLog

    with Ledger.briefly(patience_seconds=patience_seconds) as ledger:
        yield AlertLog(ledger), TaskLog(ledger)
