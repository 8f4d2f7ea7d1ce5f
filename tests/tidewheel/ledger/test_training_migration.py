"""What a ledger of the version before holds of its trainings is filled into their rows, and again after a downgrade."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, text

from tests.ledger_forms import migrations
from tests.tidewheel.ledger.test_downgrades import empty_url  # noqa: F401  a fixture
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.training_tables import FAILED, TrainingRow
from tidewheel.ledger.trainings import Trainings

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
HOLDOUT = ["2026-11-19 f19 l19"]
COMPARED = {
    "holdout": HOLDOUT,
    "challenger": {"rmse": 0.5},
    "champion": {"rmse": 0.6},
    "loss_difference": -0.06,
    "upper_bound": -0.03,
    "meaning": {"slope": 0.5},
}


class Before:
    """A ledger as the version before has left it; each row is an hour later than the last."""

    def __init__(self, url: str) -> None:
        self.engine, self.at = create_engine(url), NOW

    def insert(self, table: str, **values: Any) -> None:
        self.at += timedelta(hours=1)
        filled = {"at": self.at.isoformat(sep=" "), "pipeline": "shop", **values}
        filled = {n: json.dumps(v) if isinstance(v, dict) else v for n, v in filled.items()}
        time = {"verdict": "decided_at", "model_version": "created_at", "retrain_request": "asked_at"}
        filled[time.get(table, "opened_at")] = filled.pop("at")
        names = ", ".join(filled)
        with self.engine.begin() as connection:
            connection.execute(
                text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{n}' for n in filled)})"), filled
            )

    def verdict(self, kind: str, subject: str, run: str, outcome: str, inputs: Any = None, **thresholds: Any) -> None:
        self.insert(
            "verdict",
            kind=kind,
            subject=subject,
            run_id=run,
            outcome=outcome,
            sentence=f"{outcome}: said",
            inputs=inputs or {},
            thresholds=thresholds,
        )

    def version(self, number: str, run: str, refit: str = "") -> None:
        made = {"as_of": "2026-11-21", "train_start": "2026-09-01", "train_end": "2026-11-18", "refit": refit}
        fixed = {"mlflow_run": "m", "source": "s", "data_hash": "d", "estimator": "xgboost", "created_by": "ada"}
        self.insert("model_version", version=number, run_id=run, **made, **fixed, files={}, importances={}, bento={})

    def request(self, day: str | None, by: str | None, reason: str = "fired: it fell") -> None:
        closed = {"closed_by": by, "closed_at": self.at.isoformat(sep=" ")} if by else {}
        self.insert("retrain_request", day=day, reason=reason, **closed)

    def probation(self, version: str, outcome: str, gain: float) -> None:
        of = {"version": version, "predecessor": "1", "as_of": "2026-11-21", "run_id": "by hand"}
        self.insert("probation", **of, outcome=outcome, best_gain=gain, closed_at=self.at.isoformat(sep=" "))


@pytest.fixture
def before(empty_url: str) -> Before:  # noqa: F811
    command.upgrade(migrations(empty_url), "0009")
    return Before(empty_url)


@pytest.fixture
def migrated(before: Before, empty_url: str) -> Callable[[], dict[str | None, TrainingRow]]:  # noqa: F811
    """Brings the ledger up to date and reads its trainings, by run."""

    def migrated() -> dict[str | None, TrainingRow]:
        migrate(empty_url)
        ledger = Ledger(empty_url)
        found = {row.run_id: row for row in Trainings(ledger).all("shop")}
        ledger.engine.dispose()
        before.engine.dispose()
        return found

    return migrated


Migrated = Callable[[], "dict[str | None, TrainingRow]"]


def test_a_requested_training_is_put_together_from_all_that_spoke_of_it(before: Before, migrated: Migrated) -> None:
    before.verdict("trigger", "2026-11-20", "night", "fired", {"role": "alarm"})
    before.version("7", "run", refit="fitted again")
    before.verdict(
        "gate", "version 7", "run", "passed", {"version": "7", "as_of": "2026-11-21", **COMPARED}, metric="rmse"
    )
    before.verdict("review", "version 7", "cli", "refused", {"version": "7", "reviewer": "ada"})
    before.request("2026-11-20", "run")

    row = migrated()["run"]
    assert (row.requested_by, row.requested_day, row.version, row.outcome) == ("alarm", "2026-11-20", "7", "refused")
    assert (row.as_of, row.window_start, row.window_end) == ("2026-11-21", "2026-09-01", "2026-11-18")
    assert (row.fits, row.cpu_seconds, row.gpu_seconds) == (2, None, None)
    assert (row.holdout, row.meaning, row.squared_error) == (HOLDOUT, {"slope": 0.5}, 0.25)
    assert row.gain == pytest.approx(0.15)
    assert row.closed_at is not None


def test_what_was_judged_on_days_that_it_had_learned_from_is_known_by_its_probation(
    before: Before, migrated: Migrated
) -> None:
    before.version("7", "run")
    inputs = {"version": "7", "as_of": "2026-11-21", **COMPARED}
    before.verdict("gate", "version 7", "run", "passed", inputs, metric="rmse", learned=True)
    before.probation("7", "rolled_back", -0.04)

    row = migrated()["run"]
    assert (row.outcome, row.gain, row.holdout, row.squared_error) == ("rolled_back", -0.04, [], None)


def test_what_came_to_nothing_has_failed_and_what_runs_is_open(before: Before, migrated: Migrated) -> None:
    before.request("2026-11-18", "lost")
    before.request("2026-11-19", "nothing new")
    before.verdict("gate", "as of 2026-11-20", "no rows", "inconclusive", {"as_of": "2026-11-20"})
    before.version("8", "not judged yet")
    before.request("2026-11-21", None)
    before.request(None, "no night came", reason="a new source")

    rows = migrated()
    assert set(rows) == {None, "nothing new", "no rows", "not judged yet"}
    failed = [rows["nothing new"], rows["no rows"]]
    assert [(row.outcome, row.as_of, row.requested_day) for row in failed] == [
        (FAILED, "", "2026-11-19"),
        (FAILED, "2026-11-20", None),
    ]
    assert (rows["not judged yet"].version, rows["not judged yet"].closed_at) == ("8", None)
    assert (rows[None].requested_day, rows[None].closed_at) == ("2026-11-21", None)


def test_a_request_says_who_made_it(before: Before, migrated: Migrated, empty_url: str) -> None:  # noqa: F811
    before.verdict("trigger", "2026-11-20", "night", "fired", {"role": "fall"})
    before.request("2026-11-20", "run")
    before.request("2026-11-21", "run")
    before.request(None, None, reason="a new source")
    migrated()

    ledger = Ledger(empty_url)
    assert [row.requested_by for row in ledger.requests("shop")] == ["person", "routine", "fall"]
    ledger.engine.dispose()


def test_somebody_who_overruled_the_gate_is_not_the_gate(before: Before, migrated: Migrated) -> None:
    before.version("7", "run")
    before.verdict("gate", "version 7", "run", "refused", {"version": "7", "as_of": "2026-11-21"})
    before.verdict("gate", "version 7 by hand", "run", "passed", {"version": "7", "override": "it must go out"})

    assert migrated()["run"].outcome == "refused"


def test_rows_come_back_after_a_downgrade(before: Before, migrated: Migrated, empty_url: str) -> None:  # noqa: F811
    before.version("7", "run")
    before.verdict("gate", "version 7", "run", "passed", {"version": "7", "as_of": "2026-11-21"})
    first = migrated()["run"]
    command.downgrade(migrations(empty_url), "0009")

    again = migrated()["run"]
    assert (again.version, again.outcome, again.as_of) == (first.version, first.outcome, first.as_of)
