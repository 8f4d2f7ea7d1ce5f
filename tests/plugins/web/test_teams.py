"""Teams on the front page, and their pools in Airflow's own database."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from airflow.models.pool import Pool

from plugins import pools
from plugins.tidewheel_plugin import TidewheelPlugin
from tidewheel.ledger.trainings import FitCost, Trainings, Window

if TYPE_CHECKING:
    from tests.plugins.web.conftest import Get
    from tidewheel.lake import Lake
    from tidewheel.ledger import Ledger


@pytest.mark.usefixtures("airflow_database", "project")
def test_the_scheduler_makes_the_pools_and_gives_them_the_slots_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert pools in TidewheelPlugin.listeners
    monkeypatch.setenv("TIDEWHEEL_TEAM_SLOTS", '{"Pool party": 2}')
    pools.on_starting(component=SimpleNamespace(job_type="TriggererJob"))
    assert Pool.get_pool("team-pool-party") is None
    for slots in (2, 5):
        monkeypatch.setenv("TIDEWHEEL_TEAM_SLOTS", f'{{"Pool party": {slots}}}')
        pools.on_starting(component=SimpleNamespace(job_type="SchedulerJob"))
        pool = Pool.get_pool("team-pool-party")
        assert (pool.slots, pool.include_deferred) == (slots, True)


def test_the_front_page_has_what_each_team_used_of_its_quota(
    get: Get, lake: Lake, ledger: Ledger, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "by team" not in get("/").text
    window = Window(date(2026, 1, 5), date(2026, 1, 1), date(2026, 1, 5))
    Trainings(ledger).fitted("orders", "run", window, FitCost(1, 900.0, 1800.0, 0.0), datetime.now(UTC))
    monkeypatch.setenv("TIDEWHEEL_TEAM_CPU_SECONDS", '{"shop": 1500}')
    monkeypatch.setenv("TIDEWHEEL_CPU_HOUR_PRICE", "0.5")
    page = get("/").text
    assert "Trainings of this month, by team" in page
    assert "1,800" in page
    assert "used up" in page
    assert "0.25 EUR" in page
