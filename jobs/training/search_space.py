"""Where a search looks: the pipeline's own space, or one that suits the named estimator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from tidewheel.spec.parameter import Parameter
from tidewheel.spec.training import Range

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    from tidewheel.spec.training import Training

SPACES: Mapping[str, Mapping[str, Range]] = {
    "hist_gradient_boosting": {
        "learning_rate": Range(low=0.02, high=0.2, log=True),
        "max_iter": Range(low=50, high=400, log=True, whole=True),
        "max_leaf_nodes": Range(low=7, high=63, log=True, whole=True),
        "min_samples_leaf": Range(low=20, high=1000, log=True, whole=True),
        "l2_regularization": Range(low=0.1, high=100, log=True),
        "max_features": Range(low=0.2, high=1.0),
    },
    "xgboost": {
        "learning_rate": Range(low=0.02, high=0.2, log=True),
        "n_estimators": Range(low=50, high=400, log=True, whole=True),
        "max_depth": Range(low=3, high=9, whole=True),
        "min_child_weight": Range(low=1, high=200, log=True),
        "reg_lambda": Range(low=0.1, high=100, log=True),
        "colsample_bytree": Range(low=0.2, high=1.0),
    },
    "lightgbm": {
        "learning_rate": Range(low=0.02, high=0.2, log=True),
        "n_estimators": Range(low=50, high=400, log=True, whole=True),
        "num_leaves": Range(low=7, high=63, log=True, whole=True),
        "min_child_samples": Range(low=20, high=1000, log=True, whole=True),
        "reg_lambda": Range(low=0.1, high=100, log=True),
        "colsample_bytree": Range(low=0.2, high=1.0),
    },
    "catboost": {
        "learning_rate": Range(low=0.02, high=0.2, log=True),
        "n_estimators": Range(low=100, high=1000, log=True, whole=True),
        "depth": Range(low=4, high=8, whole=True),
        "l2_leaf_reg": Range(low=1, high=100, log=True),
    },
    "tabular_net": {
        "learning_rate": Range(low=0.0003, high=0.01, log=True),
        "epochs": Range(low=5, high=40, log=True, whole=True),
        "dropout": Range(low=0.0, high=0.5),
        "weight_decay": Range(low=0.000001, high=0.01, log=True),
    },
    "random_forest": {
        "max_depth": Range(low=6, high=18, whole=True),
        "min_samples_leaf": Range(low=5, high=200, log=True, whole=True),
        "max_features": Range(low=0.1, high=0.8),
    },
    "logistic_regression": {"C": Range(low=0.001, high=100, log=True)},
}
REGRESSION_NAMES = {"logistic_regression": {"C": "alpha"}}
"""Where the regressor of a family calls a parameter otherwise."""


_JSON = "json:"
_PARAMETERS: TypeAdapter[dict[str, Parameter]] = TypeAdapter(dict[str, Parameter])


def extremes(training: Training, task: str) -> dict[str, list[Any]]:
    """What a search may draw at the ends of its space, by parameter: low and high, or each choice.

    Args:
        training: estimator and search.
        task: kind of label.
    """
    space = distributions(training, task)
    return {
        name: [as_declared({name: one})[name] for one in values.choices]
        if hasattr(values, "choices")
        else [values.low, values.high]
        for name, values in space.items()
    }


def first_values(training: Training, task: str) -> dict[str, Any]:
    """One value of each parameter that a search would draw, to see whether the estimator takes them at all.

    Args:
        training: estimator and search.
        task: kind of label.
    """
    return {name: values[0] for name, values in extremes(training, task).items()}


def as_drawn(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as Optuna keeps them: it compares choices, and wants a list or a mapping as text."""
    return {
        name: _JSON + json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value
        for name, value in parameters.items()
    }


def as_declared(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as an estimator takes them, from what Optuna has drawn."""
    return _PARAMETERS.validate_python(
        {
            name: json.loads(value.removeprefix(_JSON)) if isinstance(value, str) and value.startswith(_JSON) else value
            for name, value in drawn.items()
        }
    )


def distributions(
    training: Training, task: str
) -> dict[str, FloatDistribution | IntDistribution | CategoricalDistribution]:
    """The space as Optuna takes it.

    Args:
        training: estimator and search.
        task: kind of label.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    names = REGRESSION_NAMES.get(training.estimator, {}) if task == "regression" else {}
    default = {names.get(name, name): declared for name, declared in SPACES.get(training.estimator, {}).items()}
    space = (training.search.space if training.search else {}) or default
    drawn: dict[str, FloatDistribution | IntDistribution | CategoricalDistribution] = {}
    for name, declared in space.items():
        if not isinstance(declared, Range):
            drawn[name] = CategoricalDistribution([as_drawn({name: one})[name] for one in declared])
        elif declared.whole:
            drawn[name] = IntDistribution(round(declared.low), round(declared.high), log=declared.log)
        else:
            drawn[name] = FloatDistribution(declared.low, declared.high, log=declared.log)
    return drawn
