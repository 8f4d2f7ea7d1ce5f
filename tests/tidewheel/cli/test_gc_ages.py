"""`tidewheel gc` deletes nightly data by its age, says so first, and keeps what a decision still needs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from tests.pipelines import PIPELINE_FILE
from tidewheel.cli.app import app
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.alerts import AlertLog
from tidewheel.ledger.audit import Act, entries
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import Probations
from tidewheel.ledger.traffic import Reading, TrafficLog
from tidewheel.ledger.verification import verify
from tidewheel.release.backend import RequestCounts
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import load_pipeline
from tidewheel.spec.retention import needed_days

NEWEST = date(2013, 12, 31)
"""Of the pipeline: ages are counted from here, not from today."""


def day(age: int) -> str:
    return str(NEWEST - timedelta(days=age))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A pipeline that keeps 100 days of predictions and requests."""
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", f"sqlite:///{tmp_path}/ledger.db")
    migrate(f"sqlite:///{tmp_path}/ledger.db")
    declare(tmp_path, "retention: {predictions_days: 100, requests_days: 100, reports_days: null}")
    return load_settings()


def declare(project: Path, retention: str) -> None:
    (project / "dags").mkdir(exist_ok=True)
    (project / "dags" / "orders.yaml").write_text(f"{PIPELINE_FILE}{retention}\n")


@pytest.fixture
def lake(home: Settings) -> Lake:
    """Features, labels and predictions of the newest day, one that is just young enough, and one that is too old."""
    lake = Lake.open("orders", home)
    for age in (0, 99, 100):
        for dataset in ("landing", "features", "labels", "predictions", "requests"):
            publish(lake, dataset, day(age))
    return lake


def publish(lake: Lake, dataset: str, key: str) -> None:
    lake.publish(lake.write_table(dataset, key, pa.table({"id": [1]}), {}, "code"))


