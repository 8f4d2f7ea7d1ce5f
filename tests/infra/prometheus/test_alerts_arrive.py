"""Each alert arrives at a receiver of a real Alertmanager, and is taken back there when its cause has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from infra.prometheus.rules import BURNS, rules
from tests.conftest import PostgresServer
from tests.infra.prometheus.installation import QUIET, Installation
from tests.infra.prometheus.monitoring import Pager
from tests.infra.prometheus.test_exporter import model
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models, subject
from tidewheel.ledger.releases import Releases, Status
from tidewheel.policies.verdict import Kind, Outcome, Verdict

pytestmark = pytest.mark.slow
ERRORS, SLOW = ([f"Tidewheel{what}BudgetBurns {long}" for long, *_ in BURNS] for what in ("Error", "Latency"))
OF_THE_LEDGER = {
    "RequestsUnusual",
    "Drift",
    "Skew",
    "LabelsLate",
    "ChampionOld",
    "LossAboveExpected",
    "ApprovalWaiting",
    "ReleaseStuck",
}
OF_REQUESTS = {"RequestsRefused", *(name.removeprefix("Tidewheel") for name in (*ERRORS, *SLOW))}
OF_PARTS = ("LedgerDown", "RouterDown", "ExporterSilent", "VolumeNearlyFull", "PipelineUnreadable")
ALONE = {"NightLate", "HourLate", "ReleaseFailed", "Watchdog"}


@pytest.fixture
def opened(restarted_postgres: PostgresServer) -> Iterator[Ledger]:
    ledger = Ledger(restarted_postgres.url("postgres"))
    yield ledger
    ledger.engine.dispose()


def arrive(pager: Pager, state: str, *alerts: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    pager.wait(state, *(f"Tidewheel{alert}" for alert in alerts), meanwhile=meanwhile)


def before(now: datetime, days: int) -> str:
    return str(now.date() - timedelta(days=days))


def test_every_alert_is_tried_here() -> None:
    every = {rule["alert"].removeprefix("Tidewheel") for group in rules()["groups"] for rule in group["rules"]
             if "alert" in rule}  # fmt: skip
    assert every == {name.split()[0] for name in (*OF_THE_LEDGER, *OF_REQUESTS, *OF_PARTS, *ALONE)}


def test_alerts_about_what_the_ledger_says(running: Installation, opened: Ledger) -> None:
    pager, now = running.monitoring.pager, datetime.now(UTC)
    models, releases = Models(opened), Releases(opened)
    opened.put_figures(QUIET, before(now, 40), {"log_loss": 0.5}, now, version="3")
    arrive(pager, "firing", "Watchdog", "NightLate")

    yesterday = before(now, 1)
    opened.put_figures(QUIET, yesterday, {"drifted_columns": 3, "skewed_columns": 2, "unusual_share": 0.3}, now)
    opened.put_figures(QUIET, yesterday, {"feature_drift": 0.4}, now, slice="amount")
    models.add(model("3", before(now, 60)))
    models.promote(QUIET, "3", "better", "me", "run-3", now)
    releases.point(QUIET, "blue", "3", None, now)
    worse = {"pooled_excess_loss": 0.4, "pooled_excess_loss_error": 0.01, "pooled_excess_loss_days": 7}
    opened.put_figures(QUIET, before(now, 40), {"log_loss": 0.9, **worse}, now, version="3")
    models.add(model("4", yesterday))
    opened.record(QUIET, subject("4"), "run-4", Verdict(Kind.GATE, Outcome.PASSED, "better"), now)
    stuck = releases.begin(QUIET, "3", "blue", {"stages": []}, "run", now - timedelta(hours=3))
    arrive(pager, "resolved", "NightLate")
    arrive(pager, "firing", *OF_THE_LEDGER)

    opened.put_figures(QUIET, yesterday, {"drifted_columns": 0, "skewed_columns": 0, "unusual_share": 0.0}, now)
    expected = {**worse, "pooled_excess_loss": 0.01}
    opened.put_figures(QUIET, yesterday, {"log_loss": 0.5, **expected}, now, version="3")
    opened.record(QUIET, subject("4"), "run-4", Verdict(Kind.REVIEW, Outcome.PASSED, "by me"), now)
    models.promote(QUIET, "4", "better", "me", "run-4", now)
    releases.end(stuck.id, Status.FAILED, "it would not start", now)
    arrive(pager, "resolved", *OF_THE_LEDGER)
    arrive(pager, "firing", "ReleaseFailed")
    arrive(pager, "resolved", "ReleaseFailed")  # its window has passed


def test_alerts_about_requests(running: Installation) -> None:
    pager, envoy, service = running.monitoring.pager, running.envoy, running.services[QUIET]
    envoy.send(5, pipeline=QUIET)
    service.answered(rows=1, flags=0, seconds=0.001)
    service.refused(422)  # a series that begins with many shows no increase

    def many_fail() -> None:
        envoy.send(20, status=503, pipeline=QUIET)
        envoy.send(8, seconds=0.3, pipeline=QUIET)  # more than 14.4 times the budget of 1%
        for _ in range(5):
            service.refused(422)

    def all_are_answered() -> None:
        envoy.send(20, pipeline=QUIET)
        service.answered(rows=1, flags=0, seconds=0.001)

    arrive(pager, "firing", *OF_REQUESTS, meanwhile=many_fail)
    arrive(pager, "resolved", *OF_REQUESTS, meanwhile=all_are_answered)


def test_an_hour_of_an_hourly_pipeline_that_is_late(running: Installation, opened: Ledger) -> None:
    pager, now, file = running.monitoring.pager, datetime.now(UTC), running.file
    daily, passed = file.read_text(), Verdict(Kind.VALIDATION, Outcome.PASSED, "all rules hold")
    file.write_text(f"{daily}partition: hour\n")
    opened.record(QUIET, f"raw/{before(now, 2)}T00", "run-5", passed, now)
    arrive(pager, "firing", "HourLate")
    opened.record(QUIET, f"raw/{now:%Y-%m-%dT%H}", "run-6", passed, now)
    arrive(pager, "resolved", "HourLate")
    file.write_text(daily)


def test_alerts_about_the_parts(running: Installation, restarted_postgres: PostgresServer) -> None:
    pager, file = running.monitoring.pager, running.file
    declared = file.read_text()
    file.write_text(f"{declared}colour: green\n")
    running.volume.available = 5
    running.envoy.kill()
    arrive(pager, "firing", "PipelineUnreadable", "VolumeNearlyFull", "RouterDown")
    file.write_text(declared)
    running.volume.available = 50
    running.envoy.start()
    arrive(pager, "resolved", "PipelineUnreadable", "VolumeNearlyFull", "RouterDown")

    restarted_postgres.stop()
    arrive(pager, "firing", "LedgerDown")
    restarted_postgres.start()
    arrive(pager, "resolved", "LedgerDown")

    running.monitoring.exporter.stop()
    arrive(pager, "firing", "ExporterSilent")
    running.monitoring.exporter.start()
    arrive(pager, "resolved", "ExporterSilent")
