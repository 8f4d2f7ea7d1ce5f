"""How much each row counts in a fit: its own weight, times the weight of its class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidewheel.spec.weights import class_names

if TYPE_CHECKING:
    from jobs.models.prediction import Array
    from tidewheel.spec import Pipeline


def fit_weights(pipeline: Pipeline, truth: Array, weights: Array | None) -> Array | None:
    """The weights to fit with, scaled to a mean of 1, so that regularization means the same with and without them.

    Args:
        pipeline: says how much classes count.
        truth: labels of the rows: 0 or 1, or places of classes.
        weights: of the rows, by `training.sample_weight`; None: all the same.

    Returns:
        One a row; None where all rows count the same. `balanced` gives every class the same total.
    """
    declared = pipeline.training.class_weight
    if declared is None and weights is None:
        return None
    scaled = np.ones_like(truth) if weights is None else weights
    if declared is not None:
        places, names = truth.astype(np.intp), class_names(pipeline)
        if isinstance(declared, dict):
            given = {str(name): value for name, value in declared.items()}
            of_class = np.array([given[str(name)] for name in names], dtype=np.float64)
        else:
            totals = np.bincount(places, weights=scaled, minlength=len(names))
            of_class = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0)
        scaled = scaled * of_class[places]
    return np.asarray(scaled / scaled.mean(), dtype=np.float64)
