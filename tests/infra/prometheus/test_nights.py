"""What is expected of the nights by now, and a version that they judge, as metrics."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.infra.prometheus.test_exporter import NOW, scraped, value
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import Probations
from tidewheel.policies.probation import PairedDay
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from tidewheel.ledger import Ledger
    from tidewheel.settings import Settings


def test_what_is_expected_by_now_follows_the_pipelines_file(settings: Settings, ledger: Ledger) -> None:
    file = settings.pipelines_folder / "orders.yaml"
    ended = file.read_text().replace("  event_time: ordered_at\n", "  event_time: ordered_at\n  end: 2020-01-31\n")
    file.write_text(f"{ended}alerts: {{labels_late_days: 2}}\n")
    assert value(scraped(settings), "tidewheel_expected_labels_timestamp_seconds") is None, "no night yet"
    ledger.put_figures("orders", "2026-11-21", {"drifted_columns": 1.0}, NOW)
    found = scraped(settings)

    last = datetime(2020, 2, 1, tzinfo=UTC)
    assert value(found, "tidewheel_expected_day_timestamp_seconds") == last.timestamp(), "none after the source's end"
    known = datetime(2026, 11, 22, tzinfo=UTC) - timedelta(days=1 + 2)
    assert value(found, "tidewheel_expected_labels_timestamp_seconds") == known.timestamp()


def test_an_hourly_pipelines_data_is_expected_by_the_hour_and_its_monitoring_by_the_day(
    settings: Settings, ledger: Ledger
) -> None:
    file = settings.pipelines_folder / "orders.yaml"
    ended = file.read_text().replace("  event_time: ordered_at\n", "  event_time: ordered_at\n  end: 2020-01-31\n")
    file.write_text(f"{ended}partition: hour\n")
    validated = "tidewheel_validated_hour_timestamp_seconds"
    assert value(scraped(settings), validated) is None
    passed = Verdict(Kind.VALIDATION, Outcome.PASSED, "passed")
    for subject in ("raw/2020-01-30T00..2020-01-31T04", "raw/2020-01-30T22", "features/2020-01-31T20"):
        ledger.record("orders", subject, subject, passed, NOW)
    found = scraped(settings)

    assert value(found, validated) == datetime(2020, 1, 31, 5, tzinfo=UTC).timestamp()
    end = datetime(2020, 2, 1, tzinfo=UTC).timestamp()
    assert value(found, "tidewheel_expected_hour_timestamp_seconds") == end
    ledger.record("orders", "raw/2020-01-28..2020-01-31", "whole days", passed, NOW)
    assert value(scraped(settings), validated) == end, "a range of days ends with the last one's last hour"
    assert value(found, "tidewheel_expected_day_timestamp_seconds") == end


def test_a_version_on_probation_is_published_with_its_days_and_losses(settings: Settings, ledger: Ledger) -> None:
    probations, labels = Probations(ledger), {"model_version": "5", "predecessor": "4"}
    row = ProbationRow(
        pipeline="orders", version="5", predecessor="4", as_of="2026-11-19", run_id="run-5", opened_at=NOW
    )
    probations.begin(row)
    assert value(scraped(settings), "tidewheel_probation_days", **labels) == 0
    days = [PairedDay(date(2026, 11, day), 900, 0.6, 0.5, 0.01) for day in (18, 20, 21)]
    probations.keep_days("orders", "5", "4", days, NOW)
    found = scraped(settings)

    assert value(found, "tidewheel_probation_days", **labels) == 2, "days before the promotion do not count"
    assert value(found, "tidewheel_probation_loss_ratio", **labels) == pytest.approx(1.2)
    probations.close(probations.all("orders")[0].id, Outcome.PASSED, "passed: no worse", None, NOW)
    assert value(scraped(settings), "tidewheel_probation_days", **labels) is None
