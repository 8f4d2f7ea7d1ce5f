"""A warm start adds rounds to a fitted model: it learns from other rows, and is kept and served like any model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline as Steps
from sklearn.preprocessing import FunctionTransformer

from jobs.models.contract import write_contract
from jobs.models.metrics import measure
from jobs.models.model_file import open_model
from jobs.models.prediction import predict
from jobs.packaging.compile import comparison_frame, compile_model
from jobs.training.fitting import TrainingRows, fit_rows
from jobs.training.going_on import Start, can_go_on
from tests.jobs.models.small_tasks import pipeline_of
from tests.jobs.training.test_weights import training_rows
from tests.named_estimators import marked
from tidewheel.errors import ModelRefused

FEW: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 10},
    "lightgbm": {"n_estimators": 10},
    "catboost": {"n_estimators": 10, "learning_rate": 0.2},
    "tabular_net": {"epochs": 5, "hidden": [32], "batch_size": 64, "learning_rate": 0.003},
}
NAMED = [marked(name) for name in FEW]


def log_loss(model: Any, rows: TrainingRows, task: str) -> float:
    return measure(rows.truth, predict(model, rows.frame, task), task)["log_loss"]


def turned() -> TrainingRows:
    """Rows whose labels depend on another column than before."""
    rows = training_rows()
    score = rows.frame["distance"] + np.random.default_rng(5).normal(size=len(rows.frame)) / 4
    return TrainingRows(rows.frame, (score > 1).to_numpy(dtype=float), rows.days)


@pytest.mark.parametrize("estimator", NAMED)
def test_more_rounds_on_other_rows_learn_what_these_say(estimator: str) -> None:
    pipeline = pipeline_of("classification", estimator=estimator, parameters=FEW[estimator])
    before, new = fit_rows(pipeline, training_rows()).model, turned()
    said = predict(before, new.frame, "classification")
    after = fit_rows(pipeline, new, start=Start("3", before, 40, 1)).model
    assert log_loss(after, new, "classification") < 0.7 * log_loss(before, new, "classification")
    assert np.array_equal(predict(before, new.frame, "classification"), said)


@pytest.mark.parametrize("task", ["classification", "multiclass"])
@pytest.mark.parametrize("estimator", NAMED)
def test_a_model_that_went_on_repeats_itself_is_kept_and_is_served_exactly(estimator: str, task: str) -> None:
    pipeline, rows = pipeline_of(task, estimator=estimator, parameters=FEW[estimator]), training_rows(task)
    start = Start("3", fit_rows(pipeline, rows).model, 5, 2)
    once, twice = (fit_rows(pipeline, rows, start=start).model for _ in range(2))
    said = predict(once, rows.frame, task)
    assert np.array_equal(predict(twice, rows.frame, task), said)
    assert not np.array_equal(predict(start.model, rows.frame, task), said)
    reopened = open_model(skops.io.dumps(once), estimator)
    assert np.array_equal(predict(reopened, rows.frame, task), said)
    contract = write_contract("small", pipeline.task, pipeline.features, rows.frame, once, pipeline.labels.classes)
    compiled = compile_model(once, contract, comparison_frame(contract, 300))
    assert compiled.format != "native", compiled.candidates


@pytest.mark.parametrize("estimator", NAMED)
def test_a_model_that_went_on_can_go_on_again(estimator: str) -> None:
    pipeline, rows = pipeline_of("classification", estimator=estimator, parameters=FEW[estimator]), training_rows()
    first = fit_rows(pipeline, rows).model
    losses = [log_loss(first, rows, "classification")]
    for number in (1, 2):
        first = fit_rows(pipeline, rows, start=Start(str(number), first, 10, number)).model
        losses.append(log_loss(first, rows, "classification"))
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("estimator", NAMED)
def test_the_weights_of_rows_count_in_further_rounds(estimator: str) -> None:
    pipeline, rows = pipeline_of("classification", estimator=estimator, parameters=FEW[estimator]), training_rows()
    heavy = TrainingRows(rows.frame, rows.truth, rows.days, np.where(rows.truth > 0, 9.0, 1.0))
    start = Start("1", fit_rows(pipeline, rows).model, 20, 1)
    plain, moved = (predict(fit_rows(pipeline, r, start=start).model, r.frame, "classification") for r in (rows, heavy))
    assert moved.mean() > 1.5 * plain.mean()


def stochastic_gradient() -> object:
    return SGDClassifier(loss="log_loss", eta0=0.01, learning_rate="constant")


def numbers_only(frame: Any) -> Any:
    return frame[["weight", "distance", "pressure"]]


def network() -> object:
    """One that cannot weigh rows in `partial_fit`."""
    return Steps([("numbers", FunctionTransformer(numbers_only)), ("network", Unweighted(tol=1.0, max_iter=500))])


class Unweighted(MLPRegressor):
    """A network of a team's own."""

    def partial_fit(self, rows: Any, truth: Any) -> Unweighted:
        """As its parent does, for rows that count the same."""
        return super().partial_fit(rows, truth)  # type: ignore[no-any-return]


def test_what_has_partial_fit_passes_over_the_rows_again() -> None:
    pipeline = pipeline_of("classification", estimator=f"{__name__}:stochastic_gradient")
    before, new = fit_rows(pipeline, training_rows()).model, turned()
    after = fit_rows(pipeline, new, start=Start("1", before, 20, 1)).model
    assert log_loss(after, new, "classification") < 0.7 * log_loss(before, new, "classification")


def test_rows_are_not_weighed_in_silence_by_what_cannot() -> None:
    pipeline, rows = pipeline_of("squared_error", estimator=f"{__name__}:network"), training_rows("squared_error")
    start = Start("1", fit_rows(pipeline, rows).model, 1, 1)
    heavy = TrainingRows(rows.frame, rows.truth, rows.days, np.ones(len(rows.truth)))
    with pytest.raises(
        ModelRefused, match="Unweighted cannot weigh rows: its partial_fit has no argument sample_weight"
    ):
        fit_rows(pipeline, heavy, start=start)


@pytest.mark.parametrize(
    ("estimator", "parameters", "can"),
    [
        ("xgboost", {}, True),
        ("xgboost", {"booster": "dart"}, False),
        ("hist_gradient_boosting", {}, False),
        ("random_forest", {"n_estimators": 2}, False),
    ],
)
def test_what_cannot_go_on_is_refused(estimator: str, parameters: dict[str, Any], can: bool) -> None:
    pipeline, rows = pipeline_of("classification", estimator=estimator, parameters=parameters), training_rows()
    model = fit_rows(pipeline, rows).model
    assert can_go_on(model) is can
    if not can:
        with pytest.raises(ModelRefused, match="cannot go on from a fitted model"):
            fit_rows(pipeline, rows, start=Start("1", model, 1, 1))
