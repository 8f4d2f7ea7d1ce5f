"""`<name>.scoring`: score a published day with the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, PartitionedAssetTimetable, PartitionedAtRuntime, TriggerRule, chain

from plugins.operators.command import JobCommand
from plugins.operators.decisions import AnnouncePartition
from plugins.operators.job_task import job_task
from plugins.pipeline import assets, compacting, forms
from plugins.pipeline.compacting import announce_days, compact_task
from plugins.pipeline.declared import LONG, RunTimes, declared_dag
from plugins.pipeline.partition import PARTITION, newest_features
from tidewheel.options import ScoreOptions, ValidateOptions, ValidationStage
from tidewheel.partitions import HOUR

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline


# Who starts it by hand wants the champion's word; a day that is announced again keeps the version it was scored by.
BY_HAND = "{{ dag_run.run_type == 'manual' }}"


def scoring_dag(pipeline: Pipeline, settings: Settings) -> DAG:
    """The DAG that scores; started by hand only, where the pipeline says that scoring is not enabled."""
    published = PartitionedAssetTimetable(assets=assets.features(pipeline.name))
    score = JobCommand(ScoreOptions, pipeline.name, PARTITION, {"champion": BY_HAND})
    validate = JobCommand(ValidateOptions, pipeline.name, PARTITION, {"stage": ValidationStage.PREDICTIONS})
    with declared_dag(
        pipeline,
        "scoring",
        settings,
        times=RunTimes(
            published if pipeline.scoring.enabled else PartitionedAtRuntime(),
            newest_features(pipeline.name, score.record_name, pipeline.partition),
        ),
        params=forms.days(f"the newest {pipeline.partition} with published features", pipeline.partition),
        guide={"compact": compacting.GUIDE if pipeline.partition is HOUR else ""},
    ) as dag:
        chain(
            job_task("score", score, pipeline, settings, links=["MLflow model"], execution_timeout=LONG),
            job_task("validate_predictions", validate, pipeline, settings, links=["Report"]),
            *_announced(pipeline, settings),
        )
    return dag


def _announced(pipeline: Pipeline, settings: Settings) -> list[BaseOperator]:
    """What tells monitoring that a day is scored. Without a champion none is, and it must still be looked at."""
    asset = assets.predictions(pipeline.name)
    if pipeline.partition is HOUR:
        return [compact_task(pipeline, settings, scored=True), announce_days(pipeline, asset)]
    return [
        AnnouncePartition(
            task_id="announce",
            asset=asset,
            partition=PARTITION,
            unit=pipeline.partition,
            trigger_rule=TriggerRule.NONE_FAILED,
        )
    ]
