"""A real Prometheus scrapes exporter, Envoy and a model's service."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import PostgresServer, wait_until
from tests.infra.prometheus.installation import BUSY, Installation
from tests.infra.prometheus.monitoring import PATIENCE
from tests.infra.prometheus.panel_values import SILENT_BY_DAY, PanelValues, markdown
from tests.infra.prometheus.test_exporter import model
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import Probations
from tidewheel.ledger.releases import Releases
from tidewheel.ledger.tasks import TaskLog
from tidewheel.ledger.traffic import TrafficLog
from tidewheel.ledger.training_tables import TrainingRow
from tidewheel.policies.probation import PairedDay
from tidewheel.policies.verdict import Kind, Outcome, Verdict

pytestmark = pytest.mark.slow


def fill(ledger: Ledger, now: datetime) -> None:
    """What a pipeline that has run for a while has in the ledger."""
    yesterday, version = str(now.date() - timedelta(days=1)), "3"
    made = model(version, yesterday)
    made.pipeline = BUSY
    models = Models(ledger)
    models.add(made)
    models.promote(BUSY, version, "better", "me", "run-3", now)
    Releases(ledger).point(BUSY, "blue", version, None, now)
    pooled = {"pooled_excess_loss": 0.01, "pooled_excess_loss_error": 0.01, "pooled_excess_loss_days": 7}
    ledger.put_figures(BUSY, yesterday, {"log_loss": 0.5, **pooled}, now, version=version)
    ledger.put_figures(BUSY, yesterday, {"drifted_columns": 0}, now)
    ledger.put_figures(BUSY, yesterday, {"feature_drift": 0.01}, now, slice="amount")
    shares = {"refused_share": 0.02, "unusual_share": 0.01, "skew_row_share": 0.1}
    ledger.put_figures(BUSY, yesterday, {**shares, "skewed_columns": 1, "live_drifted_columns": 1}, now)
    ledger.put_figures(BUSY, yesterday, {"skew_share": 0.1, "refused_share": 0.02}, now, slice="amount")
    ledger.record(BUSY, "3", "run-3", Verdict(Kind.GATE, Outcome.PASSED, "better"), now)
    left = {"fits_saved": 1.0, "cpu_seconds_saved": 31.5, "cpu_seconds_a_training": 14.0}
    saved = Verdict(Kind.TRIGGER, Outcome.FIRED, "the champion is old", left)
    ledger.record(BUSY, yesterday, "run-3", saved, now)
    ledger.request_training(BUSY, "the champion is old", now)
    Releases(ledger).begin(BUSY, version, "green", {"stages": []}, "run-3", now)
    with ledger.session() as session:
        session.add(TrainingRow(pipeline=BUSY, run_id="run-3", opened_at=now, cpu_seconds=14.0, gpu_seconds=2.0))
    TaskLog(ledger).ended(BUSY, "features", "land", 20, now, succeeded=True)
    try_out(ledger, now)


def try_out(ledger: Ledger, now: datetime) -> None:
    """Its version is on probation, and a day has labels."""
    probations, began = Probations(ledger), now.date() - timedelta(days=2)
    row = ProbationRow(pipeline=BUSY, version="3", predecessor="2", as_of=str(began), run_id="run-3", opened_at=now)
    probations.begin(row)
    probations.keep_days(BUSY, "3", "2", [PairedDay(began + timedelta(days=1), 900, 0.51, 0.5, 0.01)], now)


def test_every_panel_of_every_dashboard_has_data(running: Installation, restarted_postgres: PostgresServer) -> None:
    ledger = Ledger(restarted_postgres.url("postgres"))
    fill(ledger, datetime.now(UTC))
    panels = PanelValues(running.monitoring.series, BUSY, "20s")
    assert len(panels.missing) > 40

    def send() -> None:
        running.envoy.send(2)
        running.services[BUSY].answered(rows=2, flags=1, seconds=0.002)

    panels.wait(SILENT_BY_DAY, send)
    if page := os.environ.get("TIDEWHEEL_PANELS"):
        Path(page).write_text(markdown(panels.shown), encoding="utf-8")
    ours, status = f'pipeline="{BUSY}",model_version="3"', 'status="200",model_version="3"'
    version = running.monitoring.query(f"tidewheel_service_info{{{ours}}}")
    assert version == ["1"]
    assert running.monitoring.query(f'tidewheel_requests_total{{pipeline="{BUSY}",colour="blue",{status}}}')
    assert not running.monitoring.query('{exported_pipeline!=""}')

    def traffic() -> int:
        now = datetime.now(UTC)
        points = TrafficLog(ledger).series(BUSY, now - timedelta(hours=1), now)
        return sum(point.seen.requests for point in points if point.version == "3")

    wait_until(lambda: traffic() > 0, "the exporter has recorded traffic", PATIENCE)
    ledger.engine.dispose()
