"""Partitions: days in UTC, written `YYYY-MM-DD`, and ranges of them, written `FIRST..LAST`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from tidewheel.errors import UsageError

SEPARATOR = ".."


def parse_day(text: str) -> date:
    """Return the day written as `YYYY-MM-DD`.

    Raises:
        UsageError: the text is not a day in that form.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise UsageError(f"partition {text!r} is not a day: expected YYYY-MM-DD, for example 2013-01-31")
    return day


@dataclass(frozen=True, order=True)
class PartitionRange:
    """One or more consecutive days, both ends included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise UsageError(f"partition range {self.first}..{self.last} ends before it begins: swap the two days")

    @classmethod
    def parse(cls, text: str) -> PartitionRange:
        """Read `2013-01-05` or `2013-01-01..2013-02-28`.

        Raises:
            UsageError: an end is not a day, or the range is empty.
        """
        first, separator, last = text.strip().partition(SEPARATOR)
        return cls(parse_day(first), parse_day(last if separator else first))

    @property
    def days(self) -> list[date]:
        """Every day of the range, in order."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    @property
    def keys(self) -> list[str]:
        """Every partition key of the range, in order."""
        return [day.isoformat() for day in self.days]

    def back(self, days: int) -> PartitionRange:
        """The range moved `days` days into the past."""
        return PartitionRange(self.first - timedelta(days=days), self.last - timedelta(days=days))

    def look_back(self, days: int) -> PartitionRange:
        """The range with `days` more days in front of it."""
        return PartitionRange(self.first - timedelta(days=days), self.last)

    def look_ahead(self, days: int) -> PartitionRange:
        """The range with `days` more days after it."""
        return PartitionRange(self.first, self.last + timedelta(days=days))

    def clamp(self, start: date | None, end: date | None) -> PartitionRange | None:
        """The part of the range inside `start..end` (None: unbounded); None where nothing is left."""
        first, last = max(self.first, start or self.first), min(self.last, end or self.last)
        return PartitionRange(first, last) if first <= last else None

    def __str__(self) -> str:
        return self.first.isoformat() if self.first == self.last else f"{self.first}{SEPARATOR}{self.last}"


def day_ranges(days: Iterable[date]) -> list[str]:
    """Days as few words as possible: each run of consecutive ones as `FIRST..LAST`, a lone one as itself."""
    found: list[PartitionRange] = []
    for day in sorted(set(days)):
        if found and found[-1].last + timedelta(days=1) == day:
            found[-1] = PartitionRange(found[-1].first, day)
        else:
            found.append(PartitionRange(day, day))
    return [str(one) for one in found]
