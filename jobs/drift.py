"""Has a day's data moved away from the days before it? Measured by effect size, and drawn by Evidently.

The reference is the trailing 28 days, not the champion's training data: what a night can still repair (a broken
source, a changed unit, a vanished category) stands out against last month, while the seasons, which part any day from
a model's training data, do not alarm every night; a model that slowly goes stale shows in its performance and its age.

Effect sizes, not p-values: with enough rows every difference is significant. A column has drifted where the day lies
farther from the reference than any day of the reference did (see `jobs.usual_drift`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from jobs.usual_drift import usual_distances

if TYPE_CHECKING:
    from tidewheel.lake import Lake, Manifest
    from tidewheel.spec import Pipeline

REFERENCE_DAYS = 28
MOST_ROWS = 50_000
"""Rows drawn, evenly, from the day and from the reference: more move no effect size, and cost minutes."""
NUMERIC, LEAST_NUMERIC = "wasserstein", 0.1
"""Wasserstein distance in standard deviations of the reference; a shift below 0.1 matters to nobody."""
CATEGORICAL, LEAST_CATEGORICAL = "jensenshannon", 0.1
"""Jensen-Shannon distance: 0 for the same shares, 0.83 for no category in common."""
PREDICTION = "prediction"
BEYOND = 1.1
DAY = "partition"


@dataclass(frozen=True)
class Drift:
    """How far a day has moved.

    Attributes:
        scores: effect size by column; `prediction` is the model's output.
        limits: what each score was held against.
        drifted: columns beyond their threshold, farthest first.
        left_out: columns that could not be compared, with the reason.
        missing: why nothing was compared, for a person; empty where something was.
        page: Evidently's report, HTML.
        inputs: the batches looked at, `dataset/partition` to content hash.
    """

    scores: Mapping[str, float]
    limits: Mapping[str, float]
    drifted: Sequence[str]
    left_out: Mapping[str, str]
    missing: str
    page: str
    inputs: Mapping[str, str]


def day_drift(lake: Lake, pipeline: Pipeline, day: date) -> Drift:
    """Compare a day's features and predictions with those of the trailing 28 days.

    Args:
        lake: the pipeline's lake.
        pipeline: names the features.
        day: the day.

    Returns:
        Scores, and the page; a day without features, or without any day before it, says so.
    """
    before = [(day - timedelta(days=n)).isoformat() for n in range(REFERENCE_DAYS, 0, -1)]
    features = {key: lake.published("features", key) for key in (*before, day.isoformat())}
    today = features.pop(day.isoformat())
    earlier = [manifest for manifest in features.values() if manifest is not None]
    if today is None or not earlier:
        missing = f"no features of {day}" if today is None else f"no features of the {REFERENCE_DAYS} days before {day}"
        return Drift({}, {}, (), {}, missing, "", {})
    current = _rows(lake, pipeline, [today])
    reference = _rows(lake, pipeline, earlier)
    if PREDICTION in current and PREDICTION in reference:
        # another version's predictions differ because the version does, which is no drift
        version = current["model_version"].mode().iloc[0]
        reference[PREDICTION] = reference[PREDICTION].where(reference["model_version"] == version)
    comparable, left_out = _comparable(pipeline, current, reference)
    limits = _limits(pipeline, comparable, reference)
    scores, page = _compare(pipeline, limits, current, reference)
    drifted = sorted((n for n in scores if scores[n] > limits[n]), key=lambda n: -scores[n] / limits[n])
    inputs = {manifest.key: manifest.content_hash for manifest in (*earlier, today)}
    return Drift(scores, limits, drifted, left_out, "", page, inputs)


def _rows(lake: Lake, pipeline: Pipeline, manifests: Sequence[Manifest]) -> pd.DataFrame:
    """Features of some days, an even share of each, with their published predictions where there are any."""
    wanted, most = [*pipeline.key, *pipeline.features.columns], math.ceil(MOST_ROWS / len(manifests))
    frames: list[pd.DataFrame] = []
    for manifest in manifests:
        table = lake.read(manifest, [name for name in wanted if name in manifest.columns])
        frame = table.take(list(range(0, table.num_rows, math.ceil(table.num_rows / most) or 1))).to_pandas()
        if predictions := lake.published("predictions", manifest.partition):
            said = lake.read(predictions, [*pipeline.key, PREDICTION, "model_version"]).to_pandas()
            frame = frame.merge(said, on=pipeline.key, how="left")
        frames.append(frame.assign(**{DAY: manifest.partition}))
    return pd.concat(frames, ignore_index=True)


def _comparable(pipeline: Pipeline, current: pd.DataFrame, reference: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    """Columns that have values on both sides; and why the others have not."""
    found, left_out = [], {}
    for name in (*pipeline.features.columns, PREDICTION):
        empty = [side for side, frame in (("the day", current), ("the reference", reference)) if _is_empty(frame, name)]
        if empty:
            left_out[name] = f"no values in {' and '.join(empty)}"
        else:
            found.append(name)
    return found, left_out


def _is_empty(frame: pd.DataFrame, name: str) -> bool:
    return name not in frame or bool(frame[name].isna().all())


def _limits(pipeline: Pipeline, columns: list[str], reference: pd.DataFrame) -> dict[str, float]:
    """Beyond which effect size each column counts as drifted: a tenth farther than any day of the reference was."""
    categorical = [name for name in columns if name in pipeline.features.categorical]
    numeric = [name for name in columns if name not in categorical]
    usual = usual_distances(reference, DAY, numeric, categorical)
    least = {**dict.fromkeys(numeric, LEAST_NUMERIC), **dict.fromkeys(categorical, LEAST_CATEGORICAL)}
    return {
        name: least[name] if math.isnan(usual[name]) else max(least[name], BEYOND * usual[name]) for name in columns
    }


def _compare(
    pipeline: Pipeline, limits: Mapping[str, float], current: pd.DataFrame, reference: pd.DataFrame
) -> tuple[dict[str, float], str]:
    """Evidently's effect sizes and its page."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about themselves, and of constant columns
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        categorical = [name for name in limits if name in pipeline.features.categorical]
        numeric = [name for name in limits if name not in categorical]
        definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
        preset = DataDriftPreset(num_method=NUMERIC, cat_method=CATEGORICAL, per_column_threshold=dict(limits))
        sides = [Dataset.from_pandas(_typed(f[list(limits)], numeric), definition) for f in (current, reference)]
        snapshot = Report([preset]).run(*sides)
        return _scores(snapshot.dict()), str(snapshot.get_html_str(as_iframe=False))


def _typed(frame: pd.DataFrame, numeric: list[str]) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(numeric, "float64"))


def _scores(result: Mapping[str, Any]) -> dict[str, float]:
    """Effect size by column, from Evidently's list of metrics."""
    drifts = [metric for metric in result["metrics"] if metric["config"]["type"].endswith(":ValueDrift")]
    return {metric["config"]["column"]: float(metric["value"]) for metric in drifts}
