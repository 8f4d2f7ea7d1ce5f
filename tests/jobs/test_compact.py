"""The hours of a day become the day's batches: when it is whole, when it has waited, and again when one comes late."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.compact import work
from jobs.job import Job, Result
from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import DataRefused, SpecError
from tidewheel.hours import Hour
from tidewheel.lake import Lake
from tidewheel.options import CompactOptions
from tidewheel.partitions import HOUR, PartitionRange
from tidewheel.runs import SKIPPED
from tidewheel.settings import Settings
from tidewheel.spec import load_pipeline

DAY = "2026-01-05"
HOURLY = PIPELINE_FILE + "partition: hour\n"


def hours(first: int = 0, last: int = 23, day: str = DAY) -> list[str]:
    return [f"{day}T{hour:02}" for hour in range(first, last + 1)]


class HourlyLake:
    """An hourly pipeline's lake, and its job."""

    def __init__(self, folder: Path, text: str = HOURLY) -> None:
        self.settings = Settings(home=folder / "home")
        (folder / "orders.yaml").write_text(text)
        self.pipeline = load_pipeline(folder / "orders.yaml")
        self.lake = Lake.open("orders", self.settings)

    def publish(self, key: str, *datasets: str, value: float = 1.0, order: str = "") -> None:
        """Publish an hour of some datasets; landing and features where none is named."""
        for dataset in datasets or ("landing", "features"):
            table = pa.table({name: [order or key] for name in self.pipeline.key} | {"value": [value]})
            inputs = {f"landing/{key}": "made from"} if dataset == "features" else {}
            self.lake.publish(self.lake.write_table(dataset, key, table, inputs, "test"))

    def compact(self, partition: str, *, scored: bool = False) -> Result:
        asked = PartitionRange.parse(partition).by(HOUR)
        options = CompactOptions(scored=scored)
        return work(Job("compact", self.pipeline, asked, "run", self.settings, self.lake, options, "code"))

    def values(self, dataset: str = "features", day: str = DAY) -> list[float]:
        values: list[float] = self.lake.read(self.lake.need(dataset, day))["value"].to_pylist()
        return values


@pytest.fixture
def orders(tmp_path: Path) -> HourlyLake:
    return HourlyLake(tmp_path)


def test_a_day_is_made_when_its_last_hour_has_come_and_not_before(orders: HourlyLake) -> None:
    for key in hours(last=22):
        orders.publish(key)
    before = orders.compact(hours()[22])
    assert (before.figures["days"], before.figures["days_that_wait"]) == (0, 1)
    assert f"{DAY} has 23 of 24 hours" in before.sentence
    assert "missing" not in before.sentence  # the day is not over
    assert orders.lake.newest("features") is None
    orders.publish(hours()[23])
    after = orders.compact(hours()[23])
    assert {batch.key for batch in after.outputs} == {f"landing/{DAY}", f"features/{DAY}"}
    assert not after.warnings
    assert len(orders.values()) == 24
    assert orders.lake.partitions("features") == [DAY]
    assert orders.lake.partitions("features", HOUR) == hours()


def test_the_batch_of_a_day_names_its_hours_and_what_they_were_made_from(orders: HourlyLake) -> None:
    for key in hours():
        orders.publish(key)
    orders.compact(DAY)
    inputs = orders.lake.need("features", DAY).inputs
    assert inputs["features/2026-01-05T07"] == orders.lake.need("features", "2026-01-05T07").content_hash
    assert inputs["landing/2026-01-05T07"] == "made from"


def test_a_day_that_has_not_changed_is_not_written_again(orders: HourlyLake) -> None:
    for key in hours():
        orders.publish(key)
    first = orders.compact(DAY)
    again = orders.compact(DAY)
    assert (first.figures["batches_written"], again.figures["batches_written"]) == (2, 0)
    assert [batch.content_hash for batch in again.outputs] == [batch.content_hash for batch in first.outputs]


