"""`<name>.release`: put the champion behind the endpoint, stage by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, chain

from plugins.operators.command import ACTOR, JobCommand
from plugins.operators.job_task import job_task
from plugins.pipeline import assets, forms
from plugins.pipeline.declared import RunTimes, declared_dag
from tidewheel.options import ReleaseOptions
from tidewheel.release import stage_names

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

DAY_OF_RUN = "{{ dag_run.run_after.date() }}"
"""A release is not about a day of data; its record carries the day of the run."""


def release_dag(pipeline: Pipeline, settings: Settings) -> DAG:
    """The DAG that releases. It starts on the champion's event, and asks the registry which version that is."""

    def task(stage: str) -> BaseOperator:
        options = {"stage": stage, **forms.filled_in(ReleaseOptions)}
        command = JobCommand(ReleaseOptions, pipeline.name, DAY_OF_RUN, options, ACTOR)
        return job_task(stage, command, pipeline, settings, links=["Endpoint"])

    with declared_dag(
        pipeline,
        "release",
        settings,
        times=RunTimes([assets.champion(pipeline.name)]),
        params=forms.fields(ReleaseOptions),
    ) as dag:
        chain(*(task(stage) for stage in stage_names(pipeline)))
    return dag
