"""What the gate knows of a challenger, measured on rows that neither model has learned from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidewheel.partitions import DAY, Partitioning

NAMES = {
    "log_loss": "log-loss",
    "brier": "Brier score",
    "roc_auc": "AUC",
    "pr_auc": "PR-AUC",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "macro_f1": "macro F1",
    "macro_recall": "macro recall",
    "expected_cost": "expected cost",
    "rmse": "RMSE",
    "mae": "MAE",
    "mape": "MAPE",
    "r2": "R²",
    "poisson_deviance": "Poisson deviance",
    "pinball_loss": "pinball loss",
    "d2": "D²",
    "coverage": "coverage",
}


@dataclass(frozen=True)
class Comparison:
    """Challenger against champion on the same rows. Losses: positive means that the challenger is worse."""

    champion_version: str
    champion: Mapping[str, float]
    loss_difference: float
    upper_bound: float


@dataclass(frozen=True)
class SliceComparison:
    """The same on a part of the rows.

    Attributes:
        name: `column=value`.
        rows: rows of the slice.
        challenger: its figure there.
        champion: the champion's figure there.
        loss_difference: how much worse the challenger is there.
        upper_bound: one-sided confidence bound of that difference.
        harm_probability: how probable a difference as large as this one is where the challenger is worse by the
            slices' margin and no more; a small one shows harm. NaN: unknown.
    """

    name: str
    rows: int
    challenger: float
    champion: float
    loss_difference: float
    upper_bound: float
    harm_probability: float


@dataclass(frozen=True)
class GroupGap:
    """How far apart the groups of a column are in one figure of the challenger.

    Attributes:
        column: what the groups are made of, as `tidewheel.spec.groups.group_name` writes it.
        figure: what is compared.
        groups: the figure of each group with enough rows.
        left_out: groups with too few rows, or where the figure cannot be computed; the largest of them.
        more_left_out: how many others there are.
        low: lower end of the interval of the gap; NaN: unknown.
        high: its upper end. Both hold for the differences of all pairs of groups at once, so that a low end above 0
            is no accident of picking the two that are furthest apart.
        missing: the column that is neither among the features nor the landed rows; empty where there is none.
    """

    column: str
    figure: str
    groups: Mapping[str, float]
    left_out: tuple[str, ...] = ()
    more_left_out: int = 0
    low: float = math.nan
    high: float = math.nan
    missing: str = ""

    @property
    def lowest(self) -> str:
        """The group with the lowest figure."""
        return min(self.groups, key=lambda group: self.groups[group])

    @property
    def highest(self) -> str:
        """The group with the highest figure."""
        return max(self.groups, key=lambda group: self.groups[group])

    @property
    def gap(self) -> float:
        """Highest minus lowest; there must be two groups."""
        return self.groups[self.highest] - self.groups[self.lowest]


@dataclass(frozen=True)
class Footprint:
    """What the challenger costs where it answers."""

    latency_ms: float
    size_mb: float


@dataclass(frozen=True)
class Unsteady:
    """A golden row whose prediction depends on more than the row.

    Attributes:
        way: how it was predicted besides: again, alone, in another order, among more rows.
        row: its place among the golden rows.
        difference: how far the two predictions lie apart.
        error: why it could not be predicted so; empty where it could.
    """

    way: str
    row: int = 0
    difference: float = math.nan
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"cannot predict golden rows {self.way} that it predicts together ({self.error})"
        if self.way == "again":
            return (
                f"predicts golden row {self.row} {self.difference:.3g} apart when the prediction is repeated; the same "
                "row must be predicted the same"
            )
        return (
            f"predicts golden row {self.row} {self.way} {self.difference:.3g} apart from the same row among the golden "
            "rows; a prediction must not depend on the other rows of the batch"
        )


@dataclass(frozen=True)
class GateMeasurement:
    """All that was measured of one challenger.

    Attributes:
        challenger_version: its number in the registry.
        challenger: its figures by name.
        rows: rows it was judged on.
        days: partitions these rows are of, each of which is one block of the comparison.
        comparison: None where there is no champion, or where it could not be judged on these rows.
        incomparable: why it could not, empty where it could.
        slices: parts of the rows, where the pipeline asks for them and there is a champion.
        gaps: groups of the rows, where the pipeline limits them.
        footprint: latency and size; None where nobody measured them.
        holdout: the days judged on, each with the hash of its content.
        holdout_uses: challengers that were judged before on some of the same rows.
        unsteady: a row that is predicted otherwise alone or when repeated; None: none is, or it was not tried.
        unit: what a partition holds.
        constant: the figure compared, of the best constant for the same rows; NaN: unknown.
    """

    challenger_version: str
    challenger: Mapping[str, float]
    rows: int
    days: int
    comparison: Comparison | None = None
    incomparable: str = ""
    slices: tuple[SliceComparison, ...] = field(default=())
    gaps: tuple[GroupGap, ...] = field(default=())
    footprint: Footprint | None = None
    holdout: tuple[str, ...] = ()
    holdout_uses: int = 0
    unsteady: Unsteady | None = None
    unit: Partitioning = DAY
    constant: float = math.nan
