"""A weekly pipeline in the running Airflow: its backfill and its schedule play weeks, each named by its Monday."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.e2e.live_pipeline import LivePipeline
from tests.installation import Installation
from tests.jobs.weekly_parcels import ROWS, WeeklyParcels
from tidewheel.errors import PlatformError
from tidewheel.ledger import Ledger
from tidewheel.partitions import Partitioning
from tidewheel.policies.verdict import Kind

pytestmark = [pytest.mark.timeout(1200), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

NAME, WEEK = "weekly", Partitioning.WEEK
HISTORY_WEEKS = 7
"""Landed in one run, before the week of the backfill and that of the schedule."""


@dataclass(frozen=True)
class Live:
    """The pipeline in Airflow, and the newest week that its schedule has played by now."""

    pipeline: LivePipeline
    newest: date


@pytest.fixture(scope="module")
def live(installation: Installation) -> Live:
    """The pipeline with a history that ends two weeks before the newest, and a model."""
    project = installation.project
    parcels = WeeklyParcels.placed(project, NAME, installation.settings)
    shutil.copy(project / "dags" / "flight_delay.py", project / "dags" / f"{NAME}.py")
    newest = WEEK.last_ended(datetime.now(UTC) - timedelta(hours=3))  # its run is due on Monday at three
    weeks = WEEK.newest(newest, HISTORY_WEEKS + 2)
    for monday in weeks:
        parcels.deliver(monday)
    installation.api.wait_for_dag(f"{NAME}.release")
    pipeline = LivePipeline(installation, NAME)
    pipeline.run("features", "history", first=str(weeks[0]), last=str(weeks[-3]))
    pipeline.run("training", "first_model", reason="there is none yet")
    return Live(pipeline, newest)


def test_weeks_are_played_by_a_backfill_and_by_the_schedule(live: Live, installation: Installation) -> None:
    pipeline, lake, backfilled = live.pipeline, installation.lake(NAME), WEEK.before(live.newest)
    wednesday = datetime.combine(backfilled, datetime.min.time(), UTC) + timedelta(days=2)
    pipeline.backfill(wednesday, wednesday)

    for monday, began in ((backfilled, "backfill"), (live.newest, "scheduled")):
        for purpose, run_type in (
            ("features", began),
            ("scoring", "asset_triggered"),
            ("monitoring", "asset_triggered"),
        ):
            run = pipeline.wait_for(purpose, str(monday))
            assert (run.state, run.run_type) == ("success", run_type)
        assert lake.need("predictions", str(monday)).rows == ROWS
    judged = {row.subject for row in Ledger.open(installation.settings).verdicts(NAME, Kind.TRIGGER)}
    assert judged == {str(backfilled), str(live.newest)}


def test_airflow_refuses_a_day_within_a_week_at_once(live: Live) -> None:
    tuesday = live.newest + timedelta(days=1)
    with pytest.raises(PlatformError, match=f"by its Monday, {live.newest}"):
        live.pipeline.night("tuesday", str(tuesday))
    assert "tuesday" not in live.pipeline.runs("features")


def test_the_champion_of_a_weekly_pipeline_is_released(live: Live) -> None:
    assert live.pipeline.wait_for("release").state == "success"
