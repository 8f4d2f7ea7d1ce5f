"""What all DAGs of a pipeline have in common: names, owner, retries, alerts, and a guide for the operator."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import DAG

from plugins.alerts import TaskFailed, TaskSucceeded
from tidewheel.teams import pool_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Param

    from plugins.pipeline.partition import Macro
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

GUIDES = Path(__file__).parent / "guides"
RETRIES = 2
RETRY_DELAY = timedelta(seconds=20)
LONGEST_RETRY_DELAY = timedelta(minutes=5)
SHORT = timedelta(minutes=30)
LONG = timedelta(hours=6)
DEFAULT_POOL = "default_pool"
TEAM_MAY = {"DAGs": {"can_read", "can_edit"}, "DAG Runs": {"can_create", "can_read"}}
"""What a team's role may do with the team's DAGs; deleting them is for those who run the platform."""
RUNS_AT_ONCE = {"release": 2}
"""A rollback must not wait for the release that it takes back; two of one pipeline exclude each other by a lock."""


def dag_id(pipeline: str, purpose: str) -> str:
    """Id of one of a pipeline's DAGs."""
    return f"{pipeline}.{purpose}"


class RunTimes(NamedTuple):
    """When a DAG runs, and the macro that says which days a run is about."""

    schedule: Any
    partition: Macro | None = None


def declared_dag(
    pipeline: Pipeline,
    purpose: str,
    settings: Settings,
    *,
    times: RunTimes,
    params: Mapping[str, Param],
    guide: Mapping[str, str] | None = None,
) -> DAG:
    """A DAG of a pipeline, without tasks yet.

    One run at a time, mostly: nights stay in order, and a small machine has one to do. It is active
    from the start, since the pipeline file in the repository is the decision to run it, and since events to a paused
    DAG are lost.

    Args:
        pipeline: the pipeline.
        purpose: features, scoring, monitoring, training or release.
        settings: of this installation; name what each team gets.
        times: when it runs.
        params: its form.
        guide: further words for the guide in `guides/<purpose>.md`.
    """
    team = pipeline.owner.team
    return DAG(
        dag_id(pipeline.name, purpose),
        description=_headline(purpose, pipeline),
        doc_md=_guide(purpose, pipeline, guide or {}),
        schedule=times.schedule,
        params=dict(params),
        user_defined_macros={"partition": times.partition} if times.partition else None,
        tags={"tidewheel", pipeline.name, purpose, team},
        access_control={team: TEAM_MAY} if settings.team_roles else None,
        catchup=False,
        max_active_runs=RUNS_AT_ONCE.get(purpose, 1),
        is_paused_upon_creation=False,
        default_args={
            "owner": team,
            "pool": pool_name(team) if team in settings.team_slots else DEFAULT_POOL,
            "retries": RETRIES,
            "retry_delay": RETRY_DELAY,
            "retry_exponential_backoff": True,
            "max_retry_delay": LONGEST_RETRY_DELAY,
            "execution_timeout": SHORT,
            "on_failure_callback": TaskFailed(pipeline.name, team),
            "on_success_callback": TaskSucceeded(pipeline.name),
        },
    )


def _headline(purpose: str, pipeline: Pipeline) -> str:
    headlines = {
        "features": f"Land each {pipeline.partition}, judge it, compute its features, publish them",
        "scoring": f"Score a published {pipeline.partition} with the champion",
        "monitoring": f"Drift and performance of a {pipeline.block}, and whether it is time to train again",
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