def test_a_day_waits_six_hours_for_one_that_is_missing_and_goes_on_without_it(orders: HourlyLake) -> None:
    for key in [*hours(last=4), *hours(6)]:
        orders.publish(key)
    waits = orders.compact(hours()[23])
    assert f"{DAY} has 23 of 24 hours; missing: {DAY}T05" in waits.sentence
    next_day = hours(day="2026-01-06")
    for key in next_day[:6]:
        orders.publish(key)
    assert orders.compact(next_day[4]).figures["days"] == 1  # the sixth hour of the next day has landed by now
    assert len(orders.values()) == 23


def test_what_a_day_lacks_is_a_warning_with_what_to_do(orders: HourlyLake) -> None:
    for key in [*hours(last=4), *hours(6), *hours(last=5, day="2026-01-06")]:
        orders.publish(key)
    [warning] = orders.compact("2026-01-06T05").warnings
    assert warning == (
        f"{DAY} is judged without 1 hour ({DAY}T05); run orders.features for {DAY}T05 when the source has it: that "
        "makes the day again"
    )


def test_an_hour_that_comes_later_makes_its_day_again(orders: HourlyLake) -> None:
    for key in [*hours(last=4), *hours(6), *hours(last=5, day="2026-01-06")]:
        orders.publish(key)
    orders.compact("2026-01-06T05")
    orders.publish(f"{DAY}T05", value=7.0)
    late = orders.compact(f"{DAY}T05")
    assert not late.warnings
    assert {batch.partition for batch in late.outputs} == {DAY}
    assert sorted(orders.values()) == [1.0] * 23 + [7.0]


def test_a_corrected_hour_makes_its_day_again(orders: HourlyLake) -> None:
    for key in hours():
        orders.publish(key)
    orders.compact(DAY)
    orders.publish(f"{DAY}T09", value=3.0)
    assert orders.compact(f"{DAY}T09").figures["batches_written"] == 2
    assert sorted(orders.values()) == [1.0] * 23 + [3.0]


def test_a_day_waits_for_the_predictions_of_its_last_hour(orders: HourlyLake) -> None:
    for key in hours():
        orders.publish(key)
    for key in hours(10, 22):  # the first champion was promoted in the morning
        orders.publish(key, "predictions")
    waits = orders.compact(hours()[22], scored=True)
    assert f"{DAY} waits for the predictions of {DAY}T23" in waits.sentence
    assert not waits.outputs
    orders.publish(f"{DAY}T23", "predictions")
    orders.compact(hours()[23], scored=True)
    assert len(orders.values("predictions")) == 14


def test_without_a_champion_a_day_is_made_all_the_same(orders: HourlyLake) -> None:
    for key in hours():
        orders.publish(key)
    made = orders.compact(hours()[23], scored=True)
    assert {batch.dataset for batch in made.outputs} == {"landing", "features"}


def test_a_scored_day_that_lost_an_hour_is_made_in_both_datasets(orders: HourlyLake) -> None:
    for key in (key for key in hours() if not key.endswith("T05")):
        orders.publish(key, "landing", "features", "predictions")
    for key in hours(last=5, day="2026-01-06"):
        orders.publish(key)
        orders.compact(key)  # what the DAG of features does, and then that of scoring
        orders.publish(key, "predictions")
        orders.compact(key, scored=True)
    assert orders.lake.partitions("features") == orders.lake.partitions("predictions") == [DAY]
    assert len(orders.values("predictions")) == 23


def test_a_backfilled_day_is_made_once_with_its_last_hour(orders: HourlyLake) -> None:
    for key in hours(day="2026-02-01"):
        orders.publish(key)
    orders.compact("2026-02-01")
    made = []
    for key in hours():
        orders.publish(key)
        made += [key for batch in orders.compact(key).outputs if batch.key == f"features/{DAY}"]
    assert made == [hours()[23]]


