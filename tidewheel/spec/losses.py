"""What a regression minimises, and the figures that belong to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tidewheel.spec.mistake import Mistake

if TYPE_CHECKING:
    from tidewheel.spec.pipeline import Pipeline
    from tidewheel.spec.training import Training

LossName = Literal["squared_error", "poisson", "quantile"]
METRIC: dict[LossName, str] = {
    "squared_error": "rmse",
    "poisson": "poisson_deviance",
    "quantile": "pinball_loss",
}
"""The figure that the gate compares by default."""
FIGURES: dict[LossName, tuple[str, ...]] = {
    "squared_error": (),
    "poisson": ("poisson_deviance", "d2"),
    "quantile": ("pinball_loss", "d2", "coverage"),
}
"""Figures that a regression has beside those of every regression."""
_BOOSTERS = ("xgboost", "lightgbm", "catboost")
_EVERY = ("hist_gradient_boosting", "logistic_regression", "random_forest", *_BOOSTERS, "tabular_net")
ESTIMATORS: dict[LossName, tuple[str, ...]] = {
    "squared_error": _EVERY,
    "poisson": _EVERY,
    "quantile": ("hist_gradient_boosting", *_BOOSTERS, "tabular_net"),
}
"""Named estimators that can minimise it."""
SET_BY_LOSS: dict[str, tuple[str, ...]] = {
    "hist_gradient_boosting": ("loss", "quantile"),
    "random_forest": ("criterion",),
    "xgboost": ("objective", "quantile_alpha"),
    "lightgbm": ("objective", "alpha"),
    "catboost": ("loss_function",),
    "tabular_net": ("loss", "quantile"),
}
"""Parameters of a named estimator that follow from `training.loss`."""


@dataclass(frozen=True)
class Loss:
    """What a regression minimises.

    Attributes:
        name: of the loss.
        quantile: share of the labels that lie at or below a perfect prediction; of the quantile loss only.
    """

    name: LossName = "squared_error"
    quantile: float = 0.5

    @property
    def figures(self) -> tuple[str, ...]:
        """Figures that predictions have beside those of every regression."""
        return FIGURES[self.name]


SQUARED_ERROR = Loss()


def metrics_of(pipeline: Pipeline, of_task: tuple[str, ...]) -> tuple[str, ...]:
    """Figures that can judge a pipeline's models.

    Args:
        pipeline: names the loss.
        of_task: figures that can judge any model of its task.

    Returns:
        For a quantile those of its loss alone: RMSE, MAE and R² are smallest for a mean or a median.
    """
    own = tuple(name for name in pipeline.loss.figures if name != "coverage")
    return own if pipeline.loss.name == "quantile" else (*of_task, *own)


def loss_mistakes(pipeline: Pipeline) -> Iterator[Mistake]:
    """A loss that the task, the estimator or its parameters contradict.

    Args:
        pipeline: the declaration, as far as it is checked.
    """
    training, key = pipeline.training, ("training", "loss")
    if pipeline.task != "regression":
        if training.loss != "squared_error" or training.quantile is not None:
            wrong = f"only `task: regression` has a loss, and this is {pipeline.task}"
            yield Mistake(key, f"found {training.loss!r}", wrong)
        return
    if training.loss == "quantile" and training.quantile is None:
        yield Mistake(("training", "quantile"), "", "is missing: expected the quantile to predict, for example 0.9")
    if training.loss != "quantile" and training.quantile is not None:
        yield Mistake(("training", "quantile"), f"found {training.quantile:g}", "only `loss: quantile` has a quantile")
    able = ESTIMATORS[training.loss]
    if training.estimator not in able and ":" not in training.estimator:
        yield Mistake(
            key,
            f"found {training.loss!r}",
            f"{training.estimator} cannot minimise it; expected training.estimator to be {' or '.join(able)}",
        )
    if training.loss != "squared_error":
        yield from _set_twice(training)


def _set_twice(training: Training) -> Iterator[Mistake]:
    ours = SET_BY_LOSS.get(training.estimator, ())
    for name in (name for name in ours if name in training.parameters):
        yield Mistake(
            ("training", "parameters", name),
            f"found {training.parameters[name]!r}",
            f"training.loss is {training.loss}, which sets {name}; leave it out",
        )
    for name in (name for name in ours if training.search and name in training.search.space):
        wrong = f"training.loss is {training.loss}, which sets {name}: it cannot be searched for"
        yield Mistake(("training", "search", "space", name), "", wrong)
