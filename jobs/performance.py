"""How good a day's predictions turned out to be, once the day's labels are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.metrics import measure

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from tidewheel.lake import Lake
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class DayPerformance:
    """One day's predictions against its labels.

    Attributes:
        day: the day of the rows, not the day they were judged on.
        by_version: figures of each model version that predicted that day; empty where something is missing.
        missing: what is missing, for a person; empty where nothing is.
        inputs: the batches looked at, `dataset/partition` to content hash.
    """

    day: str
    by_version: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    missing: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)


def day_performance(lake: Lake, pipeline: Pipeline, day: str) -> DayPerformance:
    """Join a day's published predictions with its published labels by entity key.

    A prediction without a label is unknown and does not count: `rows` says how many have one, `labelled_share` which
    share of the predictions that is.

    Args:
        lake: the pipeline's lake.
        pipeline: names key, label and task.
        day: a day whose labels should be known by now.

    Returns:
        Figures by model version; a day without predictions or labels says so, and is no failure.
    """
    predictions, labels = lake.published("predictions", day), lake.published("labels", day)
    if predictions is None or labels is None:
        absent = " and ".join(name for name, m in (("predictions", predictions), ("labels", labels)) if m is None)
        return DayPerformance(day, missing=f"no {absent} of {day}")
    inputs = {manifest.key: manifest.content_hash for manifest in (predictions, labels)}
    label, key = pipeline.labels.column, pipeline.key
    said = lake.read(predictions, [*key, "prediction", "model_version"]).to_pandas()
    known = lake.read(labels, [*key, label]).to_pandas().dropna(subset=[label]).drop_duplicates(key)
    rows = said.merge(known, on=key, how="left")
    figures = {str(version): _figures(part, label, pipeline) for version, part in rows.groupby("model_version")}
    if not known[key].shape[0]:
        return DayPerformance(day, missing=f"no label of {day} is known yet", inputs=inputs)
    return DayPerformance(day, figures, inputs=inputs)


def _figures(rows: pd.DataFrame, label: str, pipeline: Pipeline) -> dict[str, float]:
    known = rows[rows[label].notna()]
    truth, answers = known[label].to_numpy(dtype="float64"), known["prediction"].to_numpy(dtype="float64")
    positive = {"positive_rate": truth.mean()} if pipeline.task == "classification" and len(truth) else {}
    return {
        **measure(truth, answers, pipeline.task),
        **positive,
        "rows": float(len(known)),
        "labelled_share": len(known) / len(rows),
    }
