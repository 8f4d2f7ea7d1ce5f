"""Partitions and ranges of them."""

from __future__ import annotations

import contextlib
import copy
import pickle
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.errors import UsageError
from tidewheel.hours import Hour, hour_or_none, is_hour, start_of
from tidewheel.partitions import (
    Partitioning,
    PartitionRange,
    day_key,
    day_of,
    day_or_none,
    day_ranges,
    keys_between,
    parse_day,
    partition_of,
)

days = st.dates(min_value=date(1900, 1, 1), max_value=date(2199, 12, 31))
lengths = st.integers(min_value=0, max_value=400)
hours = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2199, 12, 31)).map(Hour.of)
IN_DAYS = (Partitioning.DAY, Partitioning.WEEK)


@st.composite
def ranges(draw: st.DrawFn) -> PartitionRange:
    first = draw(days)
    return PartitionRange(first, first + timedelta(days=draw(lengths)))


@given(ranges())
def test_a_range_written_down_and_read_again_is_the_same(partitions: PartitionRange) -> None:
    assert PartitionRange.parse(str(partitions)) == partitions


@given(days)
def test_a_single_day_is_written_as_that_day(day: date) -> None:
    assert str(PartitionRange(day, day)) == day.isoformat()


@given(ranges())
def test_a_range_holds_every_day_once_and_in_order(partitions: PartitionRange) -> None:
    assert partitions.days[0] == partitions.first
    assert partitions.days[-1] == partitions.last
    assert all(b - a == timedelta(days=1) for a, b in zip(partitions.days, partitions.days[1:], strict=False))
    assert partitions.keys == sorted(partitions.keys)


@given(ranges(), st.integers(min_value=0, max_value=730))
def test_looking_back_adds_days_in_front_looking_ahead_behind_and_moving_back_keeps_the_length(
    partitions: PartitionRange, back: int
) -> None:
    assert len(partitions.look_back(back).days) == len(partitions.days) + back
    assert partitions.look_back(back).last == partitions.last
    assert len(partitions.back(back).days) == len(partitions.days)
    assert partitions.look_ahead(back) == PartitionRange(partitions.first, partitions.last + timedelta(days=back))
    assert partitions.back(back).look_back(0).last == partitions.last - timedelta(days=back)


@given(ranges(), st.none() | days, st.none() | days)
def test_clamping_keeps_exactly_the_days_inside(
    partitions: PartitionRange, start: date | None, end: date | None
) -> None:
    clamped = partitions.clamp(start, end)
    inside = [day for day in partitions.days if (start or day) <= day <= (end or day)]
    assert (clamped.days if clamped else []) == inside


@given(st.text(max_size=25) | st.from_regex(r"\A[12]\d{3}-[01]\d-[0-3]\d(\.\.[12]\d{3}-[01]\d-[0-3]\d)?\Z"))
def test_any_text_is_a_range_or_a_usage_error_and_nothing_else(text: str) -> None:
    with contextlib.suppress(UsageError):
        partitions = PartitionRange.parse(text)
        assert PartitionRange.parse(str(partitions)) == partitions


@pytest.mark.parametrize("text", ["2013-1-5", "20130105", "2013-W01-1", "2013-02-30", "yesterday", "", "2013-01-05T00"])
def test_a_day_written_otherwise_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="expected YYYY-MM-DD, for example 2013-01-31"):
        parse_day(text)


@pytest.mark.parametrize("text", ["2013-01-05..", "..2013-01-05", "2013-01-05...2013-01-06", "2013-01-05..x"])
def test_a_range_with_a_broken_end_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a day"):
        PartitionRange.parse(text)


@given(hours, st.integers(min_value=-900, max_value=900))
def test_an_hour_is_its_key_and_steps_to_others(hour: Hour, count: int) -> None:
    unit, key = Partitioning.HOUR, str(hour)
    assert hour_or_none(key) == partition_of(key) == hour
    assert f"{hour}" == key == f"{hour.date()}T{hour.hour:02}"
    assert copy.deepcopy(hour) == pickle.loads(pickle.dumps(hour)) == hour
    assert is_hour(key)
    assert not is_hour(str(hour.date()))
    assert day_key(key) == day_key(str(hour.date())) == str(hour.date())
    later = unit.after(hour, count)
    assert isinstance(later, Hour)
    assert unit.between(hour, later) == count
    assert unit.before(later, count) == hour
    assert (key < str(later)) == (hour < later)


@given(hours, lengths)
def test_a_range_of_hours_written_down_and_read_again_is_the_same(hour: Hour, length: int) -> None:
    span = PartitionRange(hour, Partitioning.HOUR.after(hour, length), Partitioning.HOUR)
    assert PartitionRange.parse(str(span)) == span
    assert span.by(Partitioning.HOUR) == span
    assert len(span.keys) == length + 1
    assert span.keys == sorted(span.keys)
    whole = span.whole_blocks
    inside = [day for day in span.blocks.days if set(Partitioning.HOUR.of_blocks(one_day(day)).keys) <= set(span.keys)]
    assert (whole.days if whole else []) == inside


