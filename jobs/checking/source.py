"""What may be wrong with the days that a source has, and with triggers that look at nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

from jobs.checking.finding import Wrong
from tidewheel.errors import UsageError
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline
from tidewheel.spec.source_days import source_days, source_days_in_words


def source_doubts(pipeline: Pipeline) -> Iterator[Wrong]:
    """Days and reasons that load, work, and may not be what is meant."""
    start = pipeline.source.start
    if start and start > datetime.now(UTC).date():
        yield Wrong(("source", "start"), f"{start} lies in the future: nothing is landed before it")
    data = pipeline.triggers.data
    if data and data.growth is None and data.rows is None:
        yield Wrong(
            ("triggers", "data"), "looks at neither growth nor rows, so it calls for nothing; null says the same"
        )


def require_day(pipeline: Pipeline, day: date) -> None:
    """See that a partition begins on a day, and that the source has it.

    Raises:
        UsageError: none does, or it never has it.
    """
    first = pipeline.partition.first_day(day)
    if source_days(pipeline.source, PartitionRange(first, first, pipeline.partition)) is None:
        raise UsageError(
            f"{pipeline.name}: the source has {source_days_in_words(pipeline.source)}, and {day} lies outside; name a "
            "day that it has"
        )
