"""The operator that runs a job as a process beside Airflow's worker."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from plugins.operators.command import JobCommand
from plugins.operators.links import RECORD, JobLink
from plugins.operators.outcome import JobOutcome, judge, read_outcome
from plugins.operators.process import JobProcess, job_environment, level_and_message
from tidewheel.settings import load_settings

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context


class JobOperator(BaseOperator):
    """Runs `python -m jobs.<name>` and judges how it ended.

    The job's log lines appear in the task's log as they come. Its record in the lake is read and verified; XCom gets
    the record's path and a few figures. Wrong usage and refused data fail the task at once, anything else is retried.

    Args:
        command: what to run.
        links: titles of the links in the job's record that become buttons of the task.
    """

    template_fields: Sequence[str] = ("job_options",)
    ui_color = "#e8f4f8"

    def __init__(self, *, command: JobCommand, links: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.job_options = command.templates
        self.operator_extra_links = tuple(JobLink(title) for title in (*links, RECORD))
        self.outcome: JobOutcome | None = None
        self._process: JobProcess | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the job to its end."""
        project = load_settings().project
        arguments = self.command.arguments(self.job_options)
        self.log.info("python %s", " ".join(arguments))
        self._process = JobProcess(arguments, project, job_environment(project))
        last_line = last_error = ""
        for line in self._process.lines():
            level, last_line = level_and_message(line)
            self.log.log(logging.getLevelNamesMapping()[level], "%s", last_line)
            if level in ("ERROR", "CRITICAL"):
                last_error = last_line
        exit_code = self._process.wait()
        self.outcome = read_outcome(self.command, context["run_id"], exit_code)
        return judge(self.outcome, last_error or last_line)

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any]:
        """What the job read and wrote; called only where OpenLineage is switched on."""
        from plugins.operators.lineage import lineage_of

        return lineage_of(self.outcome.record if self.outcome else None)

    def on_kill(self) -> None:
        """End the job with the task."""
        if self._process is not None:
            self._process.stop()
