"""A training run from end to end: assemble, train, evaluate, promote, against a real MLflow server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs import registry
from jobs.prediction import model_frame, predict
from jobs.training_data import labelled_rows, read_training_data
from tidewheel.errors import ExitCode
from tidewheel.policies.verdict import Kind
from tidewheel.runs import JobRecord
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from conftest import Parcels

RunJob = Callable[..., JobRecord]


def train(run_job: RunJob, parcels: Parcels, day: date, run_id: str) -> JobRecord:
    run_job(parcels, "assemble", day, run_id)
    run_job(parcels, "train", day, run_id)
    return run_job(parcels, "evaluate", day, run_id)


def test_the_first_challenger_passes_on_floors_alone_and_becomes_champion(
    registered_parcels: Callable[..., Parcels], run_job: RunJob
) -> None:
    parcels = registered_parcels()
    day = parcels.publish_days(12)[-1]
    parcels.ledger.request_training(parcels.name, "first model", datetime.now(UTC))

    evaluated = train(run_job, parcels, day, "first")
    assert evaluated.figures["outcome"] == "passed"
    assert "no champion" in evaluated.sentence
    assert registry.champion(parcels.settings, parcels.name) is None
    assert parcels.ledger.open_request(parcels.name) is None

    promoted = run_job(parcels, "promote", day, "first")
    champion = registry.champion(parcels.settings, parcels.name)
    assert champion is not None
    assert (promoted.figures["promoted"], champion.version) == (True, "1")
    assert champion.tags[registry.VERDICT] == "passed"
    assert champion.tags[registry.RUN_ID] == "first"
    assert champion.tags[registry.TRAIN_END] == "2024-01-07"  # twelve days, two to mature, three held out


def test_running_every_job_of_a_run_twice_changes_nothing(
    registered_parcels: Callable[..., Parcels], run_job: RunJob
) -> None:
    parcels = registered_parcels()
    days = parcels.publish_days(15)
    for day, run_id in ((days[11], "one"), (days[14], "two")):
        train(run_job, parcels, day, run_id)
        run_job(parcels, "promote", day, run_id)
    before = {v.subject: v.sentence for v in parcels.ledger.verdicts(parcels.name, Kind.GATE)}

    again = train(run_job, parcels, days[14], "two")
    promoted = run_job(parcels, "promote", days[14], "two")

    assert again.figures["version"] == "2"
    assert promoted.figures["promoted"] is False
    assert {v.subject: v.sentence for v in parcels.ledger.verdicts(parcels.name, Kind.GATE)} == before
    champion = registry.champion(parcels.settings, parcels.name)
    assert champion is not None
    assert (champion.version, champion.tags[registry.PREVIOUS_VERSION]) == ("2", "1")
