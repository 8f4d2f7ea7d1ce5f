"""A night's monitoring: figures of matured days, drift of the day, and the decision whether to train."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from jobs import registry
from jobs.metrics import measure
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from conftest import Parcels

    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
DAY = date(2024, 1, 10)
MATURED = DAY - timedelta(days=2)


@pytest.fixture
def parcels(make_parcels: Callable[..., Parcels], monkeypatch: pytest.MonkeyPatch) -> Parcels:
    """Ten days; who the champion is, is told in place of a registry's answer."""
    made = make_parcels()
    made.publish_days(10)
    version = registry.ModelVersion(made.name, "4", "run", {registry.AS_OF: "2024-01-03"})
    monkeypatch.setattr(registry, "champion", lambda settings, pipeline: version)
    return made


def predict_day(parcels: Parcels, day: date, version: str = "4", spread: float = 1.0) -> dict[str, float]:
    """Publish predictions of a day that follow the weight; returns prediction by key."""
    features = parcels.lake.read(parcels.lake.need("features", str(day))).to_pandas()
    said = 1 / (1 + np.exp(-spread * features["weight"].fillna(0)))
    table = pa.table({"parcel": features["parcel"], "prediction": said, "model_version": [version] * len(said)})
    parcels.lake.publish(parcels.lake.write_table("predictions", str(day), table, {}, "test"))
    return dict(zip(features["parcel"], said, strict=True))


def figure(parcels: Parcels, name: str) -> dict[str, float]:
    return {row.partition: row.value for row in parcels.ledger.figures(parcels.name, name)}


def test_the_newest_matured_day_is_measured_against_its_own_labels(parcels: Parcels, run_job: RunJob) -> None:
    said = predict_day(parcels, MATURED)
    record = run_job(parcels, "monitor", DAY, "night")

    labels = parcels.lake.read(parcels.lake.need("labels", str(MATURED))).to_pandas()
    truth = labels["late"].to_numpy(dtype=float)
    expected = measure(truth, np.array([said[key] for key in labels["parcel"]]), "classification")
    assert figure(parcels, "log_loss") == {str(MATURED): pytest.approx(expected["log_loss"])}
    assert figure(parcels, "roc_auc") == {str(MATURED): pytest.approx(expected["roc_auc"])}
    assert figure(parcels, "positive_rate") == {str(MATURED): pytest.approx(truth.mean())}
    assert record.figures["performance_day"] == str(MATURED)


def test_a_missing_label_is_unknown_not_negative(parcels: Parcels, run_job: RunJob) -> None:
    predict_day(parcels, MATURED)
    parcels.publish_day(MATURED, unlabelled=30)
    run_job(parcels, "monitor", DAY, "night")
    assert figure(parcels, "rows") == {str(MATURED): 90}
    assert figure(parcels, "labelled_share") == {str(MATURED): 0.75}


def test_monitoring_twice_counts_nothing_twice_and_revised_labels_replace_the_figures(
    parcels: Parcels, run_job: RunJob
) -> None:
    predict_day(parcels, MATURED)
    run_job(parcels, "monitor", DAY, "night")
    before = figure(parcels, "log_loss")
    run_job(parcels, "monitor", DAY, "night")
    assert figure(parcels, "log_loss") == before
    assert parcels.ledger.count(parcels.name) == 1
    parcels.publish_day(MATURED, signal=-2.0)
    run_job(parcels, "monitor", DAY, "night")
    assert figure(parcels, "log_loss")[str(MATURED)] > before[str(MATURED)]


@pytest.mark.parametrize("missing", ["predictions", "labels", "features"])
def test_a_day_without_its_data_says_so_and_does_not_fail(parcels: Parcels, run_job: RunJob, missing: str) -> None:
    predict_day(parcels, MATURED)
    parcels.lake.store.remove(f"{parcels.name}/{missing}/{DAY if missing == 'features' else MATURED}")
    record = run_job(parcels, "monitor", DAY, "night")
    assert f"unknown: no {missing} of" in record.sentence
    assert record.figures["outcome"] == "suppressed"


