"""Labels as models take them: numbers as they are, classes by their place in `labels.classes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.errors import DataRefused

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tidewheel.spec import Pipeline

NAMED = 5


def label_numbers(labels: pd.Series[Any], pipeline: Pipeline) -> NDArray[np.float64]:
    """One float64 a label, NaN for a missing one.

    Args:
        labels: as they were landed.
        pipeline: names the label, the task and its classes.

    Raises:
        DataRefused: a label is none of the classes.
    """
    import pandas as pd

    if pipeline.task != "multiclass":
        return pd.to_numeric(labels).to_numpy(dtype=np.float64, na_value=np.nan)
    classes, missing = pipeline.labels.classes, labels.isna().to_numpy()
    values = labels.astype(object).to_numpy()
    places = pd.Index(classes, dtype=object).get_indexer(pd.Index(values, dtype=object))
    if (unknown := (places == -1) & ~missing).any():
        some = ", ".join(repr(value) for value in list(dict.fromkeys(values[unknown].tolist()))[:NAMED])
        raise DataRefused(
            f"{pipeline.name}: {unknown.sum():,} labels in {pipeline.labels.column} are none of labels.classes "
            f"({', '.join(map(str, classes))}), for example {some}; add the class to labels.classes, or correct these "
            "labels and land their days again"
        )
    return np.asarray(np.where(missing, np.nan, places), dtype=np.float64)
