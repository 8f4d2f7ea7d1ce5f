"""A range of days is cut to those that the source has."""

from __future__ import annotations

import pytest

from tidewheel.partitions import PartitionRange
from tidewheel.spec.sections import Source
from tidewheel.spec.source_days import source_days, source_days_in_words


def source(**days: str) -> Source:
    reader = {"kind": "python", "function": "shop.orders:read"}
    return Source.model_validate({"reader": reader, "event_time": "at", "entity_key": ["id"], **days})


@pytest.mark.parametrize(
    ("declared", "left", "words"),
    [
        ({}, "2026-01-01..2026-01-31", "anything to today"),
        ({"start": "2026-01-10"}, "2026-01-10..2026-01-31", "2026-01-10 to today"),
        ({"end": "2026-01-01"}, "2026-01-01", "anything to 2026-01-01"),
        ({"start": "2026-02-01", "end": "2026-03-01"}, "None", "2026-02-01 to 2026-03-01"),
    ],
)
def test_days_that_the_source_never_has_are_cut_off(declared: dict[str, str], left: str, words: str) -> None:
    found = source(**declared)
    assert str(source_days(found, PartitionRange.parse("2026-01-01..2026-01-31"))) == left
    assert source_days_in_words(found) == words
