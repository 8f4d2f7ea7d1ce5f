"""A night's monitoring: figures of matured days, drift of the day, and the decision whether to train."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.data.request_log import RequestLog
from jobs.models import registry
from jobs.models.metrics import measure
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from conftest import Parcels

    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
DAY = date(2024, 1, 10)
MATURED = DAY - timedelta(days=2)


@pytest.fixture
def parcels(make_parcels: Callable[..., Parcels], monkeypatch: pytest.MonkeyPatch) -> Parcels:
    """Twenty days; what the registry knows of the champion is told in place of a registry's answer."""
    made = make_parcels()
    declare(made, "triggers: {data: null}")
    made.publish_days(20, first=DAY - timedelta(days=19))
    version = registry.ModelVersion(made.name, "4", "run", {registry.AS_OF: "2024-01-03"})
    monkeypatch.setattr(registry, "champion", lambda settings, pipeline: version)
    weights = {"weight": 0.02, "distance": 0.01, "carrier": 0.01}
    monkeypatch.setattr(registry, "importances", lambda settings, version: weights)
    return made


def declare(parcels: Parcels, section: str) -> None:
    """Put a section into the pipeline's file, in place of the one of that name."""
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    name = section.split(":")[0]
    kept = [line for line in file.read_text().splitlines() if not line.startswith(f"{name}:")]
    file.write_text("\n".join([*kept, section, ""]))


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
    assert [v.kind for v in parcels.ledger.verdicts(parcels.name)] == [Kind.TRIGGER, Kind.DRIFT]
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


def test_a_feature_may_be_called_source(parcels: Parcels, run_job: RunJob) -> None:
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(file.read_text().replace("categorical: [carrier]", "categorical: [source]"))
    table = parcels.lake.read(parcels.lake.need("features", str(MATURED)))
    renamed = table.rename_columns(["source" if name == "carrier" else name for name in table.column_names])
    parcels.lake.publish(parcels.lake.write_table("features", str(MATURED), renamed, {}, "test"))
    predict_day(parcels, MATURED)

    run_job(parcels, "monitor", DAY, "night")

    assert figure(parcels, "rows") == {str(MATURED): 120}
    assert [row.slice for row in parcels.ledger.figures(parcels.name, "rows", slice="source=slow")] == ["source=slow"]


def test_each_version_has_figures_of_its_own(parcels: Parcels, run_job: RunJob) -> None:
    predict_day(parcels, MATURED)
    run_job(parcels, "monitor", DAY, "night")
    rows = parcels.ledger.figures(parcels.name, "log_loss")
    assert [row.version for row in rows] == ["4"]


def test_a_shifted_column_stands_out_at_once_and_is_an_alarm_when_confirmed(parcels: Parcels, run_job: RunJob) -> None:
    quiet = run_job(parcels, "monitor", DAY, "quiet")
    assert (quiet.figures["drifted_columns"], quiet.figures["suspected_columns"]) == (0, 0)
    parcels.publish_day(DAY, shift=2.0)
    first = run_job(parcels, "monitor", DAY, "night")
    assert first.figures["suspected_columns"] == 1
    assert "0 of 3 columns drifted, weight " in first.sentence
    for n in (1, 2):
        parcels.publish_day(DAY + timedelta(days=n), shift=2.0)
    second = run_job(parcels, "monitor", DAY + timedelta(days=2), "third")
    assert second.figures["drifted_columns"] == 1
    assert "1 of 3 columns drifted (weight " in second.sentence
    verdict = parcels.ledger.verdicts(parcels.name, Kind.DRIFT)[0]
    assert (verdict.outcome, verdict.inputs["drifted"]) == ("fired", ["weight"])
    assert "50% of the importance" in verdict.sentence
    page = parcels.lake.store.read(second.links["Report"]) or b""
    assert b"<html" in page
    [measured] = [
        r for r in parcels.ledger.figures(parcels.name, "feature_drift", slice="weight") if r.partition == str(DAY)
    ]
    [limit] = [
        r
        for r in parcels.ledger.figures(parcels.name, "feature_drift_limit", slice="weight")
        if r.partition == str(DAY)
    ]
    assert measured.value > max(1, limit.value)


