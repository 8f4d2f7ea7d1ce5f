"""An hourly pipeline's data is late by the hour, and its days by the day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.pipelines import PIPELINE_FILE
from tidewheel.hours import Hour
from tidewheel.policies.lateness import expected_data, expected_day, expected_labels, late_data
from tidewheel.spec import Pipeline, load_pipeline


@pytest.fixture
def hourly(tmp_path: Path) -> Pipeline:
    (tmp_path / "orders.yaml").write_text(PIPELINE_FILE + "partition: hour\nalerts: {data_late_hours: 2}\n")
    return load_pipeline(tmp_path / "orders.yaml")


def test_an_hour_is_late_so_long_after_its_run_was_due(hourly: Pipeline) -> None:
    assert expected_data(hourly, datetime(2026, 1, 5, 12, 9, tzinfo=UTC)) == Hour(2026, 1, 5, 8)
    assert expected_data(hourly, datetime(2026, 1, 5, 12, 11, tzinfo=UTC)) == Hour(2026, 1, 5, 9)


def test_a_day_is_late_so_long_after_its_last_hour_was_due(hourly: Pipeline) -> None:
    assert expected_day(hourly, datetime(2026, 1, 6, 2, 9, tzinfo=UTC)) == date(2026, 1, 4)
    assert expected_day(hourly, datetime(2026, 1, 6, 2, 11, tzinfo=UTC)) == date(2026, 1, 5)


def test_data_is_behind_by_hours_and_a_day_stands_for_its_last_hour(hourly: Pipeline) -> None:
    now = datetime(2026, 1, 6, 2, 11, tzinfo=UTC)  # so T23 of the day before must have been validated
    late = late_data(hourly, "2026-01-05T20", now)
    assert late is not None
    assert (str(late.newest), str(late.expected), late.behind) == ("2026-01-05T20", "2026-01-05T23", 3)
    assert late_data(hourly, "2026-01-05T23", now) is None
    assert late_data(hourly, "2026-01-05", now) is None
    assert late_data(hourly, "", now) is None, "nothing is late before the first run"


def test_no_hour_is_expected_after_the_sources_end(hourly: Pipeline) -> None:
    ended = hourly.model_copy(update={"source": hourly.source.model_copy(update={"end": date(2025, 12, 31)})})
    now = datetime(2026, 1, 5, tzinfo=UTC)
    assert str(expected_data(ended, now)) == "2025-12-31T23"
    assert expected_day(ended, now) == date(2025, 12, 31)


def test_labels_are_expected_by_day(hourly: Pipeline) -> None:
    assert expected_labels(hourly, date(2026, 1, 5)) == date(2026, 1, 5 - hourly.alerts.labels_late_days - 1)
