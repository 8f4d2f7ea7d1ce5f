"""The days that a source has: nothing is landed, computed or scored outside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidewheel.partitions import PartitionRange
    from tidewheel.spec.sections import Source


def source_days(source: Source, days: PartitionRange) -> PartitionRange | None:
    """The days of a range that the source has, or will have; None where it never has any of them."""
    return days.clamp(source.start, source.end)


def source_days_in_words(source: Source) -> str:
    """The first and last day of a source, for a message."""
    return f"{source.start or 'anything'} to {source.end or 'today'}"
