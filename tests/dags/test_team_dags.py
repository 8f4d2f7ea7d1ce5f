"""A team's DAGs carry its name, run in its pool and belong to its role, where the settings name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.serialization.serialized_objects import DagSerialization

if TYPE_CHECKING:
    from tests.dags.conftest import ReadDags


def test_without_settings_all_teams_share_the_default_pool(read_dags: ReadDags) -> None:
    dags = read_dags().dags
    assert {task.pool for dag in dags.values() for task in dag.tasks} == {"default_pool"}
    assert all("shop" in dag.tags for dag in dags.values())
    assert all(dag.access_control is None for dag in dags.values())


def test_tasks_of_a_team_with_slots_run_in_its_pool(read_dags: ReadDags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_TEAM_SLOTS", '{"shop": 2}')
    dags = read_dags().dags
    assert {task.pool for dag in dags.values() for task in dag.tasks} == {"team-shop"}


@pytest.mark.filterwarnings("ignore:The airflow.security.permissions module")  # FAB has no other way
def test_with_roles_a_team_may_run_its_dags_and_not_delete_them(
    read_dags: ReadDags, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_TEAM_ROLES", "true")
    stored = DagSerialization.from_dict(DagSerialization.to_dict(read_dags().dags["orders.training"]))
    allowed = stored.access_control["shop"]
    assert set(allowed["DAGs"]) == {"can_read", "can_edit"}
    assert set(allowed["DAG Runs"]) == {"can_create", "can_read"}
