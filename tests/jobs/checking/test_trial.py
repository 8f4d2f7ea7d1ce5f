"""The features of a day, for a team's tests: what is refused before any Spark session starts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from jobs.checking.trial import features_of
from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import DataRefused, SourceError, SpecError, UsageError

DAY = date(2026, 1, 15)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one pipeline, whose source has a day's files from 2026 on."""
    for folder in ("dags", "pipelines", "data", "labels"):
        (tmp_path / folder).mkdir()
    declared = PIPELINE_FILE.replace("  event_time:", "  start: 2026-01-01\n  event_time:")
    (tmp_path / "dags/orders.yaml").write_text(declared)
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.delenv("TIDEWHEEL_HOME", raising=False)
    return tmp_path


def test_a_day_that_the_source_never_has_is_named_with_those_it_has(project: Path) -> None:
    with pytest.raises(UsageError, match="orders: the source has 2026-01-01 to today, and 2025-12-31 lies outside"):
        features_of("orders", date(2025, 12, 31))


def test_another_pipeline_is_a_misspelling(project: Path) -> None:
    with pytest.raises(SpecError, match=r"no pipeline 'order'.*did you mean 'orders'"):
        features_of("order", DAY)


def test_a_day_that_is_not_there_and_one_that_breaks_a_rule_are_what_a_night_makes_of_them(project: Path) -> None:
    with pytest.raises(SourceError, match="2026-01-15"):
        features_of("orders", DAY)

    (project / "data/2026-01-15.csv").write_text(
        "order_id,ordered_at,amount\n1,2026-01-15T08:00:00Z,2\n1,2026-01-15T09:00:00Z,3\n"
    )
    (project / "labels/2026-01-15.csv").write_text("order_id,returned\n1,0\n")
    with pytest.raises(DataRefused, match=r"orders on 2026-01-15: .*order_id"):
        features_of("orders", DAY)
    assert not (project / ".tidewheel").exists()
