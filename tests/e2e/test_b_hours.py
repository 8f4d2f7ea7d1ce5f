"""An hourly pipeline in the running Airflow: hours are landed and scored, and the day that they make is monitored."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.conftest import wait_until
from tests.e2e.live_pipeline import SECONDS_TO_WAIT, LivePipeline
from tests.installation import Installation
from tests.jobs.hourly_parcels import ROWS, HourlyParcels, hours
from tidewheel.hours import HOURS, Hour, start_of
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.partitions import HOUR
from tidewheel.policies.verdict import Kind
from tidewheel.runs import read_record

pytestmark = [pytest.mark.timeout(1200), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

NAME = "hourly"
HISTORY_DAYS = 6
"""Before the day that is played, landed in one run."""
MINUTES_TO_NEXT_HOUR = 30
"""The schedule's next run must not come into the test; that of the hour before comes after the backfill."""


@dataclass(frozen=True)
class Live:
    """The pipeline in Airflow, its files, and the day that is played."""

    pipeline: LivePipeline
    parcels: HourlyParcels
    day: date


@pytest.fixture(scope="module")
def live(installation: Installation) -> Live:
    """The pipeline with a history that ends two hours before its day does, and a model."""
    now, project = datetime.now(UTC), installation.project
    schedule = f'schedule: "{(now + timedelta(minutes=MINUTES_TO_NEXT_HOUR)).minute} * * * *"\n'
    parcels = HourlyParcels.placed(project, NAME, installation.settings, schedule)
    shutil.copy(project / "dags" / "flight_delay.py", project / "dags" / f"{NAME}.py")
    day = (now - timedelta(hours=2)).date() - timedelta(days=1)
    first = day - timedelta(days=HISTORY_DAYS)
    for number in range((now.date() - first).days + 1):
        parcels.deliver(first + timedelta(days=number))
    installation.api.wait_for_dag(f"{NAME}.release")
    pipeline = LivePipeline(installation, NAME)
    pipeline.run("features", "history", first=str(first), last=str(hours(day)[-3]))
    pipeline.run("training", "first_model", reason="there is none yet")
    pipeline.run("scoring", "hours_before", first=str(hours(day)[0]), last=str(hours(day)[-3]))
    return Live(pipeline, parcels, day)


def test_hours_are_played_and_their_day_is_monitored(live: Live, installation: Installation) -> None:
    pipeline, lake = live.pipeline, installation.lake(NAME)
    backfilled, by_hand = hours(live.day)[-2:]
    assert lake.newest("predictions") is None, "no day has been made of scored hours yet"

    pipeline.backfill(start_of(backfilled), start_of(backfilled))
    pipeline.wait_for("features", str(backfilled))
    pipeline.night("last_hour", str(by_hand))
    pipeline.finish("features", "last_hour")
    scheduled = _scheduled_hour(pipeline)
    for hour in (backfilled, by_hand, scheduled):
        run = pipeline.wait_for("scoring", str(hour))
        assert (run.state, run.run_type) == ("success", "asset_triggered")

    wait_until(lambda: _is_judged(live, lake), f"{live.day} has all its hours and is monitored", SECONDS_TO_WAIT)
    monitored = pipeline.newest("monitoring", str(live.day))
    assert monitored is not None
    assert (monitored.state, monitored.run_type) == ("success", "asset_triggered")
    assert {run.partition_key for run in installation.api.runs(f"{NAME}.monitoring")} == {str(live.day)}

    day = lake.need("predictions", str(live.day))
    assert set(lake.read(day, ["model_version"])["model_version"].to_pylist()) == {"1"}
    for dataset in ("landing", "features"):
        assert lake.need(dataset, str(live.day)).rows == HOURS * ROWS
    assert lake.published("features", str(scheduled.date())) is None, "a day that is not over is not made"
    assert lake.need("labels", str(live.day - timedelta(days=1))).rows == HOURS * ROWS
    [newest, *_] = Ledger.open(installation.settings).verdicts(NAME, Kind.TRIGGER)
    assert newest.subject == str(live.day)


def test_the_champion_of_an_hourly_pipeline_is_released(live: Live) -> None:
    assert live.pipeline.wait_for("release").state == "success"


def _scheduled_hour(pipeline: LivePipeline) -> Hour:
    """The hour that the schedule has played by itself."""

    def runs() -> list[str]:
        found = pipeline.installation.api.runs(f"{NAME}.features")
        return [str(run.partition_key) for run in found if run.run_type == "scheduled" and run.state == "success"]

    wait_until(lambda: bool(runs()), "a scheduled hour has been played", SECONDS_TO_WAIT)
    [key] = runs()
    hour = Hour.of(datetime.fromisoformat(key))
    assert hour <= HOUR.last_ended(datetime.now(UTC))
    return hour


def _is_judged(live: Live, lake: Lake) -> bool:
    """Whether the day has its hours with their predictions, and monitoring has read it as it is now."""
    runs = live.pipeline.installation.api.runs(f"{NAME}.monitoring")
    features, predictions = lake.published("features", str(live.day)), lake.published("predictions", str(live.day))
    if features is None or predictions is None or any(not run.ended for run in runs):
        return False
    read = [read_record(lake, run.run_id, "monitor").inputs for run in runs if run.state == "success"]
    whole = features.rows == predictions.rows == HOURS * ROWS
    return whole and any(inputs.get(features.key) == features.content_hash for inputs in read)
