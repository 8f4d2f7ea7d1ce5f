"""How good a day's predictions turned out to be, once its labels are known: by version, by slice, between groups."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from jobs.evaluation.drawn_figures import row_ratio
from jobs.models.calibration import calibration_error, estimated_auc, expected_log_losses
from jobs.models.figures import further_figures
from jobs.models.metrics import log_losses, measure
from jobs.models.recalibration import LITERAL, scores
from jobs.models.row_weights import weights_of
from jobs.monitoring.class_performance import about_classes, class_figures, estimate_classes
from jobs.monitoring.expectation import UNKNOWN, Expectation
from jobs.monitoring.fairness import day_gaps, gap_figures
from jobs.monitoring.labelled_predictions import ELSEWHERE, ONLINE, SOURCE, LabelledPredictions
from jobs.monitoring.predictions import predictions_of
from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.spec.groups import group_columns, group_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from jobs.models.prediction import Array, Task
    from jobs.models.recalibration import CalibrationLine
    from tidewheel.policies.gate.measurement import GroupGap
    from tidewheel.spec import Pipeline

VERSION = "model_version"
LONGEST_SLICE = 200
"""Characters of a slice's name in the ledger."""


@dataclass(frozen=True, order=True)
class VersionSlice:
    """Some rows of a day: those one version predicted, all of them (slice '') or a slice.

    A slice is written `column=value`; `requests` are the predictions made online, `column` alone the gaps between a
    column's groups.
    """

    version: str
    slice: str = ""


@dataclass(frozen=True)
class DayPerformance:
    """One day's predictions against its labels.

    Attributes:
        day: the day of the rows, not the day they were judged on.
        figures: figures of each part; empty where something is missing.
        missing: what is missing, for a person; empty where nothing is.
        inputs: the batches looked at, `dataset/partition` to content hash.
        elsewhere: predictions made online on the day, about rows that are none of the day's: not measured.
        gaps: which groups were compared, by part.
    """

    day: str
    figures: Mapping[VersionSlice, Mapping[str, float]] = field(default_factory=dict)
    missing: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    elsewhere: int = 0
    gaps: Mapping[VersionSlice, Sequence[GroupGap]] = field(default_factory=dict)

    @property
    def main(self) -> VersionSlice | None:
        """The version that predicted most of the day; None where nothing is known."""
        whole = [part for part in self.figures if not part.slice]
        return max(whole, key=lambda part: self.figures[part]["rows"], default=None)


def day_performance(
    pipeline: Pipeline,
    day: LabelledPredictions,
    expectations: Mapping[str, Expectation],
    failures: PartialFailures = RAISING,
    *,
    reported: bool = True,
) -> DayPerformance:
    """Measure a day.

    A prediction without a label is unknown and does not count: `rows` says how many have one, `labelled_share` which
    share of the predictions that is.

    Args:
        pipeline: names label, task, slices and groups.
        day: the day's predictions with the labels known for them.
        expectations: by version, what it showed on its gate's holdout.
        failures: takes note of a slice, or of groups, that cannot be measured.
        reported: also what decides nothing: roc_auc, r2, calibration_error, the figures of decisions, and the gaps
            between groups.

    Returns:
        Figures by part; a day without predictions or labels says so.
    """
    if day.missing:
        return DayPerformance(day.day, missing=day.missing, inputs=day.inputs)
    figures: dict[VersionSlice, Mapping[str, float]] = {}
    gaps: dict[VersionSlice, Sequence[GroupGap]] = {}
    counts = day.rows.loc[day.rows[SOURCE] == ELSEWHERE, VERSION].value_counts()
    elsewhere = {str(version): int(count) for version, count in counts.items()}
    for name, count in elsewhere.items():
        figures[VersionSlice(name, "requests")] = {"rows": 0.0, "elsewhere": float(count)}
    for (source, version), rows in day.rows[day.rows[SOURCE] != ELSEWHERE].groupby([SOURCE, VERSION]):
        expected = expectations.get(str(version), UNKNOWN)
        if source == ONLINE:
            counted = {"elsewhere": float(elsewhere.get(str(version), 0))}
            figures[VersionSlice(str(version), "requests")] = part_figures(rows, pipeline, expected, reported) | counted
            continue
        figures[VersionSlice(str(version))] = part_figures(rows, pipeline, expected, reported)
        for name, of_class in class_figures(rows, pipeline).items():
            figures[VersionSlice(str(version), name[:LONGEST_SLICE])] = of_class
        for name, part in _slices(rows, pipeline):
            with failures.named(f"slice {name} of {day.day}"):
                figures[VersionSlice(str(version), name)] = part_figures(part, pipeline, expected, reported)
        for groups in pipeline.monitoring.fairness if reported else ():
            compared = VersionSlice(str(version), group_name(groups)[:LONGEST_SLICE])
            with failures.named(f"groups of {group_name(groups)} on {day.day}"):
                gaps[compared] = day_gaps(rows, groups, pipeline)
                figures[compared] = gap_figures(gaps[compared])
    return DayPerformance(day.day, figures, inputs=day.inputs, elsewhere=sum(elsewhere.values()), gaps=gaps)


