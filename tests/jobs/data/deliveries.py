"""The transform of the deliveries pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.lookback import add_trailing_rates

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.data.feature_inputs import FeatureInputs


def features(inputs: FeatureInputs) -> DataFrame:
    """Weight, carrier, and who has been late lately."""
    rows = inputs.rows.withColumnRenamed("town", "destination")
    groups = {"carrier_": ["carrier"], "route_": ["carrier", "destination"]}
    return add_trailing_rates(inputs, rows, groups, windows=(7, 3), name="late_rate", smoothing=5)