def test_a_column_that_moves_every_day_does_not_stand_out(parcels: Parcels, run_job: RunJob) -> None:
    for n in range(1, 20):
        parcels.publish_day(DAY - timedelta(days=n), shift=2.0 * (-1) ** n)
    parcels.publish_day(DAY, shift=2.0)
    assert run_job(parcels, "monitor", DAY, "night").figures["suspected_columns"] == 0
    parcels.publish_day(DAY, shift=15.0)
    assert run_job(parcels, "monitor", DAY, "night").figures["suspected_columns"] == 1


def test_a_category_that_was_always_there_is_missed(parcels: Parcels, run_job: RunJob) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    for day in days:
        parcels.publish_day(day)
        table = parcels.lake.read(parcels.lake.need("features", str(day)))
        table = table.filter(pc.not_equal(table["carrier"], "slow"))
        parcels.lake.publish(parcels.lake.write_table("features", str(day), table, {}, "test"))
    record = run_job(parcels, "monitor", days[-1], "third")
    assert "slow gone" in record.sentence
    assert record.figures["drifted_columns"] == 1


def test_a_slice_whose_labels_turn_round_is_an_alarm_within_three_days(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, "monitoring: {minimum_slice_rows: 10}")
    parcels.publish_days(19)
    for day in range(1, 20):
        predict_day(parcels, date(2024, 1, day), spread=2.0)
    for day in (date(2024, 1, 17), date(2024, 1, 18), date(2024, 1, 19)):
        labels = parcels.lake.read(parcels.lake.need("labels", str(day)))
        carrier = parcels.lake.read(parcels.lake.need("features", str(day)))["carrier"]
        turned = pc.if_else(
            pc.fill_null(pc.equal(carrier, "fast"), False), pc.subtract(1, labels["late"]), labels["late"]
        )
        labels = labels.set_column(labels.column_names.index("late"), "late", turned)
        parcels.lake.publish(parcels.lake.write_table("labels", str(day), labels, {}, "test"))
    run_job(parcels, "monitor", "2024-01-04..2024-01-18", "before")  # the labels of a day are known two days later
    outcomes = {day: run_job(parcels, "monitor", date(2024, 1, day), f"night {day}").sentence for day in (19, 20, 21)}
    assert not any("relation" in outcomes[day] for day in (19, 20))
    assert "the label's relation to the features has changed (carrier=fast: excess log-loss +" in outcomes[21]


def test_another_versions_predictions_are_no_reference(parcels: Parcels, run_job: RunJob) -> None:
    for day in range(1, 10):
        predict_day(parcels, date(2024, 1, day), version="3")
    predict_day(parcels, DAY, version="4", spread=9.0)
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["prediction_drift"] is None
    for day in range(7, 10):
        predict_day(parcels, date(2024, 1, day), version="4", spread=0.1)
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["prediction_drift"] > 0.3  # type: ignore[operator]


def test_constant_and_empty_columns_do_not_stop_the_night(parcels: Parcels, run_job: RunJob) -> None:
    for day in (DAY - timedelta(days=2), DAY - timedelta(days=1), DAY):
        table = parcels.lake.read(parcels.lake.need("features", str(day)))
        rows = table.num_rows
        table = table.set_column(table.column_names.index("weight"), "weight", pa.nulls(rows, pa.float64()))
        table = table.set_column(table.column_names.index("distance"), "distance", pa.array([1.0] * rows))
        parcels.lake.publish(parcels.lake.write_table("features", str(day), table, {}, "test"))
    record = run_job(parcels, "monitor", DAY, "night")
    assert (record.figures["compared_columns"], record.figures["drifted_columns"]) == (3, 2)
    missing = parcels.ledger.figures(parcels.name, "missing_share", slice="weight")
    assert [row.value for row in missing] == [1.0]


def test_ten_rows_are_too_few_to_say_that_anything_moved(parcels: Parcels, run_job: RunJob) -> None:
    parcels.publish_day(DAY, rows=10, shift=3.0)
    record = run_job(parcels, "monitor", DAY, "night")
    assert "drift unknown: 10 rows" in record.sentence


def test_a_persons_wish_is_told_once_and_again_where_the_run_was_killed(parcels: Parcels, run_job: RunJob) -> None:
    parcels.ledger.request_training(parcels.name, "a new source", datetime.now(UTC))
    for _ in range(2):  # the second time stands for a task that is tried again
        record = run_job(parcels, "monitor", DAY, "night")
        assert record.figures["outcome"] == "fired"
        assert "training was asked for: a new source" in record.sentence
    [request] = parcels.ledger.requests(parcels.name)
    assert (request.reason, request.day, request.closed_at) == ("a new source", str(DAY), None)
    next_night = run_job(parcels, "monitor", DAY + timedelta(days=1), "next")
    assert next_night.figures["outcome"] == "suppressed"


