"""Partitions: hours, days or weeks in UTC, and ranges of them, `FIRST..LAST`.

A day or a week is named by its first day as `YYYY-MM-DD`, an hour as `YYYY-MM-DDTHH`. Every conversion between a
partition and its key is here: `str` writes a key, `day_of` reads a day that the platform wrote, `partition_of` a day or
an hour, `day_or_none` a day in a text that may be anything, and `parse_day` what a person typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from tidewheel.errors import UsageError
from tidewheel.hours import Hour, hour_or_none

SEPARATOR = ".."


def day_or_none(text: str) -> date | None:
    """The day that a text names as `YYYY-MM-DD`; None for any other text."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if str(day) == text else None  # Python reads 20130105 and 2013-W01-6, too


def day_of(key: str) -> date:
    """The first day of the partition whose key the platform wrote.

    Raises:
        ValueError: the text is no key.
    """
    if (day := day_or_none(key)) is None:
        raise ValueError(f"{key!r} is no partition key: expected YYYY-MM-DD")
    return day


def partition_of(key: str) -> date:
    """The first day, or the hour, of the partition whose key the platform wrote.

    Raises:
        ValueError: the text is no key.
    """
    return hour_or_none(key) or day_of(key)


def day_key(key: str) -> str:
    """The key of the day that an hour lies in; any other key as it is."""
    return str(hour.date()) if (hour := hour_or_none(key)) else key


def parse_day(text: str) -> date:
    """Return the day that a person wrote as `YYYY-MM-DD`.

    Raises:
        UsageError: the text is not a day in that form.
    """
    if (day := day_or_none(text)) is None:
        raise UsageError(f"partition {text!r} is not a day: expected YYYY-MM-DD, for example 2013-01-31")
    return day


class Partitioning(StrEnum):
    """How much of the source one partition holds. A week begins on Monday, as in ISO 8601.

    A partition is the `date` of its first day, or an `Hour`.
    """

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"

    @property
    def block(self) -> Partitioning:
        """What is judged as one: hours of a day depend on each other, so decisions are about their day."""
        return Partitioning.DAY if self is Partitioning.HOUR else self

    @property
    def days(self) -> int:
        """Calendar days that one partition lies in."""
        return 7 if self is Partitioning.WEEK else 1

    @property
    def step(self) -> timedelta:
        """From one partition to the next."""
        return timedelta(hours=1) if self is Partitioning.HOUR else timedelta(days=self.days)

    def holding(self, moment: date) -> date:
        """The partition that a calendar day begins in, or that a moment (UTC, where it has no zone) lies in."""
        if self is Partitioning.HOUR:
            return Hour.of(moment)
        day = Hour.of(moment).date() if isinstance(moment, datetime) else moment
        return day - timedelta(days=day.weekday()) if self is Partitioning.WEEK else day

    def ending(self, day: date) -> date:
        """The partition that a calendar day ends in."""
        return Hour.last_of(day) if self is Partitioning.HOUR else self.holding(day)

    def of_blocks(self, blocks: PartitionRange) -> PartitionRange:
        """All partitions of some days or weeks that are judged as one."""
        return PartitionRange(self.holding(blocks.first), self.ending(blocks.last), self)

    def before(self, first: date, count: int = 1) -> date:
        """The partition so many partitions earlier, by its first day."""
        return first - count * self.step

    def after(self, first: date, count: int = 1) -> date:
        """The partition so many partitions later, by its first day."""
        return first + count * self.step

    def between(self, earlier: date, later: date) -> int:
        """Partitions from one to another; below zero where the other is the earlier one."""
        return (later - earlier) // self.step

    def last_ended(self, now: date) -> date:
        """The newest partition that is over at a moment, or on a day."""
        return self.before(self.holding(now))

    def first_day(self, day: date) -> date:
        """The same day, if a partition begins on it.

        Raises:
            UsageError: it lies within a partition.
        """
        if (first := self.holding(day)) != day:
            raise UsageError(
                f"partition {day} lies within a week: a weekly pipeline's partition is named by its Monday, {first}"
            )
        return day

    def newest(self, last: date, count: int) -> list[date]:
        """So many partitions up to and with one, oldest first."""
        return [self.before(last, number) for number in range(count - 1, -1, -1)]


DAY, HOUR = Partitioning.DAY, Partitioning.HOUR


