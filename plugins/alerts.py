"""What a team is told when a task has failed or a model is taken back: one structured log line, and a POST."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from plugins.operators.links import airflow_address

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger("tidewheel.alerts")

WEBHOOK_TIMEOUT_SECONDS = 10
RELEASE = ".release"


@dataclass(frozen=True)
class Team:
    """Who is told.

    Attributes:
        pipeline: name of the pipeline.
        owner: the team that answers for it.
        webhook_variable: environment variable with the URL that gets a JSON POST, if there is one.
    """

    pipeline: str
    owner: str
    webhook_variable: str | None = None

    def tell(self, event: str, context: Context, **what: str) -> None:
        """Tell of an event. A webhook that fails is a log line: the task has trouble enough."""
        task = context["ti"]
        alert = {
            "event": event,
            "pipeline": self.pipeline,
            "owner": self.owner,
            "dag_id": task.dag_id,
            "task_id": task.task_id,
            "run_id": task.run_id,
            "try_number": task.try_number,
            **what,
            "url": f"{airflow_address()}/dags/{task.dag_id}/runs/{quote(task.run_id)}/tasks/{task.task_id}",
        }
        log.error("%s: %s", event.replace("_", " "), json.dumps(alert))
        if self.webhook_variable is None:
            return
        url = os.environ.get(self.webhook_variable)
        if not url:
            log.error("nobody is told: the variable %s, named under alerts, is not set", self.webhook_variable)
            return
        self._post(url, alert)

    def _post(self, url: str, alert: dict[str, Any]) -> None:
        import httpx

        try:
            httpx.post(url, json=alert, timeout=WEBHOOK_TIMEOUT_SECONDS).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The URL may hold a token: say which variable it came from, not what it is.
            log.error("the webhook in %s did not take the alert: %s", self.webhook_variable, type(error).__name__)  # noqa: TRY400


@dataclass(frozen=True)
class FailureAlert:
    """A failure callback: a task has failed for good, and with it, in the release DAG, the release."""

    team: Team

    def __call__(self, context: Context) -> None:
        """Tell of the failed task."""
        event = "release_failed" if context["ti"].dag_id.endswith(RELEASE) else "task_failed"
        self.team.tell(event, context, error=str(context.get("exception") or "unknown"))


@dataclass(frozen=True)
class RollbackAlert:
    """A success callback of the task that plans a release: an older version takes over again.

    Attributes:
        team: who is told.
        record: name of that task's record.
    """

    team: Team
    record: str

    def __call__(self, context: Context) -> None:
        """Tell of the rollback, where it is one."""
        from tidewheel.lake import Lake
        from tidewheel.runs import read_record

        planned = read_record(Lake.open(self.team.pipeline), context["ti"].run_id, self.record)
        if replaced := planned.figures.get("rolled_back_from"):
            version = str(planned.figures["version"])
            self.team.tell("rolled_back", context, version=version, instead_of=str(replaced), sentence=planned.sentence)
