"""A real Prometheus scrapes exporter, Envoy and a model's service; a real Alertmanager passes on what fires."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from infra.grafana.dashboards import dashboards
from infra.local.endpoints import Endpoint, Place
from tests.conftest import wait_until
from tests.infra.prometheus.envoy import RunningEnvoy
from tests.infra.prometheus.monitoring import PATIENCE, ROOT, Monitoring, model_service, monitoring
from tests.infra.prometheus.test_exporter import model
from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import Probations
from tidewheel.ledger.releases import Releases, Status
from tidewheel.ledger.tasks import TaskLog
from tidewheel.ledger.traffic import TrafficLog
from tidewheel.policies.probation import PairedDay
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.release import Colour
from tidewheel.release.traffic import Traffic

if TYPE_CHECKING:
    from bentos.metrics import Metrics
    from tests.conftest import PostgresServer

pytestmark = pytest.mark.slow
BUSY = "sales"
"""A pipeline that has everything; the one called `orders` gets what its test gives it."""
TRIGGERS = "triggers: {maximum_age_days: 30, budget: {fits: 4, days: 28, burst: 2}}\n"


@pytest.fixture(scope="module")
def busy_service() -> Iterator[tuple[int, Metrics]]:
    with model_service(BUSY, "3") as service:
        yield service


@pytest.fixture(scope="module")
def busy_envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEnvoy]:
    running = RunningEnvoy(tmp_path_factory.mktemp("envoy"), BUSY)
    running.start()
    yield running
    running.close()


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    restarted_postgres: PostgresServer,
    busy_service: tuple[int, Metrics],
    busy_envoy: RunningEnvoy,
) -> Iterator[Monitoring]:
    """All of it over the ledger of a server that a test may stop."""
    folder = tmp_path_factory.mktemp("monitoring")
    for name in ("dags", "jobs", "home/endpoints"):
        (folder / name).mkdir(parents=True)
    for name in ("orders", BUSY):
        text = PIPELINE_FILE.replace("orders", name)
        (folder / "dags" / f"{name}.yaml").write_text(f"{text}gate: {{approval: manual}}\n{TRIGGERS}")
    place = Place("3", "hash", (busy_service[0],))
    endpoint = Endpoint(BUSY, Traffic(Colour.BLUE), {Colour.BLUE: place})
    (folder / "home" / "endpoints" / f"{BUSY}.json").write_text(endpoint.to_json())
    environment = {
        "TIDEWHEEL_PROJECT": str(folder),
        "TIDEWHEEL_HOME": str(folder / "home"),
        "TIDEWHEEL_DATABASE_URL": restarted_postgres.url("postgres"),
        "TIDEWHEEL_ENVOY_ADMIN_URL": busy_envoy.admin_url,
        "PYTHONPATH": str(ROOT),
    }
    with monitoring(folder, "orders", environment) as started:
        yield started


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
    saved = Verdict(Kind.TRIGGER, Outcome.FIRED, "the champion is old", {"fits_saved": 1.0})
    ledger.record(BUSY, yesterday, "run-3", saved, now)
    ledger.request_training(BUSY, "the champion is old", now)
    Releases(ledger).begin(BUSY, version, "green", {"stages": []}, "run-3", now)
    TaskLog(ledger).ended(BUSY, "features", "land", 20, now, succeeded=True)
    try_out(ledger, now)


def try_out(ledger: Ledger, now: datetime) -> None:
    """Its version is on probation, and a day has labels."""
    probations, began = Probations(ledger), now.date() - timedelta(days=2)
    row = ProbationRow(pipeline=BUSY, version="3", predecessor="2", as_of=str(began), run_id="run-3", opened_at=now)
    probations.begin(row)
    probations.keep_days(BUSY, "3", "2", [PairedDay(began + timedelta(days=1), 900, 0.51, 0.5, 0.01)], now)


def test_every_panel_of_every_dashboard_has_data(
    running: Monitoring,
    restarted_postgres: PostgresServer,
    busy_service: tuple[int, Metrics],
    busy_envoy: RunningEnvoy,
) -> None:
    ledger = Ledger(restarted_postgres.url("postgres"))
    fill(ledger, datetime.now(UTC))
    missing = {
        (dashboard.uid, panel.title, expression)
        for dashboard in dashboards()
        for panel in dashboard.panels
        for expression, _ in panel.queries
    }
    assert len(missing) > 40

    def all_have_data() -> bool:
        busy_envoy.send(2)
        busy_service[1].answered(rows=2, flags=1, seconds=0.002)
        for query in list(missing):
            expression = query[2].replace("$pipeline", BUSY).replace("$__rate_interval", "20s")
            if [value for value in running.query(expression) if value != "NaN"]:
                missing.discard(query)
        return not missing

    wait_until(all_have_data, f"queries without data: {missing}", PATIENCE)
    version, status = running.query('tidewheel_service_info{model_version="3"}'), 'status="200",model_version="3"'
    assert version == ["1"]
    assert running.query(f'tidewheel_requests_total{{pipeline="{BUSY}",colour="blue",{status}}}')
    assert not running.query('{exported_pipeline!=""}')

    def traffic() -> int:
        now = datetime.now(UTC)
        points = TrafficLog(ledger).series(BUSY, now - timedelta(hours=1), now)
        return sum(point.seen.requests for point in points if point.version == "3")

    wait_until(lambda: traffic() > 0, "the exporter has recorded traffic", PATIENCE)
    ledger.engine.dispose()


def test_alerts_arrive_and_are_taken_back(running: Monitoring, restarted_postgres: PostgresServer) -> None:
    pager, ledger = running.pager, Ledger(restarted_postgres.url("postgres"))
    now = datetime.now(UTC)
    today = now.date()
    releases = Releases(ledger)
    ledger.put_figures("orders", str(today - timedelta(days=4)), {"log_loss": 0.5}, now, version="3")
    pager.wait("TidewheelWatchdog", "firing")
    pager.wait("TidewheelNightLate", "firing")
    yesterday = str(today - timedelta(days=1))
    ledger.put_figures("orders", yesterday, {"log_loss": 0.5, "drifted_columns": 3}, now)
    ledger.put_figures("orders", yesterday, {"feature_drift": 0.4}, now, slice="amount")
    pager.wait("TidewheelNightLate", "resolved")
    pager.wait("TidewheelDrift", "firing")
    ledger.put_figures("orders", yesterday, {"drifted_columns": 0}, now)
    pager.wait("TidewheelDrift", "resolved")

    first = releases.begin("orders", "3", "blue", {"stages": []}, "run", now - timedelta(hours=3))
    pager.wait("TidewheelReleaseStuck", "firing")
    releases.end(first.id, Status.FAILED, "it would not start", now)
    pager.wait("TidewheelReleaseStuck", "resolved")
    assert pager.wait("TidewheelReleaseFailed", "firing") < PATIENCE

    ledger.engine.dispose()
    restarted_postgres.stop()
    pager.wait("TidewheelLedgerDown", "firing")
    restarted_postgres.start()
    pager.wait("TidewheelLedgerDown", "resolved")