def part_figures(
    rows: pd.DataFrame, pipeline: Pipeline, expected: Expectation = UNKNOWN, reported: bool = True
) -> dict[str, float]:
    """Figures of some rows; those without a label count in `labelled_share` alone.

    Classification: roc_auc, log_loss, brier, calibration_error, expected_log_loss (the mean binary entropy of the
    predictions: the log-loss of a model that is right about itself), excess_log_loss, positive_rate,
    prediction_variance. Regression: rmse, mae, r2, squared_error, and where the version's error on its gate's holdout
    is known, expected_squared_error and excess_squared_error. Both: mean_prediction, bias (label minus prediction),
    rows, labelled_share.

    Multiclass: log_loss, brier, expected_log_loss, excess_log_loss; and of the class that is predicted, by how probable
    the model says that it is: calibration_error, prediction_variance, mean_prediction, bias (share of right classes
    minus mean probability).

    Reported besides: what `jobs.models.figures.further_figures` gives, and for classification selection_rate,
    false_positive_rate and false_negative_rate. Where nothing is reported, roc_auc, r2 and calibration_error are left
    out too.

    Of a version whose predictions are not meant literally (see `jobs.models.recalibration`), all that is expected is
    expected of what they mean: so are excess_log_loss and prediction_variance, and there are calibrated_log_loss,
    calibrated_bias, and the errors of both for not knowing that meaning exactly.

    Where rows have weights, all means are weighted; rows, labelled_share, and the rates of decisions count rows.
    """
    label = pipeline.labels.column
    known = rows[rows[label].notna()]
    truth, said = known[label].to_numpy(dtype="float64"), predictions_of(known, pipeline)
    counted = {"rows": float(len(known)), "labelled_share": len(known) / len(rows) if len(rows) else math.nan}
    weights = weights_of(known, pipeline)
    measured = measure(truth, said, pipeline.task, weights=weights, loss=pipeline.loss, means_only=not reported)
    figures = {**measured, **counted}
    if reported:
        figures |= further_figures(truth, said, pipeline.task, pipeline.decision, weights)
        figures |= _rates(truth, said, pipeline)
    if len(known) == 0:
        return figures
    if reported and pipeline.task == "classification":
        figures["calibration_error"] = calibration_error(truth, said, weights=weights)
    return figures | _about_itself(truth, said, pipeline.task, expected, weights)


def _rates(truth: Array, said: Array, pipeline: Pipeline) -> dict[str, float]:
    """How often rows are decided positive: all of them, the negative ones, and how often the positive ones are not."""
    if pipeline.task != "classification" or len(truth) == 0 or not np.isfinite(said).all():
        return {}
    names = ("selection_rate", "false_positive_rate", "false_negative_rate")
    sums = {name: [float(part.sum()) for part in row_ratio(name, truth, said, pipeline.decision)] for name in names}
    return {name: above / below for name, (above, below) in sums.items() if below}


