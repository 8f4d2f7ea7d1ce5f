"""The section `training` of a pipeline file: how a challenger is made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidewheel.spec.sections import CodeReference, Resources, Section


class Training(Section):
    """How a challenger is made."""

    estimator: Literal["hist_gradient_boosting", "logistic_regression", "random_forest", "xgboost"] | CodeReference = (
        Field(
            default="hist_gradient_boosting",
            description="a named estimator, or `module:function` that returns a scikit-learn estimator",
        )
    )
    parameters: dict[str, bool | int | float | str | None] = Field(
        default_factory=dict, description="passed to the estimator"
    )
    window_days: int | None = Field(
        default=None, ge=1, description="train on this many newest days; default: all history"
    )
    holdout_days: int = Field(default=7, ge=1, le=365, description="newest matured days kept for the gate")
    minimum_rows: int = Field(default=1000, ge=10, description="fewer training rows than this is refused")
    seed: int = Field(default=0, ge=0, description="seed of everything random")
    resources: Resources = Field(default_factory=Resources, description="what the training job may use")