def test_a_training_that_never_answered_is_asked_for_again_and_then_less_and_less_often(
    parcels: Parcels, run_job: RunJob
) -> None:
    declare(parcels, "triggers: {data: null, maximum_age_days: 6, budget: null}")
    fired = []
    for n in range(16):
        record = run_job(parcels, "monitor", DAY + timedelta(days=n), f"night-{n}")
        fired += [n] if record.figures["outcome"] == "fired" else []
    assert fired == [0, 2, 6, 14]
    assert [request.closed_by for request in parcels.ledger.requests(parcels.name)] == [None, "lost", "lost", "lost"]


def test_one_rejected_challenger_waits_a_cool_down_and_a_second_one_twice_as_long(
    parcels: Parcels, run_job: RunJob
) -> None:
    declare(parcels, "triggers: {data: null, maximum_age_days: 6}")

    def said(days: int) -> str:
        return run_job(parcels, "monitor", DAY + timedelta(days=days), f"night-{days}").sentence

    def rejected(training: str) -> None:
        parcels.ledger.close_request(parcels.name, training, datetime.now(UTC))
        refused = Verdict(Kind.GATE, Outcome.REFUSED, "refused: worse")
        parcels.ledger.record(parcels.name, "a version", training, refused, datetime.now(UTC))

    said(0)
    rejected("training-1")
    assert "the last training was 1 of 7 cool-down days ago" in said(1)
    assert "fired: version 4 was trained as of 2024-01-03, 14 days ago" in said(7)
    rejected("training-2")
    assert "the last 2 trainings changed nothing: 7 of 14 days of back-off" in said(14)
    assert "fired: version 4 was trained as of 2024-01-03, 28 days ago" in said(21)


def test_refused_labels_are_not_trained_on(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, "triggers: {data: null, maximum_age_days: 6}")
    manifest = parcels.lake.need("labels", str(MATURED))
    parcels.lake.store.remove(f"{parcels.name}/labels/{MATURED}/manifest.json")
    parcels.lake.quarantine(manifest, "late is 7, expected 0 or 1", {})
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["outcome"] == "suppressed"
    assert f"but labels of {MATURED} were refused (late is 7, expected 0 or 1)" in record.sentence


def test_labels_that_come_late_are_measured_when_they_come(parcels: Parcels, run_job: RunJob) -> None:
    days = [MATURED - timedelta(days=n) for n in (6, 5, 4)]
    for day in days:
        predict_day(parcels, day)
    gone = parcels.lake.need("labels", str(days[1]))
    parcels.lake.store.remove(f"{parcels.name}/labels/{days[1]}/manifest.json")
    run_job(parcels, "monitor", DAY, "night")
    assert sorted(figure(parcels, "log_loss")) == [str(days[0]), str(days[2])]
    parcels.lake.publish(gone)
    run_job(parcels, "monitor", DAY + timedelta(days=1), "next")
    assert sorted(figure(parcels, "log_loss")) == [str(day) for day in days]


def test_a_label_that_arrives_twice_counts_once(parcels: Parcels, run_job: RunJob) -> None:
    predict_day(parcels, MATURED)
    labels = parcels.lake.read(parcels.lake.need("labels", str(MATURED)))
    twice = pa.concat_tables([labels, labels])
    parcels.lake.publish(parcels.lake.write_table("labels", str(MATURED), twice, {}, "test"))
    run_job(parcels, "monitor", DAY, "night")
    assert figure(parcels, "rows") == {str(MATURED): labels.num_rows}


def test_a_new_category_is_counted_and_stops_nothing(parcels: Parcels, run_job: RunJob) -> None:
    table = parcels.lake.read(parcels.lake.need("features", str(DAY)))
    half = pa.array([n % 2 == 0 for n in range(table.num_rows)])
    carrier = pc.if_else(half, "brand new", table["carrier"])
    table = table.set_column(table.column_names.index("carrier"), "carrier", carrier)
    parcels.lake.publish(parcels.lake.write_table("features", str(DAY), table, {}, "test"))
    record = run_job(parcels, "monitor", DAY, "night")
    [unseen] = parcels.ledger.figures(parcels.name, "unseen_share", slice="carrier")
    assert unseen.value == pytest.approx(0.5, abs=0.03)
    assert record.figures["suspected_columns"] == 1


