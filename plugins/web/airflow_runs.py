"""What Airflow's database says of our DAGs: failed runs, and when the next night begins.

The pages run in Airflow's API server, which has that database open; its REST API would ask for a token of our own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from plugins.web.attention import FailedRun
from tidewheel.hours import is_hour

PURPOSES = ("features", "scoring", "monitoring", "training", "release")
LOOK_BACK = timedelta(days=3)
"""A failure that is older shows as late data; Airflow's table of runs is searched by time."""


@dataclass(frozen=True)
class NextNight:
    """When Airflow begins the next night.

    Attributes:
        at: in UTC; None where Airflow has planned none.
        day: the partition that night is for.
        paused: whether the DAG is paused.
    """

    at: datetime | None = None
    day: str = ""
    paused: bool = False


@dataclass(frozen=True)
class AirflowState:
    """What Airflow says, by pipeline.

    Attributes:
        failed: runs that failed, newest first; one a DAG, and none that a later run of the same DAG made good.
        nights: the next one.
    """

    failed: Mapping[str, list[FailedRun]] = field(default_factory=dict)
    nights: Mapping[str, NextNight] = field(default_factory=dict)


def airflow_state(pipelines: Collection[str], now: datetime) -> AirflowState:
    """Ask Airflow's database, in two queries.

    Args:
        pipelines: names.
        now: the time, in UTC.
    """
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, State
    from sqlalchemy import select

    ids = {f"{name}.{purpose}": (name, purpose) for name in pipelines for purpose in PURPOSES}
    recent = (
        select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.partition_key, DagRun.run_after)
        .where(
            DagRun.run_after >= now - LOOK_BACK,
            DagRun.dag_id.in_(ids),
            DagRun.state.in_(State.finished_dr_states),
        )
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
    )
    models = select(
        DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after, DagModel.next_dagrun_partition_key
    ).where(DagModel.dag_id.in_([dag for dag, (_, purpose) in ids.items() if purpose == "features"]))
    failed: dict[str, list[FailedRun]] = {}
    with create_session() as session:
        seen: set[str] = set()
        for dag, run_id, state, day, at in session.execute(recent):
            name, purpose = ids[dag]
            if dag not in seen and state == DagRunState.FAILED:
                failed.setdefault(name, []).append(FailedRun(purpose, run_id, _partition(day), at.astimezone(UTC)))
            seen.add(dag)
        nights = {
            ids[dag][0]: NextNight(at.astimezone(UTC) if at else None, _partition(day), bool(paused))
            for dag, paused, at, day in session.execute(models)
        }
    return AirflowState(failed, nights)


def _partition(key: str | None) -> str:
    """The hour or the day that a run is for; a key that Airflow made of a moment begins with the day."""
    return key if key and is_hour(key) else (key or "")[: len("YYYY-MM-DD")]
