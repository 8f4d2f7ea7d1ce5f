"""Where a job runs: one function decides between a process and a pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plugins.operators.command import JobCommand
from plugins.operators.job_operator import JobOperator
from tidewheel.spec.sections import Resources

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from tidewheel.settings import Settings


def job_task(
    task_id: str,
    command: JobCommand,
    settings: Settings,
    *,
    resources: Resources | None = None,
    links: Sequence[str] = (),
    **task_arguments: Any,
) -> BaseOperator:
    """A task that runs a job: in a pod where the installation or a GPU asks for one, else beside the worker.

    Args:
        task_id: the task's name.
        command: what to run.
        settings: of this installation; `job_runner` says where jobs run.
        resources: of the pod, where there is one.
        links: titles of the links in the job's record that become buttons of the task.
        task_arguments: anything else an operator takes, such as `outlets`.
    """
    resources = resources or Resources()
    if settings.job_runner == "kubernetes" or resources.gpu:
        # Importing it costs half a second in every parse of a DAG file, so only where it is used.
        from plugins.operators.pod_operator import PodJobOperator

        return PodJobOperator(
            task_id=task_id, command=command, settings=settings, resources=resources, links=links, **task_arguments
        )
    return JobOperator(task_id=task_id, command=command, links=links, **task_arguments)