def one_day(day: date) -> PartitionRange:
    return PartitionRange(day, day)


def test_a_day_of_an_hourly_pipeline_is_its_24_hours() -> None:
    hours = PartitionRange.parse("2013-03-31").by(Partitioning.HOUR)  # when clocks in Europe are put forward
    assert str(hours) == "2013-03-31T00..2013-03-31T23"
    assert len(hours.keys) == 24
    assert str(PartitionRange.parse("2013-03-31T05..2013-04-01")) == "2013-03-31T05..2013-04-01T23"
    assert str(hours.clamp(date(2013, 3, 31), date(2013, 3, 31))) == str(hours)
    assert hours.clamp(date(2013, 4, 1), None) is None


def test_what_is_done_by_day_takes_no_hour() -> None:
    with pytest.raises(UsageError, match=r"2013-01-07T05 names hours, and this is done by day: name the day"):
        PartitionRange.parse("2013-01-07T05").by(Partitioning.DAY)


def test_an_hour_is_one_of_utc_and_ends_by_the_clock() -> None:
    east = datetime(2013, 1, 7, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert str(Partitioning.HOUR.holding(east)) == "2013-01-06T20"
    assert str(Partitioning.HOUR.last_ended(east)) == "2013-01-06T19"
    assert Partitioning.DAY.last_ended(east) == date(2013, 1, 5)
    assert start_of(Hour(2013, 1, 7, 5)) == datetime(2013, 1, 7, 5, tzinfo=UTC)
    assert start_of(date(2013, 1, 7)) == datetime(2013, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2013-01-07T5", "2013-01-07T24", "2013-01-07 05", "2013-01-07T05:00", "20130107T05"])
def test_an_hour_written_otherwise_is_none(text: str) -> None:
    assert not is_hour(text)
    with pytest.raises(UsageError, match="is not a day"):
        PartitionRange.parse(text)


@given(st.sampled_from(IN_DAYS), days, st.integers(min_value=-800, max_value=800))
def test_steps_from_one_partition_to_another_and_back(unit: Partitioning, day: date, count: int) -> None:
    first = unit.holding(day)
    later = unit.after(first, count)
    assert unit.first_day(later) == later
    assert unit.between(first, later) == count
    assert unit.before(later, count) == first
    assert first <= day < unit.after(first)


@given(st.sampled_from(IN_DAYS), days)
def test_the_last_partition_that_has_ended_is_over_and_the_next_is_not(unit: Partitioning, today: date) -> None:
    last = unit.last_ended(today)
    assert unit.after(last) <= today < unit.after(last, 2)


@given(days, lengths, st.none() | days, st.none() | days)
def test_a_range_of_weeks_holds_their_days_and_keeps_the_weeks_that_a_source_has_a_day_of(
    day: date, length: int, start: date | None, end: date | None
) -> None:
    monday = Partitioning.WEEK.holding(day)
    weeks = PartitionRange(monday, Partitioning.WEEK.after(monday, length), Partitioning.WEEK)
    assert PartitionRange.parse(str(weeks)).by(Partitioning.WEEK) == weeks
    assert [one.weekday() for one in weeks.days] == [0] * (length + 1)
    assert weeks.calendar_days == PartitionRange(weeks.first, weeks.last + timedelta(days=6)).days
    assert len(weeks.look_back(3).look_ahead(2).days) == length + 6
    clamped = weeks.clamp(start, end)
    inside = [
        week
        for week in weeks.days
        if any((start or one) <= one <= (end or one) for one in (week + timedelta(days=n) for n in range(7)))
    ]
    if start is None or end is None or start <= end:
        assert (clamped.days if clamped else []) == inside


def test_a_day_within_a_week_names_no_week() -> None:
    with pytest.raises(UsageError, match=r"2024-01-03 lies within a week.*by its Monday, 2024-01-01"):
        PartitionRange.parse("2024-01-01..2024-01-03").by(Partitioning.WEEK)


def test_consecutive_weeks_are_one_range() -> None:
    weeks = [date(2024, 1, 1), date(2024, 1, 8), date(2024, 1, 22)]
    assert day_ranges(weeks, Partitioning.WEEK) == ["2024-01-01..2024-01-08", "2024-01-22"]
    assert keys_between(["2024-01-15", "2024-01-01"], Partitioning.WEEK) == ["2024-01-01", "2024-01-08", "2024-01-15"]


@given(st.text(max_size=12) | days.map(str))
def test_a_text_is_a_day_in_one_form_alone(text: str) -> None:
    day = day_or_none(text)
    assert day is None or str(day) == text
    if day is None:
        with pytest.raises(ValueError, match="no partition key"):
            day_of(text)
    else:
        assert day_of(text) == parse_day(text) == day


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(UsageError, match=r"2013-02-01\.\.2013-01-01 ends before it begins: swap the two days"):
        PartitionRange.parse("2013-02-01..2013-01-01")
