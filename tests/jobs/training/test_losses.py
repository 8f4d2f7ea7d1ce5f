"""Models of counts and of quantiles: fitted by name, kept as skops, served exactly, better than a constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jobs.models.contract import write_contract
from jobs.models.metrics import measure
from jobs.models.model_file import open_model
from jobs.models.prediction import predict
from jobs.packaging.compile import TOLERANCE, comparison_frame, compile_model
from jobs.training.fitting import TrainingRows, fit_rows
from tests.jobs.models.small_tasks import pipeline_of
from tests.jobs.training.test_weights import SMALL, training_rows
from tests.named_estimators import needs_torch
from tidewheel.spec.losses import ESTIMATORS

NAMED = [
    pytest.param(loss, name, marks=[needs_torch] if name == "tabular_net" else [])
    for loss in ("poisson", "quantile")
    for name in ESTIMATORS[loss]
]


def counts() -> TrainingRows:
    """Parcels a day, more of them where weight is high."""
    rows = training_rows("squared_error")
    mean = np.exp(0.6 * rows.frame["weight"].to_numpy())
    return TrainingRows(rows.frame, np.random.default_rng(1).poisson(mean).astype(float), rows.days)


@pytest.mark.parametrize(("loss", "estimator"), NAMED)
def test_a_named_estimator_minimises_the_loss_and_is_served_exactly(loss: str, estimator: str) -> None:
    import skops.io

    rows, parameters = counts(), {**SMALL[estimator]}
    if estimator in ("hist_gradient_boosting", "xgboost", "lightgbm", "catboost"):
        parameters |= {next(iter(parameters)): 40}
    pipeline = pipeline_of(loss, estimator=estimator, parameters=parameters)
    model = fit_rows(pipeline, rows).model
    said = predict(model, rows.frame, "regression")
    figures = measure(rows.truth, said, "regression", loss=pipeline.loss)

    assert figures["d2"] > 0.1
    if loss == "poisson":
        assert (said > 0).all()
        assert said.mean() == pytest.approx(rows.truth.mean(), rel=0.05)
    else:
        assert figures["coverage"] == pytest.approx(0.8, abs=0.05)
    reopened = open_model(skops.io.dumps(model), estimator)
    assert np.array_equal(predict(reopened, rows.frame, "regression"), said)

    contract = write_contract("small", "regression", pipeline.features, rows.frame, model)
    served = compile_model(model, contract, comparison_frame(contract, 500))
    assert served.max_difference <= TOLERANCE
    assert served.format != "native"


def test_weights_and_a_loss_go_together() -> None:
    rows = counts()
    heavy = TrainingRows(rows.frame, rows.truth, rows.days, np.where(rows.truth > 2, 5.0, 1.0))
    pipeline = pipeline_of("poisson", estimator="logistic_regression")
    plain, moved = (predict(fit_rows(pipeline, r).model, r.frame, "regression").mean() for r in (rows, heavy))
    assert moved > 1.2 * plain


@pytest.mark.parametrize("loss", ["poisson", "quantile"])
def test_a_parameter_of_the_estimator_goes_beside_the_loss(loss: str) -> None:
    parameters: dict[str, Any] = {"max_iter": 3, "learning_rate": 0.5}
    model = fit_rows(pipeline_of(loss, parameters=parameters), counts()).model
    assert model[-1].get_params()["loss"] == loss
    assert model[-1].get_params()["learning_rate"] == 0.5
