"""The section `training` of a pipeline file: how a challenger is made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tidewheel.spec.losses import Loss, LossName
from tidewheel.spec.parameter import Parameter, ParameterKey
from tidewheel.spec.sections import CodeReference, Column, Section

Values = Annotated[list[Parameter], Field(min_length=1)]
EstimatorName = Literal[
    "hist_gradient_boosting", "logistic_regression", "random_forest", "xgboost", "lightgbm", "catboost", "tabular_net"
]
"""Estimators that a pipeline can name."""
LONGEST_DAYS = 36_500
"""A hundred years; further back than that no calendar of ours goes."""
LARGEST_SEED = 2**32 - 1
"""NumPy takes no larger one."""


class Range(Section):
    """Numbers that a parameter is drawn from."""

    low: float = Field(description="smallest value")
    high: float = Field(description="largest value")
    log: bool = Field(default=False, description="draw the logarithm evenly, for values that span powers of ten")
    whole: bool = Field(default=False, description="whole numbers only")

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low:g}, which is not below high, {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}, but only numbers above 0 have a logarithm")
        for name, value in (("low", self.low), ("high", self.high)):
            if self.whole and not value.is_integer():
                raise ValueError(f"{name} is {value:g}, but `whole: true` requires whole numbers")
        return self


class Search(Section):
    """How better parameters are looked for, each time a challenger is trained."""

    trials: int = Field(default=20, ge=2, le=1000, description="parameters tried, beside those of the declaration")
    minutes: float | None = Field(
        default=None, gt=0, description="no new trial begins after this time; default: as long as it takes"
    )
    validation_days: int = Field(default=7, ge=1, le=90, description="days of one fold, judged by what came before")
    folds: int = Field(default=3, ge=1, le=10, description="folds, one after the other at the end of the training days")
    space: dict[str, Range | Values] = Field(
        default_factory=dict,
        description="parameter to a range or a list of values, each of which may be a list or a mapping; default: a "
        "space of the named estimator's own",
        examples=[{"learning_rate": {"low": 0.02, "high": 0.2, "log": True}, "max_leaf_nodes": [15, 31, 63]}],
    )


class WarmStart(Section):
    """How a training goes on from the champion instead of fitting from nothing."""

    rounds: int = Field(
        default=50, ge=1, le=10_000, description="rounds of boosting that are added, or passes over the training rows"
    )
    in_a_row: int = Field(
        default=3, ge=1, le=1000, description="warm starts after each other; the next training fits from nothing"
    )


class Training(Section):
    """How a challenger is made."""

    estimator: EstimatorName | CodeReference = Field(
        default="hist_gradient_boosting",
        description="a named estimator, or `module:function` that returns a scikit-learn estimator",
    )
    parameters: dict[str, Parameter] = Field(
        default_factory=dict,
        description="passed to the estimator; lists and mappings too. A key of a mapping that is written as a whole "
        "number is one, so {0: 1, 1: 5} weighs the labels 0 and 1",
        examples=[{"class_weight": {0: 1, 1: 5}}],
    )
    loss: LossName = Field(
        default="squared_error",
        description="regression: what is minimised, and which figure judges. squared_error: the mean is predicted; "
        "poisson: the mean of counts or other labels of 0 or more, judged by the Poisson deviance; quantile: the "
        "quantile below, judged by the pinball loss. An estimator of your own minimises what it likes: this names its "
        "figures",
    )
    quantile: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="of `loss: quantile`: share of the labels that lie at or below a perfect prediction; 0.5 is the "
        "median",
    )
    sample_weight: Column | None = Field(
        default=None,
        description="numeric column that the transform returns beside the features: how much a row counts, 0 or more, "
        "in every fit and in the figures that judge. No model sees it, unless it is a feature as well; default: all "
        "rows count the same",
        examples=["number_of_parcels"],
    )
    class_weight: Literal["balanced"] | dict[ParameterKey, float] | None = Field(
        default=None,
        description="how much the rows of a class count in every fit, beside their sample weights; no figure is "
        "weighted by it. balanced: all classes count the same; or a positive weight for each class (0 and 1 for "
        "classification)",
        examples=["balanced", {0: 1, 1: 5}],
    )
    search: Search | None = Field(
        default=None, description="look for better parameters before fitting; null: take those declared"
    )
    warm_start: WarmStart | None = Field(
        default=None,
        description="go on from the champion's model, which costs a part of a fit; the gate judges it like any other. "
        "From nothing all the same after an alarm, after a warm start that did not become champion, and where the "
        "champion is gone or has other features, classes or parameters. null: always from nothing",
        examples=[{"rounds": 30, "in_a_row": 3}],
    )
    window_days: int | None = Field(
        default=None, ge=1, le=LONGEST_DAYS, description="train on this many newest days; default: all history"
    )
    holdout_days: int = Field(
        default=7,
        ge=1,
        le=365,
        description="newest matured days reserved for the gate; twice as many after each challenger in a row that was "
        "refused though it may have been better, up to four times as many",
    )
    alarm_holdout_days: int = Field(
        default=5,
        ge=1,
        le=365,
        description="as many, where an alarm called for the training: what is wrong lies in the newest days, so the "
        "new model needs them, and fewer tell it from a champion that fails. Never more than holdout_days, never fewer "
        "than gate.minimum_days",
    )
    refit: Literal["never", "when_it_pays", "always"] = Field(
        default="when_it_pays",
        description="fit a second time, through the newest matured day: the gate judges the first fit on the holdout, "
        "and the second one, of the same declaration, serves. when_it_pays: where the holdout has a quarter of the "
        "training rows or more, as young models learn fastest, or is longer than holdout_days. always makes long "
        "holdouts cost no freshness, and doubles the fits",
    )
    minimum_rows: int = Field(default=1000, ge=10, description="fewer training rows than this is refused")
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="seed of everything random")

    @property
    def minimised(self) -> Loss:
        """What a regression minimises; of no meaning for other tasks."""
        return Loss(self.loss, self.quantile or 0.5)

    @model_validator(mode="after")
    def _own_estimators_bring_their_space(self) -> Training:
        if self.search and not self.search.space and ":" in self.estimator:
            raise ValueError(f"search.space is empty; only you know which parameters {self.estimator} takes")
        return self
