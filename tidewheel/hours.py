"""Hours in UTC, the partitions of an hourly pipeline, named as `YYYY-MM-DDTHH`."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

HOURS = 24
"""Of a day: in UTC no day has one more, or one less."""


class Hour(datetime):
    """An hour (UTC) by its first moment, without a zone. Its text is its key, and it compares with hours alone."""

    @classmethod
    def of(cls, moment: date) -> Hour:
        """The hour that a moment lies in; a day's first hour.

        Args:
            moment: a day, or a time, in UTC where it has no zone.
        """
        if not isinstance(moment, datetime):
            return cls(moment.year, moment.month, moment.day)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment
        return cls(moment.year, moment.month, moment.day, moment.hour)

    @classmethod
    def last_of(cls, day: date) -> Hour:
        """A day's last hour."""
        return cls(day.year, day.month, day.day, HOURS - 1)

    def __str__(self) -> str:
        return self.isoformat(timespec="hours")

    def __format__(self, form: str) -> str:
        return self.strftime(form) if form else str(self)


def hour_or_none(text: str) -> Hour | None:
    """The hour that a text names as `YYYY-MM-DDTHH`; None for any other text."""
    try:
        hour = Hour.of(datetime.fromisoformat(text))
    except ValueError:
        return None
    return hour if str(hour) == text else None


def is_hour(key: str) -> bool:
    """Whether a key is that of an hour."""
    return hour_or_none(key) is not None


def start_of(first: date) -> datetime:
    """The moment, in UTC, at which a day or an hour begins."""
    return datetime.combine(first, first.time() if isinstance(first, datetime) else time(), UTC)
