"""The flights pipeline: its readers on the real data, and that nothing in them is known only afterwards."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jobs.data.structure import LabelRules, labels_of_day, rows_of_day
from jobs.data.table_judge import TableJudge
from jobs.pipelines.flight_delay.package_data import package_data
from jobs.pipelines.flight_delay.reader import arrivals, flights

# An ordinary day, the day of the impossible wind, the snow storm, the day the clocks change, the last day.
DAYS = [date(2013, 1, 15), date(2013, 2, 12), date(2013, 2, 8), date(2013, 3, 10), date(2013, 12, 31)]
SUITES = Path("expectations/flight_delay")


@pytest.fixture(scope="module")
def source() -> pd.DataFrame:
    return pd.read_csv(package_data("flights.csv.zip"))


def _of(source: pd.DataFrame, day: date) -> pd.DataFrame:
    return source[(source.month == day.month) & (source.day == day.day)]


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_every_flight_of_the_day_lands_once_in_its_own_partition(source: pd.DataFrame, day: date) -> None:
    landed = rows_of_day(flights(day), day, ["flight_id"], "scheduled_departure", "flights")
    assert landed.num_rows == len(_of(source, day))
    times = landed["scheduled_departure"].to_pandas()
    clock = (times.dt.hour * 100 + times.dt.minute).sort_values().to_numpy()
    assert (clock == _of(source, day).sched_dep_time.sort_values().to_numpy()).all()


def test_nothing_is_in_the_rows_that_is_known_only_after_departure() -> None:
    afterwards = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum", "late"}
    assert not afterwards & set(flights(DAYS[0]).column_names)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_a_flight_that_never_arrived_has_no_label(source: pd.DataFrame, day: date) -> None:
    known = labels_of_day(arrivals(day), ["flight_id"], LabelRules("late", "classification"), "arrivals")
    delays = _of(source, day).arr_delay
    assert known.num_rows == delays.notna().sum()
    assert sum(known["late"].to_pylist()) == (delays > 15).sum()


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_the_weather_is_that_of_two_hours_before_departure(source: pd.DataFrame, day: date) -> None:
    weather = pd.read_csv(package_data("weather.csv")).set_index(["origin", "time_hour"])
    departures = _of(source, day)
    observed = pd.to_datetime(departures.time_hour) - pd.Timedelta(hours=2)
    keys = list(zip(departures.origin, observed.dt.strftime("%Y-%m-%dT%H:%M:%SZ"), strict=True))
    expected = weather.reindex(keys)
    found = flights(day)
    np.testing.assert_array_equal(found["temperature"].to_pandas(), expected.temp)
    np.testing.assert_array_equal(found["pressure"].to_pandas(), expected.pressure)
    plausible = expected.wind_speed.where(expected.wind_speed < 150)
    np.testing.assert_allclose(found["wind_speed"].to_pandas(), plausible)


def test_rain_of_the_last_hours_is_added_up_and_the_city_has_the_worst() -> None:
    storm = flights(DAYS[2]).to_pandas()
    assert (storm.precipitation_6h >= storm.precipitation_3h).all()
    assert (storm.city_precipitation_6h >= storm.precipitation_6h).all()
    assert (storm.city_visibility_6h <= storm.visibility_6h).all()
    assert storm.precipitation_6h.max() > 0.2


def test_the_real_days_keep_the_rules_of_their_suites() -> None:
    rows, labels = TableJudge(SUITES / "raw.json"), TableJudge(SUITES / "labels.json")
    for day in DAYS:
        landed = rows_of_day(flights(day), day, ["flight_id"], "scheduled_departure", "flights")
        known = labels_of_day(arrivals(day), ["flight_id"], LabelRules("late", "classification"), "arrivals")
        findings = [*rows.judge(landed), *labels.judge(known)]
        assert [f.sentence for f in findings if not f.passed and f.critical] == []
