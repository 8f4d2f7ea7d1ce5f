"""What a night measures of matured days: each against its own labels, nothing counted twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs.data.request_log import RequestLog
from jobs.models.metrics import measure
from tests.jobs.monitoring.conftest import DAY, MATURED, declare, figure, predict_day
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
FURTHER = {"expected_cost", "f1", "pr_auc", "accuracy"}


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
    assert record.figures["outcome"] == "no_action"


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


def test_answers_about_rows_of_other_days_are_counted_and_not_measured(
    parcels: Parcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = predict_day(parcels, MATURED, version="3")
    parcels.publish_day(MATURED, unlabelled=30)
    days_rows, tomorrows = list(said), [f"{DAY}-{n:05}" for n in range(7)]
    asked = pd.DataFrame(
        {"key.parcel": [days_rows[0], days_rows[-1], *tomorrows], "prediction": 0.5, "model_version": "4"}
    ).assign(mirrored=False)
    asked.loc[8, "model_version"] = "5"
    monkeypatch.setattr(RequestLog, "between", lambda self, start, end, columns: asked)
    sentence = run_job(parcels, "monitor", DAY, "night").sentence
    requests = {
        (row.version, name): row.value
        for name in ("rows", "labelled_share", "elsewhere")
        for row in parcels.ledger.figures(parcels.name, name, slice="requests")
    }
    # one of the two rows of the day has a label
    assert requests == {
        ("4", "rows"): 1, ("4", "labelled_share"): 0.5, ("4", "elsewhere"): 6, ("5", "rows"): 0, ("5", "elsewhere"): 1,
    }  # fmt: skip
    assert "7 answers given online that day are about rows of other days" in sentence


def test_a_day_scored_again_by_another_version_counts_once(parcels: Parcels, run_job: RunJob) -> None:
    predict_day(parcels, MATURED, version="3")
    run_job(parcels, "monitor", DAY, "night")
    predict_day(parcels, MATURED, version="4")
    run_job(parcels, "monitor", DAY, "night")
    assert {row.version for row in parcels.ledger.figures(parcels.name, "rows")} == {"4"}


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


def land_sexes(parcels: Parcels, day: date) -> None:
    """Publish landed rows of a day that name a sex; two keys are there twice, the last of which counts."""
    keys = parcels.lake.read(parcels.lake.need("features", str(day)), ["parcel"])["parcel"].to_pylist()
    sexes = ["f" if n % 3 else "m" for n in range(len(keys))]
    table = pa.table({"parcel": [*keys[:2], *keys], "sex": ["?", "?", *sexes]})
    parcels.lake.publish(parcels.lake.write_table("landing", str(day), table, {}, "test"))


def test_groups_of_a_column_that_is_no_feature_and_of_two_columns_are_compared(
    parcels: Parcels, run_job: RunJob
) -> None:
    declare(parcels, "monitoring: {fairness: [sex, [carrier, sex], country], minimum_slice_rows: 10}")
    declare(parcels, "decision: {threshold: 0.6, costs: {false_positive: 1, false_negative: 3}}")
    said = predict_day(parcels, MATURED)
    land_sexes(parcels, MATURED)
    run_job(parcels, "monitor", DAY, "night")
    chosen = {sex: [said[key] >= 0.6 for n, key in enumerate(said) if (n % 3 > 0) == (sex == "f")] for sex in "fm"}
    rates = {sex: np.mean(values) for sex, values in chosen.items()}

    def stored(name: str, slice: str) -> float:
        [row] = parcels.ledger.figures(parcels.name, name, slice=slice)
        return float(row.value)

    assert stored("selection_rate", "sex=f") == pytest.approx(rates["f"])
    assert stored("gap_selection_rate", "sex") == pytest.approx(abs(rates["f"] - rates["m"]))
    assert stored("gap_selection_rate_low", "sex") < 0 < stored("gap_selection_rate_high", "sex")
    assert stored("gap_recall", "sex") == pytest.approx(stored("gap_false_negative_rate", "sex"))
    assert stored("groups_compared", "carrier & sex") > 3
    assert {
        row.name for row in parcels.ledger.figures_of_days(parcels.name, str(MATURED), str(MATURED), FURTHER)
    } == FURTHER
    kept = json.loads(parcels.lake.store.read(f"{parcels.name}/reports/{MATURED}/performance.json") or b"")
    groups = {(one["column"], one["figure"]): one for one in kept["groups"]}
    assert set(groups["sex", "bias"]["groups"]) == {"f", "m"}
    assert "(missing) & f" in groups["carrier & sex", "bias"]["too_small"]
    assert groups["country", "bias"]["missing"] == "country"


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
