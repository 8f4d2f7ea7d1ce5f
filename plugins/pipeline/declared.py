"""What all DAGs of a pipeline have in common: names, owner, retries, alerts, and a guide for the operator."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG

from plugins.alerts import TaskFailed, TaskSucceeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Param

    from plugins.pipeline.partition import Macro
    from tidewheel.spec import Pipeline

GUIDES = Path(__file__).parent / "guides"
RETRIES = 2
RETRY_DELAY = timedelta(seconds=20)
LONGEST_RETRY_DELAY = timedelta(minutes=5)
SHORT = timedelta(minutes=30)
LONG = timedelta(hours=6)


def dag_id(pipeline: str, purpose: str) -> str:
    """Id of one of a pipeline's DAGs."""
    return f"{pipeline}.{purpose}"


def declared_dag(
    pipeline: Pipeline,
    purpose: str,
    *,
    schedule: Any,
    params: Mapping[str, Param],
    partition: Macro | None = None,
    runs_at_once: int = 1,
    **guide: str,
) -> DAG:
    """A DAG of a pipeline, without tasks yet.

    One run at a time, mostly: nights stay in order, and a small machine is not asked to do two at once. It is active
    from the start, since the pipeline file in the repository is the decision to run it, and since events to a paused
    DAG are lost.

    Args:
        pipeline: the pipeline.
        purpose: features, scoring, monitoring, training or release.
        schedule: when it runs.
        params: its form.
        partition: the macro that says which days a run is about.
        runs_at_once: how many runs may be under way.
        guide: further words for the guide in `guides/<purpose>.md`.
    """
    return DAG(
        dag_id(pipeline.name, purpose),
        description=_headline(purpose, pipeline),
        doc_md=_guide(purpose, pipeline, guide),
        schedule=schedule,
        params=dict(params),
        user_defined_macros={"partition": partition} if partition else None,
        tags={"tidewheel", pipeline.name, purpose},
        catchup=False,
        max_active_runs=runs_at_once,
        is_paused_upon_creation=False,
        default_args={
            "owner": pipeline.owner.team,
            "retries": RETRIES,
            "retry_delay": RETRY_DELAY,
            "retry_exponential_backoff": True,
            "max_retry_delay": LONGEST_RETRY_DELAY,
            "execution_timeout": SHORT,
            "on_failure_callback": TaskFailed(pipeline.name, pipeline.owner.team),
            "on_success_callback": TaskSucceeded(pipeline.name),
        },
    )


def _headline(purpose: str, pipeline: Pipeline) -> str:
    headlines = {
        "features": f"Land each {pipeline.partition}, judge it, compute its features, publish them",
        "scoring": f"Score a published {pipeline.partition} with the champion",
        "monitoring": f"Drift and performance of a {pipeline.partition}, and whether it is time to train again",
        "training": "Train a challenger, judge it against the champion, promote the better",
        "release": "Put the champion behind the endpoint, stage by stage",
    }
    return f"{headlines[purpose]}. {pipeline.description}"


def _guide(purpose: str, pipeline: Pipeline, words: Mapping[str, str]) -> str:
    text = Template((GUIDES / f"{purpose}.md").read_text(encoding="utf-8"))
    return text.substitute(
        words,
        name=pipeline.name,
        description=pipeline.description,
        owner=pipeline.owner.team,
        contact=pipeline.owner.email or pipeline.owner.team,
    )
