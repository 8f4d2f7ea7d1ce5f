"""How good a day's predictions of several classes turned out to be, beyond the figures that the gate has too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.models import multiclass
from jobs.models.calibration import calibration_error
from jobs.models.row_weights import at, weights_of
from jobs.monitoring.predictions import predictions_of

if TYPE_CHECKING:
    import pandas as pd

    from jobs.models.prediction import Array
    from tidewheel.spec import Pipeline


def about_classes(truth: Array, said: Array, weights: Array | None = None) -> dict[str, float]:
    """What the model expected of itself, and whether the classes that it predicts are right as often as it says.

    Calibration is that of the predicted class alone ("top label": Guo et al., "On Calibration of Modern Neural
    Networks", ICML 2017), and so are bias and variance: of a label that is 1 where the predicted class is right.
    """
    sure, right = multiclass.confidences(said), multiclass.hits(truth, said)

    def mean(values: Array) -> float:
        return float(np.average(values, weights=weights))

    expected = mean(multiclass.expected_log_losses(said))
    return {
        "mean_prediction": mean(sure),
        "bias": mean(right - sure),
        "prediction_variance": mean(sure * (1 - sure)),
        "calibration_error": calibration_error(right, sure, weights=weights),
        "expected_log_loss": expected,
        "excess_log_loss": mean(multiclass.log_losses(truth, said)) - expected,
    }


def estimate_classes(said: Array) -> dict[str, float]:
    """Performance of a day whose labels are not known yet, as far as the probabilities are right."""
    sure = multiclass.confidences(said)
    return {
        "mean_prediction": float(sure.mean()),
        "estimated_log_loss": float(multiclass.expected_log_losses(said).mean()),
        "estimated_brier": float((1 - (said**2).sum(axis=1)).mean() / 2),
        "estimated_accuracy": float(sure.mean()),
    }


def class_figures(rows: pd.DataFrame, pipeline: Pipeline) -> dict[str, dict[str, float]]:
    """Log-loss, Brier score and recall of the rows of each class, by `<label>=<class>`; empty for other tasks.

    There is no excess over the model's own expectation among them: of rows that are chosen by their label, a model that
    is right about itself expects less than it loses.

    Args:
        rows: predictions of one version, with the label as the place of its class (NaN: unknown).
        pipeline: names label, classes, and the fewest rows of a slice.
    """
    if pipeline.task != "multiclass":
        return {}
    label, least = pipeline.labels.column, pipeline.monitoring.minimum_slice_rows
    known = rows[rows[label].notna()]
    truth, said = known[label].to_numpy(dtype="float64"), predictions_of(known, pipeline)
    weights = weights_of(known, pipeline)
    figures = {}
    for place, name in enumerate(pipeline.labels.classes):
        mine = truth == place
        counts = mine.sum() >= least and (weights is None or weights[mine].sum() > 0)
        if counts and np.isfinite(said[mine]).all():
            figures[f"{label}={name}"] = {
                "rows": float(mine.sum()),
                **multiclass.probability_figures(truth[mine], said[mine], at(weights, mine)),
                "recall": float(np.average(multiclass.hits(truth[mine], said[mine]), weights=at(weights, mine))),
            }
    return figures
