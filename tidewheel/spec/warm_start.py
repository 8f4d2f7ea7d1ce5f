"""What `training.warm_start` contradicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidewheel.spec.mistake import Mistake

if TYPE_CHECKING:
    from tidewheel.spec.pipeline import Pipeline

ESTIMATORS = ("xgboost", "lightgbm", "catboost", "tabular_net")
"""Named estimators that can go on from a fitted model with other rows."""


def warm_start_mistakes(pipeline: Pipeline) -> Iterator[Mistake]:
    """A warm start of an estimator that knows none, or beside a search.

    Args:
        pipeline: the declaration, as far as it is checked.
    """
    training, key = pipeline.training, ("training", "warm_start")
    if training.warm_start is None:
        return
    if training.estimator not in ESTIMATORS and ":" not in training.estimator:
        yield Mistake(
            key,
            "",
            f"{training.estimator} cannot go on from a fitted model with other rows; expected training.estimator to be "
            f"{', '.join(ESTIMATORS)}, or a function whose estimator has partial_fit",
        )
    if training.search is not None:
        yield Mistake(
            key,
            "",
            "a search tries parameters from the start, and a warm start takes those of the predecessor; leave out one "
            "of training.search and training.warm_start",
        )
