"""A row of weight 3 counts as three rows, in every figure and in every comparison."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from jobs.evaluation.comparison import PairedRows, ScoredRows, figure_interval, loss_difference
from jobs.models.calibration import calibration_error
from jobs.models.figures import all_figures
from jobs.models.paired_losses import PairedAnswers, paired_day
from jobs.models.prediction import Array
from jobs.models.recalibration import fit_line
from jobs.models.row_weights import weighted_by_day, weights_of
from tests.jobs.models.small_tasks import LOSSES, Answers, answers, pipeline_of
from tidewheel.spec import Pipeline

DAY = date(2024, 1, 1)


@pytest.fixture(params=LOSSES)
def drawn(request: pytest.FixtureRequest) -> Answers:
    return answers(request.param)


def test_a_weight_counts_as_so_many_rows_in_every_figure(drawn: Answers) -> None:
    weighted = all_figures(drawn.truth, drawn.ours, drawn.pipeline, drawn.weights)
    repeated = all_figures(drawn.repeated(drawn.truth), drawn.repeated(drawn.ours), drawn.pipeline)
    plain = all_figures(drawn.truth, drawn.ours, drawn.pipeline)

    assert weighted == pytest.approx(repeated)
    assert all(weighted[name] != pytest.approx(plain[name]) for name in weighted)


def test_so_it_does_in_the_comparison_of_two_models_and_in_intervals(drawn: Answers) -> None:
    metric, loss = drawn.pipeline.metric, drawn.pipeline.loss
    days, how = drawn.days, {"confidence": 0.9, "seed": 0}
    weighted = PairedRows(metric, drawn.truth, drawn.ours, drawn.theirs, days, drawn.weights, loss)
    parts = (drawn.repeated(part) for part in (drawn.truth, drawn.ours, drawn.theirs))
    repeated = PairedRows(metric, *parts, drawn.repeated_days, loss=loss)
    assert loss_difference(weighted, **how) == pytest.approx(loss_difference(repeated, **how))
    for name in all_figures(drawn.truth, drawn.ours, drawn.pipeline):
        if name == "pr_auc":  # its draws put rows into bins by rank
            continue
        low, high = figure_interval(name, ScoredRows(drawn.truth, drawn.ours, days, drawn.weights, loss), **how)
        truth, said = drawn.repeated(drawn.truth), drawn.repeated(drawn.ours)
        again = ScoredRows(truth, said, drawn.repeated_days, loss=loss)
        assert (low, high) == pytest.approx(figure_interval(name, again, **how)), name
        assert low < high, name


def test_auc_counts_pairs_by_both_weights() -> None:
    drawn = answers("classification")
    rows = PairedRows("roc_auc", drawn.truth, drawn.ours, drawn.theirs, drawn.days, drawn.weights)
    found = loss_difference(rows, confidence=0.9, seed=0)
    ours, theirs = (
        all_figures(drawn.truth, said, drawn.pipeline, drawn.weights)["roc_auc"] for said in (drawn.ours, drawn.theirs)
    )
    assert found[0] == pytest.approx(theirs - ours)


def test_rows_of_weight_0_are_not_there(drawn: Answers) -> None:
    some = np.arange(len(drawn.truth)) % 2 == 0
    nothing = all_figures(drawn.truth, drawn.ours, drawn.pipeline, np.where(some, 1.0, 0.0))
    without = all_figures(drawn.truth[some], drawn.ours[some], drawn.pipeline)
    assert nothing == pytest.approx(without)
    unknown = all_figures(drawn.truth, drawn.ours, drawn.pipeline, np.zeros(len(drawn.truth)))
    assert all(np.isnan(value) for value in unknown.values())


def test_a_day_on_probation_is_a_weighted_mean_with_an_error_that_knows_it(drawn: Answers) -> None:
    metric, loss = drawn.pipeline.metric, drawn.pipeline.loss
    three = (drawn.truth, drawn.ours, drawn.theirs)
    found = paired_day(DAY, metric, PairedAnswers(*three, drawn.weights), loss)
    repeated = paired_day(DAY, metric, PairedAnswers(*map(drawn.repeated, three)), loss)
    equal = paired_day(DAY, metric, PairedAnswers(*three, np.full(len(drawn.truth), 7.0)), loss)
    plain = paired_day(DAY, metric, PairedAnswers(*three), loss)
    assert found
    assert repeated
    assert equal
    assert plain
    assert (found.loss, found.predecessor_loss) == pytest.approx((repeated.loss, repeated.predecessor_loss))
    assert found.rows == len(drawn.truth)
    assert found.row_error > repeated.row_error  # a row of weight 3 is one observation, not three
    assert equal.row_error == pytest.approx(plain.row_error)
    assert paired_day(DAY, metric, PairedAnswers(*three, np.zeros(len(drawn.truth))), loss) is None


@pytest.mark.parametrize("task", ["classification", "squared_error"])
def test_what_predictions_mean_is_what_they_mean_to_the_weighted_rows(task: str) -> None:
    drawn = answers(task)
    kind = drawn.pipeline.task
    line = fit_line(drawn.truth, drawn.ours, kind, drawn.days, drawn.weights)
    repeated = fit_line(drawn.repeated(drawn.truth), drawn.repeated(drawn.ours), kind, drawn.repeated_days)
    equal = fit_line(drawn.truth, drawn.ours, kind, drawn.days, np.full(len(drawn.truth), 7.0))
    assert (line.intercept, line.slope) == pytest.approx((repeated.intercept, repeated.slope), rel=0.05)
    assert equal == pytest.approx(fit_line(drawn.truth, drawn.ours, kind, drawn.days))


def test_calibration_is_of_the_weighted_rates() -> None:
    truth, said = np.array([1.0, 0.0] * 50), np.full(100, 0.75)
    assert calibration_error(truth, said, bins=1) == pytest.approx(0.25)
    assert calibration_error(truth, said, bins=1, weights=np.array([3.0, 1.0] * 50)) == pytest.approx(0)


def test_losses_day_by_day_have_the_weighted_mean() -> None:
    losses, weights = [np.array([1.0, 2.0]), np.array([4.0])], [np.array([1.0, 3.0]), np.array([0.5])]
    found = np.concatenate(weighted_by_day(losses, weights))
    assert found.mean() == pytest.approx(np.average([1, 2, 4], weights=[1, 3, 0.5]))
    assert np.concatenate(weighted_by_day(losses, [None, None])).tolist() == [1, 2, 4]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([1.0, 3.0, None], [1, 3, 2]),
        ([0.0, 4.0, 2.0], [0, 4, 2]),
        ([None, None, None], None),
        ([0.0, 0.0, 0.0], None),
    ],
    ids=["a row without a weight is an average one", "all are known", "none is known", "none counts"],
)
def test_weights_of_rows(found: list[float | None], expected: list[float] | None) -> None:
    pipeline = pipeline_of("classification", sample_weight="parcels")
    weights = weights_of(pd.DataFrame({"parcels": found}, dtype="float64"), pipeline)
    assert (None if weights is None else weights.tolist()) == expected


def test_without_the_column_rows_count_the_same() -> None:
    rows: pd.DataFrame = pd.DataFrame({"parcels": [1.0, 2.0]})
    named: Pipeline = pipeline_of("classification", sample_weight="other")
    assert weights_of(rows, named) is None
    unnamed: Array | None = weights_of(rows, pipeline_of("classification"))
    assert unnamed is None
