"""Evidently's page of a day's drift: distributions of the day and of the days it is compared with."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from jobs.monitoring.daily_rows import PREDICTION, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from tidewheel.spec import Pipeline


def drift_page(
    pipeline: Pipeline,
    limits: Mapping[str, float],
    current: pd.DataFrame,
    reference: pd.DataFrame,
) -> str:
    """Draw the columns of a day beside those of its reference.

    Args:
        pipeline: names kinds of columns and the detectors.
        limits: by column, what its distance is held against.
        current: some rows of the day or days looked at.
        reference: some rows of the days they are compared with.

    Returns:
        HTML, whole in itself.
    """
    sides = [current, reference]
    if VERSION in sides[0] and VERSION in sides[1]:
        newest = sides[0][VERSION].mode().iloc[0]
        sides[1] = sides[1].assign(**{PREDICTION: sides[1][PREDICTION].where(sides[1][VERSION] == newest)})
    shown = [name for name in limits if all(name in side and side[name].notna().any() for side in sides)]
    categorical = [name for name in shown if name in pipeline.features.categorical]
    numeric = [name for name in shown if name not in categorical]
    if not shown:
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about themselves, and of constant columns
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        settings = pipeline.monitoring.drift
        definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
        preset = DataDriftPreset(
            num_method=settings.numeric,
            cat_method=settings.categorical,
            per_column_threshold={name: limits[name] for name in shown},
        )
        typed = [
            Dataset.from_pandas(side[shown].astype(dict.fromkeys(numeric, "float64")), definition) for side in sides
        ]
        return str(Report([preset]).run(*typed).get_html_str(as_iframe=False))
