"""How far a column usually moves from day to day: what a new day must exceed to stand out.

One day of weather lies far from a month of weather, every day. So each column is held against its own history: the
largest distance that any day of the reference had to the whole reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial.distance import jensenshannon

if TYPE_CHECKING:
    from collections.abc import Sequence

QUANTILES = np.linspace(0.01, 0.99, 50)
LEAST_SPREAD = 0.001
"""As Evidently: a constant column's distances are measured in thousandths, not in nothing."""


def usual_distances(
    reference: pd.DataFrame, day: str, numeric: Sequence[str], categorical: Sequence[str]
) -> dict[str, float]:
    """Largest distance of a day to all days, by column.

    Args:
        reference: rows of some days.
        day: column that says which.
        numeric: columns measured by the Wasserstein distance, in standard deviations of the reference; read from 50
            quantiles, which is close and quick.
        categorical: columns measured by the Jensen-Shannon distance of their shares.

    Returns:
        Distance by column, NaN where no day has values.
    """
    days = reference.groupby(day, sort=False)
    found: dict[str, float] = {}
    if numeric:
        values = reference[list(numeric)]
        spread = values.std(ddof=0).clip(lower=LEAST_SPREAD)
        by_day = days[list(numeric)].quantile(QUANTILES).sub(values.quantile(QUANTILES), level=1).abs()
        found = {str(k): float(v) for k, v in (by_day.groupby(level=0).mean() / spread).max().items()}
    for name in categorical:
        shares = pd.crosstab(reference[day], reference[name], normalize="index")
        whole = reference[name].value_counts(normalize=True).reindex(shares.columns)
        found[name] = max((float(jensenshannon(row, whole)) for row in shares.to_numpy()), default=np.nan)
    return found
