"""Which days a run is about, and that it stays about them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from plugins.pipeline.partition import last_ended, newest_features
from tidewheel.lake import Lake
from tidewheel.partitions import Partitioning
from tidewheel.runs import JobRecord, write_record

if TYPE_CHECKING:
    from tests.plugins.conftest import Project

Context = Callable[..., dict[str, Any]]
EMPTY: dict[str, Any] = {"first": None, "last": None}
day_before, week_before = last_ended(Partitioning.DAY), last_ended(Partitioning.WEEK)


@pytest.fixture
def run(context: Context) -> Callable[..., SimpleNamespace]:
    def build(run_id: str = "run-1", **dag_run: Any) -> SimpleNamespace:
        found: SimpleNamespace = context(run_id, **dag_run)["dag_run"]
        return found

    return build


@pytest.fixture
def lake(project: Project) -> Lake:
    """A lake with features of two days."""
    lake = Lake.open("orders")
    for day in ("2026-01-01", "2026-01-02"):
        publish(lake, day)
    return lake


def publish(lake: Lake, day: str) -> None:
    lake.publish(lake.write_table("features", day, pa.table({"amount": [1.0]}), {}, "test"))


def test_a_partition_key_is_the_day(run: Callable[..., Any]) -> None:
    assert day_before(run(partition_key="2026-01-05"), EMPTY) == "2026-01-05"


def test_the_form_names_a_day_or_a_range(run: Callable[..., Any]) -> None:
    assert day_before(run(), {"first": "2026-01-05", "last": None}) == "2026-01-05"
    assert day_before(run(), {"first": "2026-01-05", "last": "2026-01-05"}) == "2026-01-05"
    assert day_before(run(), {"first": "2026-01-05", "last": "2026-02-01"}) == "2026-01-05..2026-02-01"


def test_hours_are_named_by_key_form_or_clock(run: Callable[..., Any], lake: Lake) -> None:
    hour_before = last_ended(Partitioning.HOUR)
    assert hour_before(run(partition_key="2026-01-05T07"), EMPTY) == "2026-01-05T07"
    assert hour_before(run(partition_key="2026-01-05"), EMPTY) == "2026-01-05T00..2026-01-05T23"
    assert hour_before(run(), {"first": "2026-01-05T22", "last": "2026-01-06"}) == "2026-01-05T22..2026-01-06T23"
    now = run()
    assert hour_before(now, EMPTY) == str(Partitioning.HOUR.last_ended(now.run_after))
    with pytest.raises(AirflowFailException, match="names hours, and this is done by day"):
        day_before(run(partition_key="2026-01-05T07"), EMPTY)
    publish(lake, "2026-01-02T09")
    newest = newest_features("orders", "score", Partitioning.HOUR)
    assert newest(run("run-9"), EMPTY) == "2026-01-02T09"


def test_an_empty_form_means_the_day_before_the_run(run: Callable[..., Any]) -> None:
    assert day_before(run(), EMPTY) == "2026-11-21"
    assert week_before(run(), EMPTY) == "2026-11-09"  # a run on Sunday the 22nd: that week is not over


def test_a_weekly_run_is_about_weeks_by_their_mondays(run: Callable[..., Any]) -> None:
    assert week_before(run(partition_key="2026-01-05"), EMPTY) == "2026-01-05"
    assert week_before(run(), {"first": "2026-01-05", "last": "2026-01-19"}) == "2026-01-05..2026-01-19"
    with pytest.raises(AirflowFailException, match=r"2026-01-06 lies within a week.*by its Monday, 2026-01-05"):
        week_before(run(), {"first": "2026-01-06", "last": None})


@pytest.mark.parametrize(
    ("key", "form", "reason"),
    [
        (None, {"first": None, "last": "2026-01-05"}, "no first day"),
        (None, {"first": "2026-02-01", "last": "2026-01-05"}, "ends before it begins"),
        (None, {"first": "2026-2-1", "last": None}, "is not a day"),
        ("2026-01-05T00:00:00", EMPTY, "is not a day"),
    ],
)
def test_a_wrong_form_fails_the_run_at_once_with_the_reason(
    run: Callable[..., Any], key: str | None, form: dict[str, Any], reason: str
) -> None:
    with pytest.raises(AirflowFailException, match=reason):
        day_before(run(partition_key=key), form)


def test_a_run_without_days_is_about_the_newest_published_features(lake: Lake, run: Callable[..., Any]) -> None:
    partition = newest_features("orders", "assemble")
    assert partition(run(), EMPTY) == "2026-01-02"
    assert partition(run(), {"as_of": "2026-01-01"}) == "2026-01-01"
    assert partition(run(partition_key="2026-01-01"), EMPTY) == "2026-01-01"


def test_a_run_that_is_cleared_keeps_the_day_it_began_with(lake: Lake, run: Callable[..., Any]) -> None:
    partition = newest_features("orders", "assemble")
    write_record(lake, JobRecord(pipeline="orders", job="assemble", run_id="run-1", partition="2026-01-02"))
    publish(lake, "2026-01-03")
    assert partition(run(), EMPTY) == "2026-01-02"
    assert partition(run(run_id="run-2"), EMPTY) == "2026-01-03"


def test_without_any_features_the_message_says_what_to_run_first(project: Project, run: Callable[..., Any]) -> None:
    with pytest.raises(AirflowFailException, match=r"run orders\.features first"):
        newest_features("orders", "score")(run(), EMPTY)
