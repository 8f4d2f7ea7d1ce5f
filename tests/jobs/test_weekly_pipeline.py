"""A weekly pipeline from its files to probation and replay: Spark, PostgreSQL and MLflow are real."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tests.jobs.weekly_parcels import FIRST, ROWS, WeeklyParcels, week
from tidewheel.errors import ExitCode
from tidewheel.ledger import Ledger
from tidewheel.ledger.probations import Probations
from tidewheel.partitions import Partitioning, PartitionRange
from tidewheel.policies.verdict import Kind
from tidewheel.runs import JobRecord
from tidewheel.settings import load_settings

pytestmark = [pytest.mark.spark, pytest.mark.slow]

HISTORY, FIRST_TRAINING, SECOND_TRAINING = 12, 9, 11
"""Weeks that are landed in one range, and those as of which the two versions are trained."""


@pytest.fixture
def parcels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, mlflow_url: str) -> WeeklyParcels:
    """The pipeline, and the files of its history."""
    made = WeeklyParcels.declared(tmp_path, "weekly", database_url, mlflow_url, monkeypatch)
    for number in range(HISTORY):
        made.deliver(week(number))
    return made


def land(made: WeeklyParcels, partition: object, run_id: str) -> JobRecord:
    """What the DAG of the features does with a week, or with a range of them."""
    made.run("land", partition, run_id)
    made.run("validate", partition, run_id, "--stage", "raw")
    record = made.run("features", partition, run_id)
    made.run("validate", partition, run_id, "--stage", "features")
    return record


def train(made: WeeklyParcels, partition: object, run_id: str) -> JobRecord:
    for job in ("assemble", "train"):
        made.run(job, partition, run_id)
    judged = made.run("evaluate", partition, run_id)
    made.run("promote", partition, run_id)
    return judged


def play_week(made: WeeklyParcels, number: int) -> JobRecord:
    """A week as the DAGs play it, from its files to the decision."""
    monday = week(number)
    made.deliver(monday)
    land(made, monday, f"week {number}")
    made.run("score", monday, f"week {number}")
    made.run("validate", monday, f"week {number}", "--stage", "predictions")
    made.run("requests", monday, f"week {number}")
    return made.run("monitor", monday, f"week {number}")


def test_several_weeks_from_files_to_probation_and_replay(parcels: WeeklyParcels) -> None:
    made = land(parcels, f"{week(0)}..{week(HISTORY - 1)}", "history")
    assert made.figures["rows"] == HISTORY * ROWS
    mondays = [str(week(number)) for number in range(HISTORY)]
    assert parcels.lake.partitions("landing") == parcels.lake.partitions("features") == mondays
    assert parcels.lake.partitions("labels") == mondays[:-1]  # known a week later
    _features_are_those_of_a_naive_computation(parcels, 6)

    first = train(parcels, week(FIRST_TRAINING), "first")
    assert first.figures["outcome"] == "passed", first.sentence
    assert not first.warnings
    second = train(parcels, week(SECOND_TRAINING), "second")
    assert second.figures["outcome"] == "passed", second.sentence
    ledger = Ledger.open(load_settings())
    probation = Probations(ledger).open(parcels.name)
    assert probation is not None
    assert (probation.version, probation.predecessor, probation.as_of) == ("2", "1", str(week(SECOND_TRAINING)))

    records = [play_week(parcels, number) for number in (12, 13, 14)]
    assert all(not record.warnings for record in records), [record.warnings for record in records]
    assert "the last training was 1 of 3 weeks ago" in records[0].sentence
    assert "the last training was 3 of 3 weeks ago" in records[2].sentence
    assert "day" not in records[2].sentence, records[2].sentence
    assert [str(day.day) for day in Probations(ledger).days(parcels.name, "2", "1") if day.day > week(11)] == [
        str(week(12)),
        str(week(13)),
    ]
    measured = {
        row.partition
        for row in ledger.figures_of_days(parcels.name, str(week(0)), str(week(20)), {"log_loss"})
        if not row.slice
    }
    assert measured == {str(week(12)), str(week(13))}
    assert parcels.lake.partitions("predictions") == [str(week(number)) for number in (12, 13, 14)]
    assert [row.subject for row in ledger.verdicts(parcels.name, Kind.TRIGGER)][:3] == [
        str(week(number)) for number in (14, 13, 12)
    ]

    played = f"{week(10)}..{week(13)}"
    parcels.run("replay", played, "replay", "--policy", "spec", "--policy", "weekly", "--seeds", "1", "--workers", "1")
    content = parcels.lake.store.read(f"{parcels.name}/reports/replay/{week(10)}..{week(13)}/replay.json")
    plays = {play["policy"]: play for play in json.loads(content or b"{}")["plays"]}
    assert list(plays["spec"]["versions"]) == [str(week(number)) for number in (10, 11, 12, 13)]
    assert [training["as_of"] for training in plays["every:7d"]["trainings"]] == [
        str(week(number)) for number in (9, 10, 11, 12)
    ]


def _features_are_those_of_a_naive_computation(parcels: WeeklyParcels, number: int) -> None:
    """The rate of two weeks of labels known a week later, the rows of the three weeks before, and the row before."""
    found = parcels.lake.read(parcels.lake.need("features", str(week(number)))).to_pandas()
    known = pd.concat([parcels.orders(week(number - 2)), parcels.orders(week(number - 1))])
    before = pd.concat([parcels.orders(week(number - n)) for n in (1, 2, 3)])
    assert found["late_rate_2w"].to_numpy() == pytest.approx(known["late"].mean())
    counts = before.groupby("carrier").size()
    assert found["carrier_parcels_3w"].tolist() == [counts[carrier] for carrier in found["carrier"]]
    rows = pd.concat([before, parcels.orders(week(number))]).sort_values("ordered_at")
    last = rows.groupby("carrier")["weight"].shift().set_axis(rows["parcel"])
    assert found["last_weight"].tolist() == pytest.approx([last[parcel] for parcel in found["parcel"]])


def test_a_week_is_named_by_its_monday(parcels: WeeklyParcels, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        parcels.run("land", FIRST + timedelta(days=2), "wednesday")
    assert ended.value.code == ExitCode.WRONG_USAGE
    assert "2024-01-03 lies within a week" in caplog.text
    assert "is named by its Monday, 2024-01-01" in caplog.text


def test_a_range_counts_weeks_as_it_goes(
    parcels: WeeklyParcels, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("jobs.progress.LINE_SECONDS", 0)
    parcels.run("land", PartitionRange(week(0), week(2), Partitioning.WEEK), "counted")
    assert ": landing: 2 of 3 weeks" in caplog.text


def test_a_lake_of_days_does_not_become_one_of_weeks(parcels: WeeklyParcels, caplog: pytest.LogCaptureFixture) -> None:
    wednesday = pd.DataFrame({"parcel": ["a"]})
    parcels.lake.publish(
        parcels.lake.write_table("landing", "2023-12-27", pa.Table.from_pandas(wednesday, preserve_index=False), {}, "")
    )
    with pytest.raises(SystemExit) as ended:
        parcels.run("land", week(0), "mixed")
    assert ended.value.code == ExitCode.WRONG_USAGE
    assert "its lake holds days, for example 2023-12-27" in caplog.text


def test_a_row_of_the_week_after_is_refused(parcels: WeeklyParcels, caplog: pytest.LogCaptureFixture) -> None:
    orders = parcels.orders(week(1))
    orders["ordered_at"] += timedelta(days=7)
    orders.to_parquet(parcels.folder / "source" / f"orders-{week(1)}.parquet", index=False)
    with pytest.raises(SystemExit) as ended:
        parcels.run("land", week(1), "astray")
    assert ended.value.code == ExitCode.DATA_REFUSED
    assert f"150 of 150 rows lie outside the week of {week(1)}" in caplog.text
    assert "a partition holds its own week (UTC)" in caplog.text