def gc(*options: str) -> str:
    done = CliRunner().invoke(app, ["gc", *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_weekly_pipeline_keeps_as_many_weeks_as_its_file_says_and_more_than_a_year_without_a_word(
    home: Settings,
) -> None:
    newest = NEWEST - timedelta(days=NEWEST.weekday())
    lake = Lake.open("orders", home)
    for age in (0, 39, 40):
        for dataset in ("features", "labels", "predictions", "requests"):
            publish(lake, dataset, str(newest - timedelta(weeks=age)))
    declare(home.project, "partition: week\nretention: {predictions_weeks: 40}")
    assert "orders: predictions older than 40 weeks: deleted 1 week (" in gc()
    assert lake.partitions("predictions") == [str(newest - timedelta(weeks=39)), str(newest)]
    assert len(lake.partitions("requests")) == 3


def test_a_dry_run_names_the_days_and_the_real_one_deletes_them_with_an_audit_entry(home: Settings, lake: Lake) -> None:
    said = gc("--dry-run")
    assert "orders: predictions older than 100 days: would delete 1 day (" in said
    assert said.count(day(100)) == 2
    assert len(lake.partitions("predictions")) == 3

    assert "orders: predictions older than 100 days: deleted 1 day (" in gc()
    for dataset in ("predictions", "requests"):
        assert lake.partitions(dataset) == [day(99), day(0)]
    for dataset in ("landing", "features", "labels"):
        assert len(lake.partitions(dataset)) == 3, "models are made from these"
    ledger = Ledger.open(home)
    removed = [entry for entry in entries(ledger) if entry.kind == Act.REMOVAL]
    assert {(entry.pipeline, entry.subject) for entry in removed} == {
        ("orders", "predictions older than 100 days"),
        ("orders", "requests older than 100 days"),
    }
    assert all(day(100) in entry.sentence for entry in removed)
    assert verify(ledger).findings == ()

    assert "orders: predictions" not in gc(), "a second time there is nothing to delete"
    assert len([entry for entry in entries(ledger) if entry.kind == Act.REMOVAL]) == len(removed)


def test_days_whose_labels_are_not_known_stay_and_are_named(home: Settings, lake: Lake) -> None:
    publish(lake, "predictions", day(101))
    said = gc()
    assert lake.partitions("predictions") == [day(101), day(99), day(0)]
    assert f"predictions older than 100 days: 1 day left alone, labels are not known: {day(101)}" in said


def test_days_by_which_a_version_on_probation_is_judged_stay(home: Settings, lake: Lake) -> None:
    row = ProbationRow(pipeline="orders", version="7", predecessor="6", as_of=day(100), run_id="run", opened_at=now())
    Probations(Ledger.open(home)).begin(row)
    gc()
    assert lake.partitions("predictions") == [day(100), day(99), day(0)]


@pytest.mark.parametrize("retention", ["retention: {predictions_days: 2}", "retention: {predictions_day: 100}"])
def test_while_the_pipeline_file_is_wrong_its_data_is_left_alone(home: Settings, lake: Lake, retention: str) -> None:
    declare(home.project, retention)
    assert "data of orders: left alone: " in gc()
    assert len(lake.partitions("predictions")) == 3


def test_without_a_ledger_nothing_is_deleted_by_age(
    home: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", "postgresql+psycopg2://x@127.0.0.1:1/ledger")
    said = gc()
    assert "data of orders: left alone: " in said
    assert "traffic and alerts: left alone: " in said
    assert len(lake.partitions("predictions")) == 3


def test_where_the_audit_log_takes_no_entry_nothing_is_deleted_by_age(home: Settings, lake: Lake) -> None:
    with Ledger.open(home).session() as session:
        session.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(ABORT, 'database is full'); END")
        )
    assert CliRunner().invoke(app, ["gc"]).exit_code != 0
    assert len(lake.partitions("predictions")) == 3


def test_old_files_of_the_local_request_log_go(home: Settings, lake: Lake) -> None:
    for age in (99, 100):
        folder = home.request_log_folder / "orders" / day(age)
        folder.mkdir(parents=True)
        (folder / "a.arrow.damaged").write_bytes(b"x")
    assert f"orders: request log on this machine: deleted 1 day: {day(100)}" in gc()
    assert [path.name for path in (home.request_log_folder / "orders").iterdir()] == [day(99)]


def test_traffic_and_ended_alerts_go_by_the_age_that_the_settings_say(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.open(home)
    traffic, alerts = TrafficLog(ledger), AlertLog(ledger)
    for days, requests in ((1200, 10), (1000, 30)):
        counts = {("orders", "blue"): RequestCounts(requests, 0, 0, ())}
        traffic.record(Reading("envoy", now() - timedelta(days=days), 60.0 * requests, counts))
    for days in (200, 10):
        alerts.task_failed("orders", "features", "land", "run", "no file", now() - timedelta(days=days + 1))
        alerts.task_succeeded("orders", "features", "land", now() - timedelta(days=days))
    said = gc("--dry-run")
    assert "figures of traffic older than 1,100 days: would delete 1 row" in said
    assert "incidents that ended more than 90 days ago: would delete 1 row" in said
    assert alerts.ended(now()) == 2

    monkeypatch.setenv("TIDEWHEEL_ALERTS_RETENTION_DAYS", "5")
    said = gc()
    assert "figures of traffic older than 1,100 days: deleted 1 row" in said
    assert "incidents that ended more than 5 days ago: deleted 2 rows" in said
    (point,) = traffic.series("orders", now() - timedelta(days=2000), now())
    assert point.seen.requests == 20
    assert alerts.ended(now()) == 0


def test_never_fewer_days_are_kept_than_a_night_reads_again(tmp_path: Path) -> None:
    declare(tmp_path, "")
    smallest = load_pipeline(tmp_path / "dags/orders.yaml")
    declare(tmp_path, "monitoring: {drift: {season: year}, catch_up_days: 300}")
    seasonal = load_pipeline(tmp_path / "dags/orders.yaml")
    assert needed_days(smallest) < 100 < 400 < needed_days(seasonal)


def now() -> datetime:
    return datetime.now(UTC)
