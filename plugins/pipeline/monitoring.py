"""`<name>.monitoring`: drift and performance of a day, and whether it is time to train again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, PartitionedAssetTimetable, chain

from plugins.operators.command import JobCommand
from plugins.operators.decisions import RequestTraining
from plugins.operators.job_task import job_task
from plugins.pipeline import assets, forms
from plugins.pipeline.declared import LONG, RunTimes, dag_id, declared_dag
from plugins.pipeline.partition import PARTITION, newest_features
from tidewheel.options import MonitorOptions, RequestsOptions
from tidewheel.pods import jobs_in_pods

if TYPE_CHECKING:
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline


def monitoring_dag(pipeline: Pipeline, settings: Settings) -> DAG:
    """The DAG that watches; it follows scoring, so that it finds the day's predictions, whatever runs faster."""
    follows = assets.predictions if pipeline.scoring.enabled else assets.features
    requests = JobCommand(RequestsOptions, pipeline.name, PARTITION)
    monitor = JobCommand(MonitorOptions, pipeline.name, PARTITION)
    # Beside the services, monitoring reads the same files, published or not; a pod sees only what was published.
    after_requests = "all_success" if monitor.job in jobs_in_pods(pipeline, settings) else "all_done"
    with declared_dag(
        pipeline,
        "monitoring",
        settings,
        times=RunTimes(
            PartitionedAssetTimetable(assets=follows(pipeline.name)),
            newest_features(pipeline.name, monitor.record_name, pipeline.block),
        ),
        params=forms.days(f"the newest {pipeline.block} with published features", pipeline.block),
        guide={"follows": "scored" if pipeline.scoring.enabled else "published"},
    ) as dag:
        chain(
            job_task("requests", requests, pipeline, settings),
            job_task(
                "monitor",
                monitor,
                pipeline,
                settings,
                links=["Report"],
                execution_timeout=LONG,
                trigger_rule=after_requests,
            ),
            RequestTraining(
                task_id="request_training",
                pipeline=pipeline.name,
                job=monitor.record_name,
                dag_to_start=dag_id(pipeline.name, "training"),
            ),
        )
    return dag
