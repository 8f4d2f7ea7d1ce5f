"""Turns a pipeline file into its DAGs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plugins.pipeline.features import features_dag
from plugins.pipeline.monitoring import monitoring_dag
from plugins.pipeline.release import release_dag
from plugins.pipeline.scoring import scoring_dag
from plugins.pipeline.training import training_dag
from tidewheel.settings import load_settings
from tidewheel.spec import load_pipeline

if TYPE_CHECKING:
    from airflow.sdk import DAG


def pipeline_dags(file: str) -> dict[str, DAG]:
    """The five DAGs of the pipeline file beside a DAG file.

    Args:
        file: the DAG file's `__file__`; `dags/orders.py` stands beside `dags/orders.yaml`.

    Returns:
        The DAGs by id, for the DAG file's `globals()`.

    Raises:
        SpecError: the pipeline file is wrong; Airflow shows the message as that file's import error, and no other
            pipeline notices.
    """
    pipeline, settings = load_pipeline(Path(file).with_suffix(".yaml")), load_settings()
    makers = (features_dag, scoring_dag, monitoring_dag, training_dag, release_dag)
    return {dag.dag_id: dag for dag in (make(pipeline, settings) for make in makers)}
