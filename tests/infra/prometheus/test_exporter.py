"""What Prometheus would scrape: a real ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from infra.local.endpoints import LocalEndpoint, Place
from infra.prometheus.collector import LedgerCollector
from infra.prometheus.exporter import Pages, registry
from infra.prometheus.shared import SharedCollector
from infra.prometheus.targets import model_services
from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models, subject
from tidewheel.ledger.releases import Releases, Status
from tidewheel.ledger.tables import ModelVersionRow
from tidewheel.ledger.tasks import TaskLog
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.release import Colour
from tidewheel.release.traffic import Traffic
from tidewheel.settings import Settings

if TYPE_CHECKING:
    import pytest

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(settings: Settings) -> Samples:
    text = generate_latest(registry(settings)).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset({"pipeline": "orders", **labels}.items())))


def model(version: str, train_end: str) -> ModelVersionRow:
    return ModelVersionRow(
        pipeline="orders", version=version, mlflow_run="r", source="s", run_id=f"run-{version}", data_hash="h",
        as_of=train_end, train_start="2026-01-01", train_end=train_end, estimator="xgboost", files={}, importances={},
        bento={}, compared_with=None, created_by="me", created_at=NOW,
    )  # fmt: skip


def test_a_pipeline_that_has_done_nothing_yet_has_its_declaration_and_zeros(settings: Settings) -> None:
    page = scraped(settings)

    assert value(page, "tidewheel_pipeline_info", team="shop") == 1
    assert value(page, "tidewheel_label_delay_seconds") == 86_400
    assert value(page, "tidewheel_champion_maximum_age_seconds") == 30 * 86_400
    assert value(page, "tidewheel_requests_refused_maximum_share") == 0.05
    assert value(page, "tidewheel_requests_unusual_maximum_share") == 0.2
    assert value(page, "tidewheel_approvals_waiting") == 0
    assert value(page, "tidewheel_releases_total", status="failed") == 0
    assert page["tidewheel_ledger_up", frozenset()] == 1


def test_champion_live_version_quality_and_drift_are_the_ledgers(settings: Settings, ledger: Ledger) -> None:
    models, releases = Models(ledger), Releases(ledger)
    models.add(model("3", "2026-11-20"))
    models.promote("orders", "3", "better", "me", "run-3", NOW)
    releases.point("orders", "green", "3", "2", NOW)
    for day, loss in (("2026-11-20", 0.5), ("2026-11-19", 0.4)):
        ledger.put_figures("orders", day, {"log_loss": loss, "pooled_excess_loss": 0.03}, NOW, version="3")
    ledger.put_figures("orders", "2026-11-20", {"log_loss": 0.9}, NOW, version="3", slice="channel=web")
    ledger.put_figures("orders", "2026-11-21", {"feature_drift": 0.2}, NOW, slice="amount")
    ledger.put_figures("orders", "2026-11-21", {"feature_drift": 0.1}, NOW, slice="age")
    ledger.put_figures("orders", "2026-11-21", {"drifted_columns": 1.0}, NOW)
    page = scraped(settings)

    assert value(page, "tidewheel_model_info", model_version="3", colour="green") == 1
    end_of_20th = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    assert value(page, "tidewheel_champion_data_timestamp_seconds", model_version="3") == end_of_20th
    assert value(page, "tidewheel_champion_promoted_timestamp_seconds", model_version="3") == NOW.timestamp()
    assert value(page, "tidewheel_labelled_day_timestamp_seconds") == end_of_20th
    assert value(page, "tidewheel_monitored_day_timestamp_seconds") == end_of_20th + 86_400
    assert value(page, "tidewheel_quality", model_version="3", figure="log_loss") == 0.5
    assert value(page, "tidewheel_excess_loss", model_version="3") == 0.03
    assert (value(page, "tidewheel_drifted_columns"), value(page, "tidewheel_compared_columns")) == (1, 2)


def test_what_callers_sent_is_published_of_all_and_of_the_twenty_worst_columns(
    settings: Settings, ledger: Ledger
) -> None:
    ledger.put_figures("orders", "2026-11-20", {"refused_share": 0.9}, NOW)
    ledger.put_figures("orders", "2026-11-21", {"refused_share": 0.02, "skewed_columns": 2.0}, NOW)
    for n in range(50):
        ledger.put_figures("orders", "2026-11-21", {"skew_share": n / 100}, NOW, slice=f"column {n}")
    page = scraped(settings)

    assert (value(page, "tidewheel_requests_refused_share"), value(page, "tidewheel_skewed_columns")) == (0.02, 2)
    columns = {dict(labels)["column"] for name, labels in page if name == "tidewheel_column_skew_share"}
    assert columns == {f"column {n}" for n in range(30, 50)}
    assert value(page, "tidewheel_quality", model_version="", figure="refused_share") is None


def test_what_waits_and_what_was_decided_is_counted(settings: Settings, ledger: Ledger) -> None:
    Models(ledger).add(model("4", "2026-11-20"))
    ledger.record("orders", subject("4"), "run-4", Verdict(Kind.GATE, Outcome.PASSED, "better"), NOW)
    ledger.request_training("orders", "by hand", NOW)
    first = Releases(ledger).begin("orders", "4", "blue", {"stages": []}, "run-4", NOW)
    page = scraped(settings)

    assert value(page, "tidewheel_approvals_waiting") == 1
    assert value(page, "tidewheel_verdicts_total", kind="gate", outcome="passed") == 1
    assert value(page, "tidewheel_training_requested_timestamp_seconds") == NOW.timestamp()
    started = value(page, "tidewheel_release_started_timestamp_seconds", model_version="4", colour="blue")
    assert started == NOW.timestamp()
    ledger.record("orders", subject("4"), "run-4", Verdict(Kind.REVIEW, Outcome.REFUSED, "no"), NOW)
    Releases(ledger).end(first.id, Status.FAILED, "it would not start", NOW)
    page = scraped(settings)
    assert value(page, "tidewheel_approvals_waiting") == 0
    assert value(page, "tidewheel_releases_total", status="failed") == 1
    assert value(page, "tidewheel_release_started_timestamp_seconds", model_version="4", colour="blue") is None


def test_fits_that_are_left_are_those_of_the_newest_day_that_was_decided(settings: Settings, ledger: Ledger) -> None:
    declared = (settings.pipelines_folder / "orders.yaml").read_text()
    budget = declared.replace("maximum_age_days: 30", "maximum_age_days: 30, budget: {fits: 4, days: 28, burst: 2}")
    (settings.pipelines_folder / "orders.yaml").write_text(budget)
    for day, saved in (("2026-11-21", 1.25), ("2026-11-20", 2.0)):
        verdict = Verdict(Kind.TRIGGER, Outcome.NO_ACTION, "nothing calls for a training", {"fits_saved": saved})
        ledger.record("orders", day, f"run-{day}", verdict, NOW)
    page = scraped(settings)

    assert value(page, "tidewheel_training_fits_saved") == 1.25
    assert value(page, "tidewheel_training_fits_maximum") == 2


def test_of_a_budget_in_seconds_the_seconds_are_exposed_that_are_left(settings: Settings, ledger: Ledger) -> None:
    declared = (settings.pipelines_folder / "orders.yaml").read_text()
    budget = declared.replace("maximum_age_days: 30", "maximum_age_days: 30, budget: {cpu_seconds: 60, days: 28}")
    (settings.pipelines_folder / "orders.yaml").write_text(budget)
    left = {"fits_saved": None, "cpu_seconds_saved": 31.5, "cpu_seconds_a_training": 14.0}
    verdict = Verdict(Kind.TRIGGER, Outcome.NO_ACTION, "nothing calls for a training", left)
    ledger.record("orders", "2026-11-21", "run", verdict, NOW)
    page = scraped(settings)

    assert value(page, "tidewheel_training_cpu_seconds_saved") == 31.5
    assert value(page, "tidewheel_training_cpu_seconds_expected") == 14
    assert value(page, "tidewheel_training_fits_maximum") is None


def test_a_verdict_that_came_since_the_last_scrape_counts(settings: Settings, ledger: Ledger) -> None:
    collector = LedgerCollector(settings)

    def verdicts() -> list[float]:
        [family] = [page for page in collector.collect() if page.name == "tidewheel_verdicts"]
        return [sample.value for sample in family.samples]

    for number in range(3):
        assert verdicts() == [float(number)] * bool(number)
        ledger.record("orders", f"version {number}", "run", Verdict(Kind.GATE, Outcome.PASSED, "better"), NOW)


def test_tasks_have_their_outcomes_and_seconds(settings: Settings, ledger: Ledger) -> None:
    tasks = TaskLog(ledger)
    tasks.ended("orders", "features", "land", 40, NOW, succeeded=True)
    tasks.ended("orders", "features", "land", 20, NOW + timedelta(days=1), succeeded=False)
    page, land = scraped(settings), {"dag": "features", "task": "land"}

    assert value(page, "tidewheel_task_runs_total", outcome="succeeded", **land) == 1
    assert value(page, "tidewheel_task_seconds_total", outcome="failed", **land) == 20
    assert value(page, "tidewheel_task_last_seconds", **land) == 20
    ended = value(page, "tidewheel_task_ended_timestamp_seconds", **land)
    assert ended == (NOW + timedelta(days=1)).timestamp()


def test_a_pipeline_file_that_cannot_be_read_costs_its_pipeline_the_team_and_no_other_anything(
    settings: Settings,
) -> None:
    (settings.pipelines_folder / "broken.yaml").write_text("name: [")
    page = scraped(settings)

    assert page["tidewheel_pipeline_info", frozenset({("pipeline", "broken"), ("team", "")})] == 1
    assert value(page, "tidewheel_pipeline_info", team="shop") == 1


def test_a_ledger_that_is_away_is_a_metric_and_not_an_error() -> None:
    away = Settings(database_url="postgresql+psycopg2://u:p@127.0.0.1:1/none")  # type: ignore[arg-type]
    [up, _] = LedgerCollector(away).collect()

    assert (up.name, up.samples[0].value) == ("tidewheel_ledger_up", 0)


def test_a_scrape_reads_the_ledger_in_one_session(
    settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, opened, session = registry(settings), list[Ledger](), Ledger.session
    monkeypatch.setattr(Ledger, "session", lambda self: opened.append(self) or session(self))
    text = generate_latest(metrics).decode()

    assert len(opened) == 1
    assert "tidewheel_ledger_up 1.0" in text
    assert 'tidewheel_team_training_cpu_seconds{team="' in text


def test_a_hundred_pipelines_are_scraped_in_half_a_second(settings: Settings, ledger: Ledger) -> None:
    for number in range(100):
        text = PIPELINE_FILE.replace("orders", f"orders_{number}")
        (settings.pipelines_folder / f"orders_{number}.yaml").write_text(text)
    collector = LedgerCollector(settings)
    list(collector.collect())  # files are parsed once
    began = time.perf_counter()
    families = list(collector.collect())

    assert time.perf_counter() - began < 5  # ten times the aim: a test's machine may be busy
    assert sum(len(family.samples) for family in families if family.name == "tidewheel_pipeline_info") == 101


class Slow(Collector):
    """Takes a while, and counts its collections."""

    def __init__(self) -> None:
        self.collections = 0

    def collect(self) -> Iterator[Metric]:
        self.collections += 1
        time.sleep(0.2)
        yield GaugeMetricFamily("slow", "it is", value=self.collections)


def test_scrapes_that_come_at_once_share_one_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    shared = SharedCollector(slow)
    with ThreadPoolExecutor(5) as pool:
        values = list(pool.map(lambda _: [family.samples[0].value for family in shared.collect()], range(5)))

    assert (slow.collections, values) == (1, [[1]] * 5)
    monkeypatch.setattr("infra.prometheus.shared.FRESH_SECONDS", -1)
    assert [family.samples[0].value for family in shared.collect()] == [2]


def test_the_model_services_of_this_machine_are_listed_with_pipeline_colour_and_version(settings: Settings) -> None:
    assert model_services(settings) == []
    folder = settings.home / "endpoints"
    folder.mkdir(parents=True)
    places = {Colour.GREEN: Place("4", "hash", (21002,)), Colour.BLUE: Place("3", "hash", (21000, 21001))}
    (folder / "orders.json").write_text(LocalEndpoint("orders", Traffic(Colour.BLUE), places).to_json())

    assert model_services(settings) == [
        {
            "targets": ["127.0.0.1:21000", "127.0.0.1:21001"],
            "labels": {"pipeline": "orders", "colour": "blue", "model_version": "3"},
        },
        {"targets": ["127.0.0.1:21002"], "labels": {"pipeline": "orders", "colour": "green", "model_version": "4"}},
    ]


@contextmanager
def exporter(settings: Settings, recording: threading.Thread | None) -> Iterator[str]:
    facts = {"registry": registry(settings), "settings": settings, "recording": recording}
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Pages", (Pages,), facts)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_exporter_whose_recorder_has_died_is_not_healthy(settings: Settings) -> None:
    over = threading.Event()
    recording = threading.Thread(target=over.wait)
    recording.start()
    with exporter(settings, recording) as url:
        assert httpx.get(f"{url}/healthz").status_code == 200
        over.set()
        recording.join()
        assert httpx.get(f"{url}/healthz").status_code == 503
        assert httpx.get(f"{url}/targets").json() == []
        assert "tidewheel_ledger_up 1.0" in httpx.get(f"{url}/metrics").text
