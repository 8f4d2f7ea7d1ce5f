"""What may be wrong with the days that a source has, and with triggers that look at nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from jobs.checking.finding import Wrong
from tidewheel.spec import Pipeline


def source_doubts(pipeline: Pipeline) -> Iterator[Wrong]:
    """Days and reasons that load, work, and may not be what is meant."""
    source, today = pipeline.source, datetime.now(UTC).date()
    if source.start and source.start > today:
        yield Wrong(("source", "start"), f"{source.start} lies in the future: nothing is landed before it")
    if source.end and source.end < today - timedelta(days=1):
        yield Wrong(("source", "end"), f"the source ended on {source.end}: no night since then has rows")
    data = pipeline.triggers.data
    if data and data.growth is None and data.rows is None:
        yield Wrong(
            ("triggers", "data"), "looks at neither growth nor rows, so it calls for nothing; null says the same"
        )