def test_a_week_without_data_does_not_stop_the_night_after_it(parcels: Parcels, run_job: RunJob) -> None:
    later = DAY + timedelta(days=8)
    parcels.publish_day(later)
    record = run_job(parcels, "monitor", later, "night")
    assert "0 of 3 columns drifted" in record.sentence
    assert "performance unknown" in record.sentence


def test_predictions_made_online_are_measured_apart_with_their_version(
    parcels: Parcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = predict_day(parcels, MATURED, version="3")
    asked = pd.DataFrame(
        {
            "key.parcel": [*list(said)[:50], next(iter(said))],
            "prediction": [*list(said.values())[:50], 0.5],
            "model_version": "4",
            "mirrored": [False] * 50 + [True],
        }
    )
    monkeypatch.setattr(RequestLog, "between", lambda self, start, end, columns: asked)
    run_job(parcels, "monitor", DAY, "night")
    [online] = parcels.ledger.figures(parcels.name, "rows", slice="requests")
    assert (online.version, online.value) == ("4", 50)
    [batch] = parcels.ledger.figures(parcels.name, "rows")
    assert batch.version == "3"


def test_a_day_scored_again_by_another_version_counts_once(parcels: Parcels, run_job: RunJob) -> None:
    predict_day(parcels, MATURED, version="3")
    run_job(parcels, "monitor", DAY, "night")
    predict_day(parcels, MATURED, version="4")
    run_job(parcels, "monitor", DAY, "night")
    assert {row.version for row in parcels.ledger.figures(parcels.name, "rows")} == {"4"}


def test_an_older_day_monitored_after_a_newer_one_asks_for_nothing(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, "triggers: {maximum_age_days: 6}")
    record = run_job(parcels, "monitor", date(2024, 1, 2), "backfill")
    assert record.figures["outcome"] == "suppressed"


def test_slices_and_gaps_between_groups_are_measured(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, "monitoring: {fairness: [carrier], minimum_slice_rows: 10}")
    predict_day(parcels, MATURED)
    run_job(parcels, "monitor", DAY, "night")
    bias = {
        name: parcels.ledger.figures(parcels.name, "bias", slice=f"carrier={name}")[0].value
        for name in ("fast", "slow", "other")
    }
    assert bias["slow"] > bias["fast"]  # those of the slow carrier are late more often than their weight says
    [gap] = parcels.ledger.figures(parcels.name, "gap_bias", slice="carrier")
    assert gap.value == pytest.approx(max(bias.values()) - min(bias.values()))


def test_what_the_model_expects_of_itself_is_held_against_what_came(parcels: Parcels, run_job: RunJob) -> None:
    said = predict_day(parcels, MATURED, spread=6.0)  # much too sure
    run_job(parcels, "monitor", DAY, "night")
    chances = np.clip(list(said.values()), 1e-7, 1 - 1e-7)
    entropy = -(chances * np.log(chances) + (1 - chances) * np.log(1 - chances)).mean()
    assert figure(parcels, "expected_log_loss")[str(MATURED)] == pytest.approx(entropy, rel=1e-3)
    assert figure(parcels, "excess_log_loss")[str(MATURED)] > 0.3


def test_a_day_without_labels_yet_has_an_estimate(parcels: Parcels, run_job: RunJob) -> None:
    said = predict_day(parcels, DAY, spread=2.0)
    run_job(parcels, "monitor", DAY, "night")
    assert figure(parcels, "mean_prediction")[str(DAY)] == pytest.approx(np.mean(list(said.values())))
    assert 0.7 < figure(parcels, "estimated_roc_auc")[str(DAY)] < 1
    assert str(DAY) not in figure(parcels, "log_loss")


def test_a_champion_beyond_its_largest_age_asks_for_a_training(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, "triggers: {data: null, maximum_age_days: 6}")
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["outcome"] == "fired"
    request = parcels.ledger.open_request(parcels.name)
    assert request is not None
    assert "trained as of 2024-01-03, 7 days ago; at most 6 are allowed" in request.reason
    verdict = parcels.ledger.verdicts(parcels.name, Kind.TRIGGER)[0]
    assert (verdict.subject, verdict.outcome) == (str(DAY), "fired")
