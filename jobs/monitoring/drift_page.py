"""Evidently's page of a day's drift: distributions of the day and of the days it is compared with."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.monitoring.daily_rows import PREDICTION, VERSION
from jobs.monitoring.detectors import detector
from jobs.monitoring.methods import DayComparison
from jobs.partial_failures import RAISING, PartialFailures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.monitoring.detectors import Kind
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.drift_page")

# Evidently writes names and values into a script as they are, so `</script><script>…` in a category would run. Angle
# quotation marks look alike.
_HARMLESS = str.maketrans({"<": "\u2039", ">": "\u203a"})


def drift_page(
    pipeline: Pipeline,
    limits: Mapping[str, float],
    current: pd.DataFrame,
    reference: pd.DataFrame,
    failures: PartialFailures = RAISING,
) -> str:
    """Draw the columns of a day beside those of its reference.

    Args:
        pipeline: names kinds of columns and the detectors.
        limits: by column, what its distance is held against.
        current: some rows of the day or days looked at.
        reference: some rows of the days they are compared with.
        failures: takes note of a column that cannot be drawn.

    Returns:
        HTML, whole in itself; empty where no column can be drawn.
    """
    sides = [current, reference]
    if VERSION in sides[0] and VERSION in sides[1]:
        newest = sides[0][VERSION].mode().iloc[0]
        sides[1] = sides[1].assign(**{PREDICTION: sides[1][PREDICTION].where(sides[1][VERSION] == newest)})
    shown = [name for name in limits if all(name in side and side[name].notna().any() for side in sides)]
    if not shown:
        return ""
    try:
        return _drawn(pipeline, limits, sides, shown)
    except Exception as error:
        if len(shown) == 1:
            raise
        log.debug("the drift page failed, its columns are tried one by one", exc_info=error)
    fine = []
    for name in shown:
        with failures.named(f"column {name} of the drift page"):
            _drawn(pipeline, limits, sides, [name])
            fine.append(name)
    return _drawn(pipeline, limits, sides, fine) if fine else ""


def _drawn(pipeline: Pipeline, limits: Mapping[str, float], sides: Sequence[pd.DataFrame], shown: list[str]) -> str:
    classes = [PREDICTION] if pipeline.task == "multiclass" else []
    categorical = [name for name in shown if name in (*pipeline.features.categorical, *classes)]
    numeric = [name for name in shown if name not in categorical]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of libraries about themselves, and of constant columns
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        settings = pipeline.monitoring.drift
        preset = DataDriftPreset(
            num_method=_method(settings.numeric, "num"),
            cat_method=_method(settings.categorical, "cat"),
            per_column_threshold={name.translate(_HARMLESS): limits[name] for name in shown},
        )
        definition = DataDefinition(
            numerical_columns=[name.translate(_HARMLESS) for name in numeric],
            categorical_columns=[name.translate(_HARMLESS) for name in categorical],
        )
        typed = [Dataset.from_pandas(_drawable(side, numeric, categorical), definition) for side in sides]
        return str(Report([preset]).run(*typed).get_html_str(as_iframe=False))


def _drawable(side: pd.DataFrame, numeric: list[str], categorical: list[str]) -> pd.DataFrame:
    """What Evidently may draw: infinite numbers have no place on an axis, and are missing; no text can be markup."""
    numbers = side[numeric].astype("float64").where(np.isfinite(side[numeric].astype("float64")))
    texts = side[categorical].astype(object)
    harmless = texts.astype(str).apply(lambda column: column.str.translate(_HARMLESS))
    drawable = pd.concat([numbers, texts.where(texts.isna(), harmless)], axis=1)
    return drawable.rename(columns=lambda name: name.translate(_HARMLESS))


def _method(name: str, kind: Kind) -> str:
    """Have Evidently's page show our distances, which are what a limit is of: its own may be p-values, or fail."""
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def compare(reference: pd.Series, current: pd.Series, _: object, limit: float) -> tuple[float, bool]:
        days = {"current": current, "reference": reference}
        [distance] = detector(name, kind).distances(days, [DayComparison(("current",), ("reference",))])
        return distance, distance > limit

    registered = f"tidewheel_{kind}_{name}"
    register_stattest(StatTest(registered, name, [ColumnType(kind)]), compare)
    return registered
