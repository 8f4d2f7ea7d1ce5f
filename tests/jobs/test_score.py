"""Scoring: the champion's answers for every published row, the same bytes every time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.models import registry
from jobs.models.prediction import model_frame, predict
from tests.known_versions import judge, know
from tidewheel.errors import ExitCode
from tidewheel.lake import Lake, Store
from tidewheel.mlflow_api import ask
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]


@pytest.fixture
def parcels(registered_parcels: MakeParcels, run_job: RunJob) -> Parcels:
    """Twelve days, and a champion."""
    made = registered_parcels(refit="never")
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

    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(f"{file.read_text()}\nscoring: {{explain: 2}}\n")
    record = run_job(parcels, "score", "2024-01-12", "explained")
    explained = parcels.lake.read(
        parcels.lake.manifest("predictions", "2024-01-12", record.outputs[0].content_hash)
    ).to_pandas()
    assert record.figures["explained_in"] == "log_odds"
    assert explained["prediction"].tolist() == expected.tolist()
    assert set(explained["top_field_1"]) | set(explained["top_field_2"]) <= {"weight", "distance", "carrier"}
    assert (explained["top_contribution_1"].abs() >= explained["top_contribution_2"].abs()).all()


def test_a_day_that_was_scored_keeps_its_version_unless_somebody_asks_for_the_champion(
    parcels: Parcels, run_job: RunJob
) -> None:
    day = date(2024, 1, 12)
    for output in run_job(parcels, "score", day, "night").outputs:
        parcels.lake.publish(parcels.lake.manifest("predictions", output.partition, output.content_hash))
    _second_champion(parcels)
    corrected = parcels.publish_day(day, shift=0.5)

    again = run_job(parcels, "score", day, "corrected")
    assert again.figures["version"] == "1"
    assert again.inputs == {corrected.key: corrected.content_hash, "model": "version 1"}
    assert run_job(parcels, "score", "2024-01-11", "never scored").figures["version"] == "2"
    assert run_job(parcels, "score", day, "by hand", "--champion").figures["version"] == "2"
    assert run_job(parcels, "score", "2024-01-11..2024-01-12", "range").figures["version"] == "2"

    ask(parcels.settings, "DELETE", "model-versions/delete", name=parcels.name, version="1")
    assert run_job(parcels, "score", day, "gone").figures["version"] == "2"


def _second_champion(parcels: Parcels) -> None:
    """Register the model once more, and make that the champion."""
    first = ask(parcels.settings, "GET", "model-versions/get", name=parcels.name, version="1")["model_version"]
    made_of = {"source": first["source"], "run_id": first["run_id"], "model_id": first["source"].rpartition("/")[2]}
    second = ask(parcels.settings, "POST", "model-versions/create", name=parcels.name, **made_of)["model_version"]
    trained = registry.trained_version(parcels.settings, parcels.name, "1")
    version = registry.model_version(parcels.settings, parcels.name, second["version"])
    know(parcels, version, source=trained.source, files=trained.files)
    judge(parcels, version.version)
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, second["version"])


@pytest.mark.spark
def test_spark_and_a_single_process_write_the_same_bytes_in_a_folder_and_on_s3(
    parcels: Parcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch, s3_options: dict[str, object]
) -> None:
    here = run_job(parcels, "score", "2024-01-10..2024-01-12", "here")
    monkeypatch.setattr("jobs.models.scorer.ROWS_BEFORE_SPARK_PAYS", 0)
    monkeypatch.setenv("TIDEWHEEL_SPARK_MASTER", "local[2]")
    on_spark = run_job(parcels, "score", "2024-01-10..2024-01-12", "spark")
    assert on_spark.outputs == here.outputs

    Store("s3://parcels-lake", s3_options).fs.mkdir("parcels-lake")
    monkeypatch.setenv("TIDEWHEEL_LAKE_URL", "s3://parcels-lake/root")
    monkeypatch.setenv("TIDEWHEEL_LAKE_OPTIONS", json.dumps(s3_options))
    settings = load_settings()
    on_s3 = replace(parcels, settings=settings, lake=Lake.open(parcels.name, settings))
    on_s3.publish_days(3, first=date(2024, 1, 10))
    there = run_job(on_s3, "score", "2024-01-10..2024-01-12", "there")
    assert there.outputs == here.outputs
    assert on_s3.lake.read(on_s3.lake.manifest("predictions", "2024-01-12", there.outputs[2].content_hash)).num_rows


def test_features_of_which_a_bit_has_changed_are_not_scored(
    parcels: Parcels, run_job: RunJob, caplog: pytest.LogCaptureFixture
) -> None:
    [file] = parcels.lake.files(parcels.lake.need("features", "2024-01-12"))
    path = Path(parcels.lake.store.local(file.path))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SystemExit) as failed:
        run_job(parcels, "score", "2024-01-12", "night")
    assert failed.value.code == ExitCode.FAILED
    assert f"{file.path} is not what the manifest of features/2024-01-12 says: its sha256" in caplog.text


def test_the_manifest_of_another_day_is_not_scored_as_this_one(
    parcels: Parcels, run_job: RunJob, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(parcels.lake.store.local(f"{parcels.name}/features"))
    shutil.copy(folder / "2024-01-11" / "manifest.json", folder / "2024-01-12" / "manifest.json")
    with pytest.raises(SystemExit) as failed:
        run_job(parcels, "score", "2024-01-12", "night")
    assert failed.value.code == ExitCode.FAILED
    assert "is the manifest of features/2024-01-11" in caplog.text


def test_predictions_whose_manifest_is_broken_are_made_again(parcels: Parcels, run_job: RunJob) -> None:
    day = "2024-01-12"
    for output in run_job(parcels, "score", day, "night").outputs:
        parcels.lake.publish(parcels.lake.manifest("predictions", output.partition, output.content_hash))
    parcels.lake.store.replace(f"{parcels.name}/predictions/{day}/manifest.json", b'{"pipeline": "par')
    assert run_job(parcels, "score", day, "again").figures["version"] == "1"


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
