"""How rows and classes are weighed, and what a regression minimises: what is taken, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidewheel.spec.pipeline_file import SMALLEST, refusal, write
from tidewheel.spec import load_pipeline


def declared(training: str, task: str = "classification", more: str = "") -> str:
    return f"{SMALLEST}task: {task}\ntraining: {{{training}}}\n{more}"


def several(training: str) -> str:
    return declared(training, "multiclass").replace(
        "  column: returned\n", "  column: returned\n  classes: [a, b, c]\n"
    )


@pytest.mark.parametrize(
    "content",
    [
        declared("sample_weight: parcels, class_weight: balanced"),
        declared("class_weight: {0: 1, 1: 2.5}"),
        several("class_weight: {a: 1, b: 2, c: 3}"),
        declared("sample_weight: amount"),
    ],
    ids=["balanced", "by label", "by class", "a feature is a weight too"],
)
def test_weights_are_taken(tmp_path: Path, content: str) -> None:
    pipeline = load_pipeline(write(tmp_path, content))
    again = type(pipeline).model_validate_json(pipeline.model_dump_json(exclude={"decision"}))
    assert again == pipeline
    assert set(pipeline.feature_columns) == {"amount", *filter(None, [pipeline.training.sample_weight])}


@pytest.mark.parametrize(
    ("training", "metric"),
    [
        ("", "rmse"),
        ("loss: poisson", "poisson_deviance"),
        ("loss: quantile, quantile: 0.9", "pinball_loss"),
        ("loss: quantile, quantile: 0.9, estimator: xgboost", "pinball_loss"),
        ("loss: poisson, estimator: logistic_regression", "poisson_deviance"),
        ('loss: quantile, quantile: 0.5, estimator: "team.models:median"', "pinball_loss"),
    ],
)
def test_the_gate_compares_by_what_is_minimised(tmp_path: Path, training: str, metric: str) -> None:
    pipeline = load_pipeline(write(tmp_path, declared(training, "regression")))
    assert pipeline.metric == metric


def test_d2_is_a_floor_and_the_loss_a_ceiling(tmp_path: Path) -> None:
    gate = "gate: {floors: {d2: 0}, ceilings: {pinball_loss: 3}}\nalerts: {rules: [{when: coverage < 0.8}]}\n"
    load_pipeline(write(tmp_path, declared("loss: quantile, quantile: 0.9", "regression", gate)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (declared("sample_weight: returned"), "training.sample_weight: found 'returned'; it is the label, the key"),
        (declared("sample_weight: Amount"), "Amount and amount differ by case alone, which Spark takes for one column"),
        (declared("sample_weight: prediction"), "training.sample_weight: found 'prediction'; prediction: the platform"),
        (declared("class_weight: balanced", "regression"), "a regression has no classes; weigh rows with training.sam"),
        (declared("class_weight: {0: 1}"), "training.class_weight: 1 has no weight; expected a weight for each class"),
        (declared("class_weight: {0: 1, 1: 0}"), "training.class_weight.1: found 0; expected more than 0"),
        (declared("class_weight: {0: 1, 1: -2}"), "training.class_weight.1: found -2; expected more than 0"),
        (declared("class_weight: {0: 1, 1: .nan}"), "training.class_weight"),
        (declared("class_weight: {0: 1, 1: 2, 2: 3}"), "training.class_weight.2: found '2'; no class of the label"),
        (several("class_weight: {a: 1, b: 2, C: 3}"), "found 'C'; no class of the label; expected a, b, c"),
        (
            declared("class_weight: balanced, parameters: {class_weight: balanced}"),
            "training.class_weight sets it; leave one of them out",
        ),
        (declared("loss: poisson"), "only `task: regression` has a loss, and this is classification"),
        (declared("loss: quantile", "regression"), "expected the quantile to predict, for example 0.9"),
        (declared("quantile: 0.9", "regression"), "only `loss: quantile` has a quantile"),
        (declared("loss: quantile, quantile: 1", "regression"), "training.quantile"),
        (
            declared("loss: quantile, quantile: 0.9, estimator: random_forest", "regression"),
            "random_forest cannot minimise it; expected training.estimator to be hist_gradient_boosting or xgboost or "
            "lightgbm or catboost",
        ),
        (
            declared("loss: poisson, parameters: {loss: quantile}", "regression"),
            "training.parameters.loss: found 'quantile'; training.loss is poisson, which sets loss; leave it out",
        ),
        (
            declared("loss: quantile, quantile: 0.9", "regression", "gate: {metric: rmse}\n"),
            "rmse cannot judge a quantile; expected pinball_loss, d2",
        ),
        (
            declared("warm_start: {}, estimator: random_forest", "regression"),
            "random_forest cannot go on from a fitted model with other rows; expected training.estimator to be xgboost",
        ),
        (
            declared("warm_start: {rounds: 5}, search: {}, estimator: lightgbm", "regression"),
            "leave out one of training.search and training.warm_start",
        ),
        (declared("warm_start: {rounds: 0}, estimator: xgboost"), "training.warm_start.rounds"),
        (declared("", "regression", "gate: {metric: pinball_loss}\n"), "pinball_loss cannot judge a regression"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(tmp_path: Path, content: str, expected: str) -> None:
    assert expected in refusal(tmp_path, content)