def test_hours_that_come_in_any_order_make_their_day_when_all_are_there(orders: HourlyLake) -> None:
    for key in hours(day="2026-02-01"):
        orders.publish(key)
    orders.compact("2026-02-01")
    for key in [key for key in hours() if not key.endswith("T10")][:-1] + hours()[10:11]:
        orders.publish(key)
        assert not orders.compact(key).outputs
    orders.publish(hours()[23])
    orders.compact(hours()[23])
    assert len(orders.values()) == 24


def test_a_day_before_a_long_outage_is_made_after_it(orders: HourlyLake) -> None:
    for key in hours(last=20):
        orders.publish(key)
        orders.compact(key)
    orders.publish("2026-01-08T00")
    after = orders.compact("2026-01-08T00")
    assert orders.lake.partitions("features") == [DAY]
    assert f"{DAY} is judged without 3 hours" in after.warnings[0]


def test_an_hour_that_was_not_scored_in_the_middle_is_a_warning(orders: HourlyLake) -> None:
    for key in hours():
        orders.publish(key)
        if not key.endswith("T10"):
            orders.publish(key, "predictions")
    made = orders.compact(DAY, scored=True)
    assert f"without the predictions of 1 hour ({DAY}T10)" in made.warnings[0]
    assert len(orders.values("predictions")) == 23


def test_predictions_of_a_day_name_its_features(orders: HourlyLake) -> None:
    for key in hours():
        orders.publish(key, "landing", "features", "predictions")
    orders.compact(DAY, scored=True)
    features = orders.lake.need("features", DAY)
    assert orders.lake.need("predictions", DAY).inputs[features.key] == features.content_hash
    assert orders.compact(DAY, scored=True).figures["batches_written"] == 0


def test_rows_without_features_are_no_part_of_the_day(orders: HourlyLake) -> None:
    for key in [*hours(last=4), *hours(6), *hours(last=5, day="2026-01-06")]:
        orders.publish(key)
    orders.publish(f"{DAY}T05", "landing")  # its features were refused
    orders.compact("2026-01-06T05")
    assert len(orders.values("landing")) == len(orders.values("features")) == 23


def test_where_hours_may_be_without_rows_a_day_ends_with_its_last_hour(tmp_path: Path) -> None:
    orders = HourlyLake(tmp_path, HOURLY.replace("source:\n", "source:\n  empty_hours: skip\n"))
    for key in hours(8, 18):
        orders.publish(key)
    assert orders.compact(f"{DAY}T18").figures["days"] == 0
    made = orders.compact(f"{DAY}T23")
    assert made.figures["days"] == 1
    assert not made.warnings


def test_a_key_in_two_hours_is_refused_with_what_to_do(orders: HourlyLake) -> None:
    for key in hours():
        orders.publish(key, order="the same" if key.endswith(("T03", "T04")) else "")
    with pytest.raises(DataRefused, match=r"2 rows have a key that comes in several hours .*one row of a day"):
        orders.compact(DAY)
    assert orders.lake.newest("landing") is None


def test_hours_outside_the_source_make_no_day(tmp_path: Path) -> None:
    orders = HourlyLake(tmp_path, HOURLY.replace("source:\n", "source:\n  end: 2026-01-04\n"))
    assert orders.compact(DAY).figures[SKIPPED] is True


def test_a_daily_pipeline_has_no_hours(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="orders: a partition of it is a day; there are no hours"):
        HourlyLake(tmp_path, PIPELINE_FILE).compact(DAY)


def test_a_lake_lists_hours_and_days_apart(orders: HourlyLake) -> None:
    assert (orders.lake.newest("landing"), orders.lake.newest("landing", HOUR)) == (None, None)
    orders.publish("2026-01-04T23")
    assert orders.lake.newest("landing", HOUR) == str(Hour.last_of(date(2026, 1, 4)))
    assert orders.lake.partitions("landing") == []
