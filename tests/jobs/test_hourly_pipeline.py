"""An hourly pipeline from its files to a monitored day: Spark, PostgreSQL and MLflow are real."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tests.jobs.hourly_parcels import FIRST, ROWS, HourlyParcels, day, hours
from tidewheel.errors import ExitCode
from tidewheel.hours import HOURS, Hour
from tidewheel.ledger import Ledger
from tidewheel.partitions import HOUR
from tidewheel.policies.verdict import Kind
from tidewheel.runs import JobRecord
from tidewheel.settings import load_settings

pytestmark = [pytest.mark.spark, pytest.mark.slow]

HISTORY = 5
"""Days that are landed in one range; as of the last of them a version is trained."""


@pytest.fixture
def parcels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, mlflow_url: str) -> HourlyParcels:
    """The pipeline."""
    return HourlyParcels.declared(tmp_path, "hourly", database_url, mlflow_url, monkeypatch)


class Hourly:
    """What the DAGs of an hourly pipeline do."""

    def __init__(self, made: HourlyParcels) -> None:
        self.made = made

    def features(self, partition: object, run_id: str) -> JobRecord:
        """Land, judge, compute, judge, and make days; returns what became of the days."""
        self._job("land", partition, run_id)
        self._judge("raw", partition, run_id)
        self._job("features", partition, run_id)
        self._judge("features", partition, run_id)
        return self._job("compact", partition, run_id)

    def scoring(self, partition: object, run_id: str) -> JobRecord:
        """Score, judge, and make days."""
        self._job("score", partition, run_id)
        self._judge("predictions", partition, run_id)
        return self._job("compact", partition, run_id, "--scored")

    def night(self, partition: object, run_id: str) -> JobRecord:
        """Publish requests, and monitor."""
        self._job("requests", partition, run_id)
        return self._job("monitor", partition, run_id)

    def train(self, partition: object, run_id: str) -> JobRecord:
        """Train a version, judge and promote it."""
        for job in ("assemble", "train", "evaluate"):
            self._job(job, partition, run_id)
        return self._job("promote", partition, run_id)

    def _job(self, job: str, partition: object, run_id: str, *options: str) -> JobRecord:
        return self.made.run(job, partition, run_id, *options)

    def _judge(self, stage: str, partition: object, run_id: str) -> None:
        self.made.run("validate", partition, run_id, "--stage", stage)


def test_hours_are_landed_and_scored_and_their_day_is_monitored(parcels: HourlyParcels) -> None:
    hourly = Hourly(parcels)
    for number in range(HISTORY + 2):
        parcels.deliver(day(number))
    made = hourly.features(f"{day(0)}..{day(HISTORY - 1)}", "history")
    assert made.figures["days"] == HISTORY
    days = [str(day(number)) for number in range(HISTORY)]
    lake = parcels.lake
    assert lake.partitions("landing") == lake.partitions("features") == days
    assert len(lake.partitions("features", HOUR)) == HISTORY * HOURS
    assert lake.partitions("labels") == days[:-1]
    assert lake.need("features", days[2]).rows == HOURS * ROWS
    _features_are_those_of_a_naive_computation(parcels, hours(day(3))[1])

    hourly.train(day(HISTORY - 1), "first")
    judged = day(HISTORY)
    late, last = hours(judged)[5], hours(judged)[-1]
    file = parcels.folder / "source" / f"orders-{late}.parquet"
    file.unlink()
    hourly.features(f"{hours(judged)[0]}..{hours(judged)[4]}", "night")
    hourly.scoring(f"{hours(judged)[0]}..{hours(judged)[4]}", "night")
    with pytest.raises(SystemExit) as ended:
        hourly.features(late, "late")
    assert ended.value.code == ExitCode.FAILED  # Airflow tries again
    hourly.features(f"{hours(judged)[6]}..{last}", "day")
    waits = hourly.scoring(f"{hours(judged)[6]}..{last}", "day")
    assert f"{judged} has 23 of 24 hours; missing: {late}" in waits.sentence
    assert not waits.outputs

    parcels.deliver_hour(late)
    alone = hourly.features(late, "late again")
    assert alone.figures["days"] == 1
    scored = hourly.scoring(judged, "late again")  # what is announced: later hours look back on the late one
    assert {(batch.dataset, batch.partition) for batch in scored.outputs} == {
        (dataset, str(judged)) for dataset in ("landing", "features", "predictions")
    }
    assert lake.need("predictions", str(judged)).rows == HOURS * ROWS
    assert lake.need("labels", days[-1]).rows == HOURS * ROWS  # with the last hour of the day after

    _an_hour_alone_has_the_features_that_it_has_within_a_range(parcels, hourly, last)

    monitored = hourly.night(judged, "monitored")
    assert not monitored.warnings, monitored.warnings
    following = day(HISTORY + 1)
    hourly.features(following, "following")
    hourly.scoring(following, "following")
    second = hourly.night(following, "following")
    assert not second.warnings, second.warnings
    ledger = Ledger.open(load_settings())
    rows = ledger.figures_of_days(parcels.name, str(FIRST), str(following), {"log_loss"})
    assert {row.partition for row in rows if not row.slice} == {str(judged)}
    assert [row.subject for row in ledger.verdicts(parcels.name, Kind.TRIGGER)][:2] == [str(following), str(judged)]


def _features_are_those_of_a_naive_computation(parcels: HourlyParcels, hour: Hour) -> None:
    """The rate of the newest day whose labels are known, the rows of the three hours before, and the row before."""
    found = parcels.lake.read(parcels.lake.need("features", str(hour))).to_pandas()
    number = (hour.date() - FIRST).days
    known = parcels.of_day(day(number - 2))  # those of the day before are landed with the day's last hour
    assert found["late_rate_1d"].to_numpy() == pytest.approx(known["late"].mean())
    before = pd.concat([parcels.orders(HOUR.before(hour, n)) for n in (1, 2, 3)])  # type: ignore[arg-type]
    counts = before.groupby("carrier").size()
    assert found["carrier_parcels_3h"].tolist() == [counts[carrier] for carrier in found["carrier"]]
    rows = pd.concat([before, parcels.orders(hour)]).sort_values("ordered_at")
    last = rows.groupby("carrier")["weight"].shift().set_axis(rows["parcel"])
    assert found["last_weight"].tolist() == pytest.approx([last[parcel] for parcel in found["parcel"]])


def _an_hour_alone_has_the_features_that_it_has_within_a_range(
    parcels: HourlyParcels, hourly: Hourly, hour: Hour
) -> None:
    within = parcels.lake.need("features", str(hour)).content_hash
    hourly.features(hour, "alone")
    assert parcels.lake.need("features", str(hour)).content_hash == within


def test_a_lake_of_days_does_not_become_one_of_hours(parcels: HourlyParcels, caplog: pytest.LogCaptureFixture) -> None:
    parcels.lake.publish(parcels.lake.write_table("landing", "2024-03-29", pa.table({"parcel": ["a"]}), {}, ""))
    with pytest.raises(SystemExit) as ended:
        parcels.run("land", str(hours(FIRST)[0]), "mixed")
    assert ended.value.code == ExitCode.WRONG_USAGE
    assert "`partition: hour`, but its lake holds days, for example 2024-03-29" in caplog.text


def test_what_is_decided_by_day_takes_no_hour(parcels: HourlyParcels, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        parcels.run("monitor", str(hours(FIRST)[3]), "by hour")
    assert ended.value.code == ExitCode.WRONG_USAGE
    assert "2024-03-30T03 names hours, and this is done by day: name the day" in caplog.text


def test_a_row_of_the_hour_after_is_refused(parcels: HourlyParcels, caplog: pytest.LogCaptureFixture) -> None:
    parcels.deliver(FIRST)
    first, second = hours(FIRST)[:2]
    (parcels.folder / "source" / f"orders-{second}.parquet").rename(
        parcels.folder / "source" / f"orders-{first}.parquet"
    )
    with pytest.raises(SystemExit) as ended:
        parcels.run("land", str(first), "astray")
    assert ended.value.code == ExitCode.DATA_REFUSED
    assert f"12 of 12 rows lie outside {first}" in caplog.text
    assert "a partition holds its own hour (UTC)" in caplog.text
