"""The newest days of pipelines, which console and exporter look up alike."""

from __future__ import annotations

from datetime import UTC, datetime

from tidewheel.ledger import Ledger
from tidewheel.ledger.newest_days import NewestDays, newest_days

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def test_a_day_is_labelled_once_it_has_the_metric_of_all_rows(database_url: str) -> None:
    ledger = Ledger(database_url)
    ledger.put_figures("orders", "2026-11-19", {"log_loss": 0.5}, NOW, version="4")
    ledger.put_figures("orders", "2026-11-20", {"log_loss": 0.5}, NOW, version="4", slice="channel=web")
    ledger.put_figures("orders", "2026-11-21", {"estimated_log_loss": 0.5}, NOW, version="4")
    ledger.put_figures("unreadable", "2026-11-21", {"log_loss": 0.5}, NOW, version="1")

    with ledger.session() as session:
        found = newest_days(session, {"orders": "log_loss", "unreadable": "", "new": "rmse"})
        assert newest_days(session, {}) == {}

    assert found == {
        "orders": NewestDays("2026-11-21", "2026-11-19"),
        "unreadable": NewestDays("2026-11-21", ""),
        "new": NewestDays("", ""),
    }
    ledger.engine.dispose()
