"""The section `gate` of a pipeline file: what a challenger must show to become champion."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidewheel.spec.groups import Groups, group_columns
from tidewheel.spec.sections import Column, Section


class SliceRules(Section):
    """How a challenger is held against the champion in parts of the rows."""

    columns: list[Column] = Field(
        min_length=1,
        description="categorical feature columns; each of their values is a slice. For multiclass also the label "
        "column: then each class is one",
    )
    margin: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="a slice where the challenger is worse by more than this share of the champion's figure, with the "
        "gate's confidence (Holm's correction over all slices), refuses it",
    )
    minimum_rows: int = Field(
        default=200, ge=10, description="a slice with fewer holdout rows is inconclusive, never passed"
    )
    undecided: Literal["report", "hold"] = Field(
        default="report",
        description="a slice that shows neither harm nor its absence is named in the verdict; hold: then the verdict "
        "is inconclusive, and the champion stays",
    )


Compared = Literal[
    "mean_prediction", "bias", "log_loss", "brier", "roc_auc", "rmse", "mae", "selection_rate", "recall",
    "false_positive_rate", "false_negative_rate",
]  # fmt: skip


class FairnessLimit(Section):
    """How far apart groups of rows may be."""

    column: Groups = Field(
        description="a categorical feature or any other column of the landed rows; each of its values is a group. Two "
        "columns in a list: each combination of their values is one"
    )
    figure: Compared = Field(
        default="bias",
        description="what is compared between groups: the mean prediction, how far it lies above the mean of the "
        "labels (bias), a figure of the task, or of the decisions at decision.threshold: selection_rate (demographic "
        "parity), recall (equal opportunity), false_positive_rate, false_negative_rate",
    )
    maximum_gap: float = Field(gt=0, description="largest allowed difference between the highest and the lowest group")
    minimum_rows: int = Field(
        default=200,
        ge=10,
        description="groups with fewer holdout rows beneath the figure are left out, by name; for recall and "
        "false_negative_rate these are positive rows, for false_positive_rate negative ones",
    )


Floor = Literal["roc_auc", "pr_auc", "accuracy", "precision", "recall", "macro_f1", "macro_recall", "f1", "r2", "d2"]
Ceiling = Literal["log_loss", "brier", "expected_cost", "rmse", "mae", "mape", "poisson_deviance", "pinball_loss"]


class Gate(Section):
    """What a challenger must show to become champion."""

    mode: Literal["probation", "before"] | None = Field(
        default=None,
        description="before: the newest days are held out (training.holdout_days), and a challenger is promoted when "
        "it is shown to be no worse there. probation: a challenger learns from all days and is promoted when it keeps "
        "the absolute limits and is not shown to be worse on days it has learned from; then its predecessor is "
        "compared with it on the same rows every night, and returns when the new version is shown to be worse. "
        "Default: probation where labels are known within 14 days and rule is non_inferior, before elsewhere",
    )
    metric: Literal["log_loss", "brier", "roc_auc", "rmse", "mae", "poisson_deviance", "pinball_loss"] | None = Field(
        default=None,
        description="figure compared; default log_loss for classification and multiclass; for regression rmse, or "
        "the figure of training.loss: poisson_deviance for poisson, pinball_loss for quantile",
    )
    rule: Literal["non_inferior", "superior"] = Field(
        default="non_inferior",
        description="non_inferior: with confidence not worse than the champion by more than the margin; superior: with "
        "confidence better",
    )
    margin: float = Field(
        default=0.08,
        ge=0,
        lt=1,
        description="non-inferiority: the challenger may be worse than the champion by at most this share of the "
        "champion's figure, with confidence (0.08 allows a log-loss of 0.54 against 0.5). A week of days bounds a "
        "difference no closer than that: of challengers exactly as good, 0.03 refuses every second one, and the model "
        "grows old. With a longer holdout a smaller margin will do (0.05 with 21 days, see training.refit)",
    )
    confidence: float = Field(
        default=0.975,
        gt=0.5,
        lt=1,
        description="one-sided confidence of the comparison: a challenger worse by exactly the margin passes with at "
        "most the probability that is left, where days differ by luck alone",
    )
    floors: dict[Floor, float] = Field(
        default_factory=dict,
        description="figures that must be at least this; where the champion misses it on the same rows as well, the "
        "days are hard: the miss is reported, and refuses only a challenger that misses it by more (beyond the margin)",
    )
    ceilings: dict[Ceiling, float] = Field(
        default_factory=dict, description="figures that must be at most this, with the same exception"
    )
    minimum_days: int = Field(
        default=3, ge=2, description="fewer holdout days than this is inconclusive: the champion stays"
    )
    slices: SliceRules | None = Field(default=None, description="parts of the rows where it must not be worse either")
    fairness: list[FairnessLimit] = Field(default_factory=list, description="how far apart groups may be")
    maximum_latency_ms: float | None = Field(
        default=None, gt=0, description="median processor time of one row, by the model as trained (not compiled)"
    )
    maximum_size_mb: float | None = Field(default=None, gt=0, description="size of the model's file (10^6 bytes)")
    maximum_holdout_uses: int | None = Field(
        default=None,
        ge=1,
        description="days that have judged this many challengers before judge no more: inconclusive. Every use of the "
        "same days makes it more likely that a worse model passes by luck; the verdict counts them in any case",
    )
    approval: Literal["automatic", "manual"] = Field(
        default="automatic", description="manual: a reviewer approves in Airflow before promotion"
    )
    approval_timeout_hours: float = Field(
        default=72, gt=0, le=8784, description="no answer within this time is a rejection"
    )

    @property
    def columns(self) -> set[str]:
        """The columns that slices and groups are made of."""
        sliced = self.slices.columns if self.slices else []
        return {*sliced, *(name for limit in self.fairness for name in group_columns(limit.column))}
