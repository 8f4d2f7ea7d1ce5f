"""A service answers, its log is published, and the nights after it say how good the answers were and what was asked."""

from __future__ import annotations

import signal
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from jobs import monitor, requests
from jobs.job import Job, Result
from jobs.models import standing
from tests import small_models
from tests.bentos.service_process import serving
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger, migrate
from tidewheel.options import JobOptions
from tidewheel.partitions import PartitionRange
from tidewheel.policies.verdict import Kind
from tidewheel.settings import Settings
from tidewheel.spec.scoring import Scoring

if TYPE_CHECKING:
    from tidewheel.release.artifact import Artifact


@pytest.mark.slow
def test_what_a_service_was_asked_is_monitored_the_next_night_and_the_one_after(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = f"sqlite:///{tmp_path}/ledger.db"
    migrate(database)
    settings = Settings(home=tmp_path / "home", project=tmp_path, database_url=database)  # type: ignore[arg-type]
    lake, ledger = Lake.open("orders", settings), Ledger(database)
    declared = small_models.pipeline(tmp_path)
    update = {"features": small_models.FEATURES, "scoring": Scoring(enabled=False)}
    pipeline = declared.model_copy(update=update)
    monkeypatch.setattr(standing, "standing", lambda settings, pipeline: standing.Standing(None))
    frame = small_models.train().frame.iloc[:60]
    rows: list[dict[str, Any]] = [
        {"order_id": n, **{name: None if value != value else value for name, value in row.items()}}
        for n, row in enumerate(frame.to_dict("records"))
    ]

    environment = {"TIDEWHEEL_REQUEST_LOG": str(settings.request_log_folder / "orders"), "TIDEWHEEL_COLOUR": "green"}
    today = datetime.now(UTC).date()
    with serving(artifact.path, tmp_path / "output", environment) as service:
        for row in rows:
            sent = {**row, "distance": row["distance"] / 1000} if row["order_id"] < 15 else row
            assert service.predict([sent], x_request_id=f"q{row['order_id']}").is_success
        service.predict([rows[0]], x_request_id="q0")
        for _ in range(20):
            assert service.predict([{**rows[0], "weight": "heavy"}]).status_code == 422
        assert service.stop() == -signal.SIGTERM

    published = pa.Table.from_pylist(rows)
    late = [int(row["weight"] > 0) for row in rows]
    for dataset, table in (
        ("features", published),
        ("labels", pa.table({"order_id": published["order_id"], "returned": late})),
    ):
        lake.publish(lake.write_table(dataset, str(today), table, {}, "test"))

    def run(work: Any, day: date) -> Result:
        days = PartitionRange.parse(str(day))
        done: Result = work(Job("job", pipeline, days, f"night-{day}", settings, lake, JobOptions(), "test"))
        return done

    run(requests.work, today)
    run(monitor.work, today)
    [verdict] = ledger.verdicts("orders", Kind.REQUESTS)
    assert verdict.inputs["due"] == ["skew", "contract", "unusual"]
    assert "distance in 23%, by " in verdict.sentence, "14 of 60: the last question about the first row was right"
    assert "24.7% of 81 requests refused as outside the contract: weight 24.7% (wrong type)" in verdict.sentence

    sentence = run(monitor.work, today + timedelta(days=1)).sentence
    figures = {row.name: row.value for name in ("rows", "roc_auc") for row in ledger.figures("orders", name)}
    assert figures["rows"] == 60
    assert figures["roc_auc"] > 0.9
    assert f"log_loss of {today}" in sentence
