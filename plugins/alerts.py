"""What happens when a task has failed for good: one structured log line, and a POST to the team's webhook."""

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


@dataclass(frozen=True)
class FailureAlert:
    """A failure callback.

    Attributes:
        pipeline: name of the pipeline.
        owner: the team that answers for it.
        webhook_variable: environment variable with the URL that gets a JSON POST, if there is one.
    """

    pipeline: str
    owner: str
    webhook_variable: str | None = None

    def __call__(self, context: Context) -> None:
        """Report the failed task. A webhook that fails is a log line: the task has trouble enough."""
        alert = self._describe(context)
        log.error("task failed: %s", json.dumps(alert))
        if self.webhook_variable is None:
            return
        url = os.environ.get(self.webhook_variable)
        if not url:
            log.error("nobody is told: the variable %s, named under alerts, is not set", self.webhook_variable)
            return
        self._post(url, alert)

    def _describe(self, context: Context) -> dict[str, Any]:
        task = context["ti"]
        return {
            "pipeline": self.pipeline,
            "owner": self.owner,
            "dag_id": task.dag_id,
            "task_id": task.task_id,
            "run_id": task.run_id,
            "try_number": task.try_number,
            "error": str(context.get("exception") or "unknown"),
            "url": f"{airflow_address()}/dags/{task.dag_id}/runs/{quote(task.run_id)}/tasks/{task.task_id}",
        }

    def _post(self, url: str, alert: dict[str, Any]) -> None:
        import httpx

        try:
            httpx.post(url, json=alert, timeout=WEBHOOK_TIMEOUT_SECONDS).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The URL may hold a token: say which variable it came from, not what it is.
            log.error("the webhook in %s did not take the alert: %s", self.webhook_variable, type(error).__name__)  # noqa: TRY400
