"""Where a job runs: one function decides between a process and a pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plugins.operators.command import JobCommand
from plugins.operators.job_operator import JobOperator
from tidewheel.pods import jobs_in_pods

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline


def job_task(
    task_id: str,
    command: JobCommand,
    pipeline: Pipeline,
    settings: Settings,
    *,
    links: Sequence[str] = (),
    **task_arguments: Any,
) -> BaseOperator:
    """A task that runs a job: in a pod where the installation or a GPU asks for one and the job may run in one.

    Args:
        task_id: the task's name.
        command: what to run.
        pipeline: whose job it is; says which jobs may run in pods, and what each gets there.
        settings: of this installation; `job_runner` says where jobs run.
        links: titles of the links in the job's record that become buttons of the task.
        task_arguments: anything else an operator takes, such as `outlets`.
    """
    resources = pipeline.resources_of(command.job)
    if resources is not None and command.job in jobs_in_pods(pipeline, settings):
        # Importing it costs half a second in every parse of a DAG file, so only where it is used.
        from plugins.operators.pod_operator import PodJobOperator

        return PodJobOperator(
            task_id=task_id, command=command, settings=settings, resources=resources, links=links, **task_arguments
        )
    return JobOperator(task_id=task_id, command=command, links=links, **task_arguments)
