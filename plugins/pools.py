"""Airflow's pools of the teams: the scheduler makes them as it starts, from the settings."""

from __future__ import annotations

import logging
from typing import Any

from airflow.listeners import hookimpl

from tidewheel.settings import load_settings
from tidewheel.teams import team_pools

SCHEDULER = "SchedulerJob"
log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: Any) -> None:
    """Make the pools before the first task is scheduled; a task whose pool is not there would wait for ever."""
    if getattr(component, "job_type", "") == SCHEDULER:
        make_pools(team_pools(load_settings()))


def make_pools(pools: dict[str, int]) -> None:
    """Make pools, or give those that are there other slots; pools of other names are left alone.

    Args:
        pools: slots by name.
    """
    from airflow.models.pool import Pool

    for name, slots in pools.items():
        # Deferred tasks count: their pods run.
        Pool.create_or_update_pool(name, slots, "Tidewheel: tasks of a team's pipelines", include_deferred=True)
        log.info("pool %s has %d slots", name, slots)
