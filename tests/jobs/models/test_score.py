"""Scoring: the champion's answers for every published row, the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import pytest

from jobs.models import registry
from jobs.models.prediction import model_frame, predict
from tidewheel.errors import ExitCode
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from conftest import Parcels

    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]


@pytest.fixture
def parcels(registered_parcels: MakeParcels, run_job: RunJob) -> Parcels:
    """Twelve days, and a champion."""
    made = registered_parcels()
    day = made.publish_days(12)[-1]
    for job in ("assemble", "train", "evaluate", "promote"):
        run_job(made, job, day, "champion")
    return made


def test_every_row_gets_the_models_own_answer_its_key_and_the_version(parcels: Parcels, run_job: RunJob) -> None:
    record = run_job(parcels, "score", "2024-01-11..2024-01-12", "night")
    assert [output.partition for output in record.outputs] == ["2024-01-11", "2024-01-12"]
    staged = parcels.lake.manifest("predictions", "2024-01-12", record.outputs[1].content_hash)
    assert parcels.lake.published("predictions", "2024-01-12") is None  # only `validate` publishes
    assert staged.inputs["features/2024-01-12"] == parcels.lake.need("features", "2024-01-12").content_hash

    said = parcels.lake.read(staged).to_pandas()
    features = parcels.lake.read(parcels.lake.need("features", "2024-01-12")).to_pandas()
    spec = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    model = registry.load_model(parcels.settings, parcels.name, "1")
    expected = predict(model, model_frame(features, spec.features), spec.task)
    assert list(said.columns) == ["parcel", "shipped_at", "prediction", "model_version"]
    assert said["parcel"].tolist() == features["parcel"].tolist()
    assert said["prediction"].tolist() == expected.tolist()
    assert set(said["model_version"]) == {"1"}


@pytest.mark.spark
def test_spark_and_a_single_process_write_the_same_bytes(
    parcels: Parcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = run_job(parcels, "score", "2024-01-10..2024-01-12", "here")
    monkeypatch.setattr("jobs.models.scorer.ROWS_BEFORE_SPARK_PAYS", 0)
    monkeypatch.setenv("TIDEWHEEL_SPARK_MASTER", "local[2]")
    on_spark = run_job(parcels, "score", "2024-01-10..2024-01-12", "spark")
    assert on_spark.outputs == here.outputs


def test_without_a_champion_nothing_is_scored_and_nothing_fails(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels()
    parcels.publish_day(date(2024, 1, 1))
    record = run_job(parcels, "score", "2024-01-01", "night")
    assert record.figures == {"skipped": True}
    assert "no champion" in record.sentence


def test_features_that_lack_a_column_of_the_model_are_named(
    parcels: Parcels, run_job: RunJob, caplog: pytest.LogCaptureFixture
) -> None:
    lacking = parcels.lake.read(parcels.lake.need("features", "2024-01-12")).drop_columns(["distance"])
    parcels.lake.publish(parcels.lake.write_table("features", "2024-01-12", lacking, {}, "test"))
    with pytest.raises(SystemExit) as failed:
        run_job(parcels, "score", "2024-01-12", "night")
    assert failed.value.code == ExitCode.FAILED
    assert "features/2024-01-12 has no column distance, which version 1 was trained with" in caplog.text
