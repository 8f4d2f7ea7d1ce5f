"""How much each row counts in figures: by the pipeline's `training.sample_weight`, or all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from jobs.models.prediction import Array
    from tidewheel.spec import Pipeline


def weights_of(rows: pd.DataFrame, pipeline: Pipeline) -> Array | None:
    """The weight of each row; None where rows count the same.

    A row whose weight is not known, as that of an answer given online, counts as an average one; where no row's weight
    is known, or all weigh nothing, rows count the same.

    Args:
        rows: with the weight's column, where they have it.
        pipeline: names the column.
    """
    name = pipeline.training.sample_weight
    if name is None or name not in rows:
        return None
    weights = rows[name].to_numpy(dtype="float64", na_value=np.nan)
    usable = np.isfinite(weights) & (weights >= 0)
    if not usable.any() or weights[usable].sum() <= 0:
        return None
    return np.asarray(np.where(usable, weights, weights[usable].mean()), dtype=np.float64)


def at(weights: Array | None, where: Any) -> Array | None:
    """The weights of some rows; None stays None: they all count the same."""
    return None if weights is None else np.asarray(weights[where], dtype=np.float64)


def weighted_by_day(losses: Sequence[Array], weights: Sequence[Array | None]) -> list[Array]:
    """Losses of rows day by day, scaled so that their plain mean over all days is the weighted one.

    Args:
        losses: of each day, one a row.
        weights: of the same rows; None: they count the same.
    """
    known = [np.ones_like(one) if own is None else own for one, own in zip(losses, weights, strict=True)]
    mean = float(np.concatenate(known).mean())
    return [np.asarray(one * own / mean, dtype=np.float64) for one, own in zip(losses, known, strict=True)]