def _about_itself(
    truth: Array, said: Array, task: Task, expected: Expectation, weights: Array | None
) -> dict[str, float]:
    """What is known beyond the task's figures."""
    if task == "multiclass":
        return about_classes(truth, said, weights)

    def mean(values: Array) -> float:
        return float(np.average(values, weights=weights))

    figures = {"mean_prediction": mean(said), "bias": mean(truth - said)}
    meant, line = expected.line.meant(said, task), expected.line
    if task == "regression":
        error = mean((truth - said) ** 2)
        usual = expected.squared_error
        figures |= {"squared_error": error, "expected_squared_error": usual, "excess_squared_error": error - usual}
        if line.is_literal:
            return figures
        return figures | {"calibrated_bias": mean(truth - meant), "calibrated_bias_error": line.error}
    meant = said if line.is_literal else meant
    expected_loss, variance = mean(expected_log_losses(meant)), mean(meant * (1 - meant))
    loss = measure(truth, meant, task, weights=weights, means_only=True)["log_loss"]
    figures |= {
        "positive_rate": mean(truth),
        "expected_log_loss": expected_loss,
        "excess_log_loss": loss - expected_loss,
        "prediction_variance": variance,
    }
    if line.is_literal:
        return figures
    odds = line.intercept + line.slope * (scores(said, task) - line.center)
    return figures | {
        "calibrated_log_loss": loss,
        "calibrated_bias": mean(truth - meant),
        # the derivatives of both by the intercept, times its error
        "calibrated_bias_error": line.error * variance,
        "calibrated_log_loss_error": line.error * abs(mean(odds * meant * (1 - meant))),
    }


def _slices(rows: pd.DataFrame, pipeline: Pipeline) -> Iterator[tuple[str, pd.DataFrame]]:
    """The larger values of each column that slices are declared for, and of those whose groups are compared."""
    settings, label = pipeline.monitoring, pipeline.labels.column
    for column in (name for name in sliced_columns(pipeline) if name in rows):
        sizes = rows.loc[rows[label].notna(), column].value_counts()
        for value, size in sizes.head(settings.largest_slices).items():
            if size >= settings.minimum_slice_rows:
                yield f"{column}={value}"[:LONGEST_SLICE], rows[rows[column] == value]


def looked_at_columns(pipeline: Pipeline) -> list[str]:
    """Columns that a day's rows must have to be measured: those of slices and groups, and the rows' weight."""
    weight = pipeline.training.sample_weight
    return list(dict.fromkeys([*sliced_columns(pipeline), *([weight] if weight else [])]))


def sliced_columns(pipeline: Pipeline) -> list[str]:
    """Columns that a day's rows must have for its slices and groups."""
    settings = pipeline.monitoring
    sliced = pipeline.features.categorical if settings.slices is None else settings.slices
    grouped = [name for groups in settings.fairness for name in group_columns(groups)]
    return list(dict.fromkeys([*sliced, *grouped]))


def estimate(said: Array, task: Task, line: CalibrationLine = LITERAL) -> dict[str, float]:
    """Performance of a day whose labels are not known yet, from its predictions alone.

    Confidence-based: a prediction of 0.3 counts as 30% of a positive. It shows what a change of the *features* does to
    the model, as long as its probabilities hold; it cannot see that the label's relation to the features has changed,
    and it takes a model at its word that is wrongly sure. Regression models say no confidence: nothing is estimated.

    Args:
        said: the day's predictions.
        task: kind of label.
        line: what the predictions mean.

    Returns:
        estimated_log_loss, estimated_brier, estimated_roc_auc and mean_prediction; for multiclass estimated_accuracy in
        place of the AUC; only the last for regression.
    """
    if len(said) == 0:
        return {}
    if task == "regression":
        return {"mean_prediction": float(np.mean(said))}
    if task == "multiclass":
        return estimate_classes(said)
    meant = said if line.is_literal else line.meant(said, task)
    lost = meant * log_losses(np.ones_like(said), said) + (1 - meant) * log_losses(np.zeros_like(said), said)
    return {
        "mean_prediction": float(said.mean()),
        "estimated_log_loss": float(lost.mean()),
        "estimated_brier": float((meant * (1 - said) ** 2 + (1 - meant) * said**2).mean()),
        "estimated_roc_auc": estimated_auc(meant),
    }