def test_one_class_only_leaves_the_auc_unknown(parcels: Parcels, run_job: RunJob) -> None:
    predict_day(parcels, MATURED)
    parcels.publish_day(MATURED, always_late=True)
    run_job(parcels, "monitor", DAY, "night")
    assert figure(parcels, "roc_auc") == {}
    assert figure(parcels, "positive_rate") == {str(MATURED): 1.0}


def test_each_version_has_figures_of_its_own(parcels: Parcels, run_job: RunJob) -> None:
    predict_day(parcels, MATURED)
    run_job(parcels, "monitor", DAY, "night")
    rows = parcels.ledger.figures(parcels.name, "log_loss")
    assert [row.version for row in rows] == ["4"]


def test_a_shifted_column_stands_out_and_the_page_is_in_the_lake(parcels: Parcels, run_job: RunJob) -> None:
    quiet = run_job(parcels, "monitor", DAY, "quiet")
    assert quiet.figures["drifted_columns"] == 0
    parcels.publish_day(DAY, shift=2.0)
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["drifted_columns"] == 1
    assert "1 of 3 columns drifted (weight " in record.sentence
    page = parcels.lake.store.read(record.links["Report"]) or b""
    assert b"<html" in page
    drift = {row.slice: row.value for row in parcels.ledger.figures(parcels.name, "feature_drift", slice="weight")}
    assert drift["weight"] > 1


def test_a_column_that_moves_every_day_does_not_stand_out(parcels: Parcels, run_job: RunJob) -> None:
    for n in range(1, 10):
        parcels.publish_day(date(2024, 1, n), shift=2.0 * (-1) ** n)
    parcels.publish_day(DAY, shift=2.0)
    assert run_job(parcels, "monitor", DAY, "night").figures["drifted_columns"] == 0
    parcels.publish_day(DAY, shift=6.0)
    assert run_job(parcels, "monitor", DAY, "night").figures["drifted_columns"] == 1


def test_another_versions_predictions_are_no_reference(parcels: Parcels, run_job: RunJob) -> None:
    for day in range(1, 10):
        predict_day(parcels, date(2024, 1, day), version="3")
    predict_day(parcels, DAY, version="4", spread=9.0)
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["prediction_drift"] is None
    predict_day(parcels, DAY - timedelta(days=1), version="4", spread=0.1)
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["prediction_drift"] > 0.3  # type: ignore[operator]


def test_constant_and_empty_columns_do_not_stop_the_night(parcels: Parcels, run_job: RunJob) -> None:
    for day, rows in ((DAY - timedelta(days=1), 120), (DAY, 10)):
        table = parcels.lake.read(parcels.lake.need("features", str(day))).slice(0, rows)
        table = table.set_column(table.column_names.index("weight"), "weight", pa.nulls(rows, pa.float64()))
        table = table.set_column(table.column_names.index("distance"), "distance", pa.array([1.0] * rows))
        parcels.lake.publish(parcels.lake.write_table("features", str(day), table, {}, "test"))
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["compared_columns"] == 2
    assert "not compared: weight (no values in the day)" in record.sentence


def test_an_open_wish_is_told_every_night_and_asked_for_once(parcels: Parcels, run_job: RunJob) -> None:
    parcels.ledger.request_training(parcels.name, "a new source", datetime.now(UTC))
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["outcome"] == "fired"
    assert "training was asked for: a new source" in record.sentence
    request = parcels.ledger.open_request(parcels.name)
    assert request is not None
    assert request.reason == "a new source"


def test_a_champion_beyond_its_largest_age_asks_for_a_training(parcels: Parcels, run_job: RunJob) -> None:
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(file.read_text() + "triggers: {calendar: null, maximum_age_days: 6}\n")
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["outcome"] == "fired"
    request = parcels.ledger.open_request(parcels.name)
    assert request is not None
    assert "trained as of 2024-01-03, 7 days ago; at most 6 are allowed" in request.reason
    verdict = parcels.ledger.verdicts(parcels.name, Kind.TRIGGER)[0]
    assert (verdict.subject, verdict.outcome) == (str(DAY), "fired")