@dataclass(frozen=True, order=True)
class PartitionRange:
    """One or more consecutive partitions, both ends included.

    Attributes:
        first: first day of the first partition, or the first hour.
        last: first day of the last partition, or the last hour.
        unit: what a partition holds.
    """

    first: date
    last: date
    unit: Partitioning = DAY

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise UsageError(f"partition range {self.first}..{self.last} ends before it begins: swap the two days")

    @classmethod
    def parse(cls, text: str) -> PartitionRange:
        """Read `2013-01-05` or `2013-01-01..2013-02-28`, as days; `by` makes weeks of them, or their hours.

        Where an end is an hour, as in `2013-01-05T07`, the range is one of hours, and an end that is a day stands for
        its first, or its last hour.

        Raises:
            UsageError: an end is neither a day nor an hour, or the range is empty.
        """
        first, separator, last = text.strip().partition(SEPARATOR)
        last = last if separator else first
        hours = [hour_or_none(end) for end in (first, last)]
        if hours == [None, None]:
            return cls(parse_day(first), parse_day(last))
        begin, end = hours[0] or Hour.of(parse_day(first)), hours[1] or Hour.last_of(parse_day(last))
        return cls(begin, end, Partitioning.HOUR)

    def by(self, unit: Partitioning) -> PartitionRange:
        """The same range in another unit.

        Raises:
            UsageError: no partition of that unit begins on one of the two days, or the range is one of hours.
        """
        if self.unit is Partitioning.HOUR and unit is not Partitioning.HOUR:
            raise UsageError(f"{self} names hours, and this is done by {unit}: name the {unit}, as YYYY-MM-DD")
        if unit is Partitioning.HOUR:
            return self if self.unit is unit else unit.of_blocks(self)
        return PartitionRange(unit.first_day(self.first), unit.first_day(self.last), unit)

    @property
    def days(self) -> list[date]:
        """The first day of every partition, in order."""
        return self.unit.newest(self.last, self.unit.between(self.first, self.last) + 1)

    @property
    def keys(self) -> list[str]:
        """Every partition key of the range, in order."""
        return [str(day) for day in self.days]

    @property
    def calendar_days(self) -> list[date]:
        """Every day that one of the partitions holds, in order."""
        if self.unit is Partitioning.HOUR:
            return self.blocks.days
        return [day + timedelta(days=number) for day in self.days for number in range(self.unit.days)]

    @property
    def blocks(self) -> PartitionRange:
        """The days of hours; days and weeks as they are."""
        block = self.unit.block
        return PartitionRange(block.holding(self.first), block.holding(self.last), block)

    @property
    def ended_blocks(self) -> PartitionRange | None:
        """The days whose last hour is in a range of hours; days and weeks as they are; None where there are none."""
        blocks = self.blocks
        last = blocks.last if self.unit.ending(blocks.last) == self.last else blocks.unit.before(blocks.last)
        return PartitionRange(blocks.first, last, blocks.unit) if blocks.first <= last else None

    @property
    def whole_blocks(self) -> PartitionRange | None:
        """The days of which a range of hours has all; days and weeks as they are; None where there are none."""
        blocks = self.blocks
        first = blocks.first if self.unit.holding(blocks.first) == self.first else self.unit.block.after(blocks.first)
        last = blocks.last if self.unit.ending(blocks.last) == self.last else self.unit.block.before(blocks.last)
        return PartitionRange(first, last, blocks.unit) if first <= last else None

    def back(self, count: int) -> PartitionRange:
        """The range moved so many partitions into the past."""
        return PartitionRange(self.unit.before(self.first, count), self.unit.before(self.last, count), self.unit)

    def look_back(self, count: int) -> PartitionRange:
        """The range with so many more partitions in front of it."""
        return PartitionRange(self.unit.before(self.first, count), self.last, self.unit)

    def look_ahead(self, count: int) -> PartitionRange:
        """The range with so many more partitions after it."""
        return PartitionRange(self.first, self.unit.after(self.last, count), self.unit)

    def clamp(self, start: date | None, end: date | None) -> PartitionRange | None:
        """The partitions that hold a day of `start..end` (None: unbounded); None where none does."""
        first = max(self.first, self.unit.holding(start or self.first))
        last = min(self.last, self.unit.ending(end) if end else self.last)
        return PartitionRange(first, last, self.unit) if first <= last else None

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}{SEPARATOR}{self.last}"


def consecutive(days: Iterable[date], unit: Partitioning = DAY) -> list[PartitionRange]:
    """Partitions as ranges: each run of consecutive ones is one, in order."""
    spans: list[PartitionRange] = []
    for day in sorted(set(days)):
        if spans and unit.after(spans[-1].last) == day:
            spans[-1] = PartitionRange(spans[-1].first, day, unit)
        else:
            spans.append(PartitionRange(day, day, unit))
    return spans


def day_ranges(days: Iterable[date], unit: Partitioning = DAY) -> list[str]:
    """Partitions as few words as possible: each run of consecutive ones as `FIRST..LAST`, a lone one as itself."""
    return [str(span) for span in consecutive(days, unit)]


def keys_between(keys: Iterable[str], unit: Partitioning = DAY) -> list[str]:
    """Every key from the earliest to the latest of some, in order; empty for none."""
    known = [partition_of(key) for key in keys]
    return PartitionRange(min(known), max(known), unit).keys if known else []
