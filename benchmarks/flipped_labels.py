"""How soon the slices' alarm sees that the label has turned round in one slice: on half a year of flights.

    python -m benchmarks.flipped_labels --home FOLDER [--seeds 3] [--starts 4]

FOLDER holds the lake that `benchmarks.replay` has made. A model learns from some of the rows of January to June, one a
seed, and predicts July to December. From some day on the labels of a slice are turned round for three days; seen is a
slice that monitoring's own alarm names after one of them. The same nights without a change, and the days in a random
order, give the false alarms. Settings are the defaults of a pipeline file.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.drift import JUDGED, interval
from jobs.models.prediction import model_frame, predict
from jobs.monitoring.concept import slice_alarms
from jobs.monitoring.labelled_predictions import MAIN, SOURCE, LabelledPredictions
from jobs.monitoring.performance import VERSION, VersionSlice, day_performance, sliced_columns
from jobs.replay.figures import PlayedFigure
from jobs.training.estimators import build_model
from tidewheel.lake import Lake
from tidewheel.settings import load_settings
from tidewheel.spec import Pipeline, find_pipeline

if TYPE_CHECKING:
    import pandas as pd

LEARNED = 50_000
NIGHTS = 3
SLICES = (("origin", "LGA"), ("origin", "JFK"), ("carrier", "UA"), ("carrier", "MQ"), ("dest", "ATL"))
Figures = Mapping[VersionSlice, Mapping[str, float]]


class Measured:
    """The figures of some days, as the ledger answers for them."""

    def __init__(self, days: Mapping[str, Figures]) -> None:
        self._days = days

    def figures(self, pipeline: str, name: str) -> Iterator[PlayedFigure]:
        """One figure of all rows, over all the days."""
        days = self.figures_of_days(pipeline, min(self._days), max(self._days), {name})
        return (one for one in days if not one.slice)

    def figures_of_days(self, pipeline: str, first: str, last: str, names: Collection[str]) -> Iterator[PlayedFigure]:
        """Figures of the days of one pipeline."""
        for key, parts in self._days.items():
            if first <= key <= last:
                for part, figures in parts.items():
                    for name in figures.keys() & set(names):
                        if not math.isnan(figures[name]):
                            yield PlayedFigure(key, part.version, part.slice, name, figures[name])


def main() -> None:
    """Print the figures of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("build/replay"), help="folder with the year's features")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=4, help="days that the change begins on, a seed and slice")
    options = parser.parse_args()
    os.environ["TIDEWHEEL_HOME"] = str(options.home.resolve())
    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, "flight_delay")
    began = time.process_time()
    rows = labelled(Lake.open(pipeline.name, settings), pipeline)
    seen: dict[str, list[bool]] = {}
    calm, shuffled = [], []
    for seed in range(options.seeds):
        said = predicted(pipeline, rows, seed)
        days = {key: measure(pipeline, key, said[key]) for key in JUDGED.keys if key in said}
        rng = np.random.default_rng(seed)
        order = dict(zip(days, (days[key] for key in rng.permutation(list(days))), strict=True))
        for key in list(days)[60:]:
            calm.append(bool(alarms(pipeline, days, key)))
            shuffled.append(bool(alarms(pipeline, order, key)))
        for column, value in SLICES:
            for first in rng.choice(list(days)[60:-NIGHTS], options.starts, replace=False):
                found = flipped(pipeline, said, days, str(first), column, value)
                seen.setdefault(f"{column}={value}", []).append(found)
        print(f"seed {seed}: {time.process_time() - began:.0f} s of CPU", flush=True)
    for words, nights in (("shuffled days", shuffled), ("days in their order", calm)):
        print(f"{words}: an alarm on {sum(nights)} of {len(nights)} nights, {interval(sum(nights), len(nights))}")
    for name, found_all in seen.items():
        print(f"{name} turned round: seen within {NIGHTS} nights in {sum(found_all)} of {len(found_all)}")
    every = [one for found_all in seen.values() for one in found_all]
    print(f"all slices: {sum(every)} of {len(every)}, {interval(sum(every), len(every))}")


def labelled(lake: Lake, pipeline: Pipeline) -> pd.DataFrame:
    """The year's features with their labels."""
    features = lake.read_all(lake.need("features", key) for key in lake.partitions("features")).to_pandas()
    labels = lake.read_all(lake.need("labels", key) for key in lake.partitions("labels")).to_pandas()
    frame = features.merge(labels[[*pipeline.key, pipeline.labels.column]], on=pipeline.key)
    return frame.assign(day=frame[pipeline.source.event_time].dt.date.astype(str))


def predicted(pipeline: Pipeline, rows: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """The judged days with the predictions of a model of the first half year."""
    learned = rows[rows.day < str(JUDGED.first)].sample(LEARNED, random_state=seed)
    model = build_model(pipeline.training, pipeline.features, pipeline.task)
    model.fit(model_frame(learned, pipeline.features), learned[pipeline.labels.column])
    later = rows[rows.day >= str(JUDGED.first)]
    said = predict(model, model_frame(later, pipeline.features), pipeline.task)
    kept = later[[*sliced_columns(pipeline), pipeline.labels.column, "day"]]
    kept = kept.assign(**{"prediction": said, SOURCE: MAIN, VERSION: "1"})
    return {str(day): part for day, part in kept.groupby("day")}


def flipped(
    pipeline: Pipeline,
    said: Mapping[str, pd.DataFrame],
    days: Mapping[str, Figures],
    first: str,
    column: str,
    value: str,
) -> bool:
    """Whether the alarm names a slice after one of the days on which its labels were turned round."""
    label, changed = pipeline.labels.column, dict(days)
    keys = [key for key in days if key >= first][:NIGHTS]
    for key in keys:
        there = said[key][column] == value
        turned = said[key].assign(**{label: said[key][label].where(~there, 1 - said[key][label])})
        changed[key] = measure(pipeline, key, turned)
    return any(f"{column}={value}:" in sentence for key in keys for sentence in alarms(pipeline, changed, key))


def measure(pipeline: Pipeline, key: str, rows: pd.DataFrame) -> Figures:
    """What monitoring measures of a day."""
    return day_performance(pipeline, LabelledPredictions(key, rows), {}).figures


def alarms(pipeline: Pipeline, days: Mapping[str, Figures], matured: str) -> list[str]:
    """What monitoring says when a day has matured."""
    day = date.fromisoformat(matured) + timedelta(days=pipeline.labels.delay_days)
    return slice_alarms(Measured(days), pipeline, day)


if __name__ == "__main__":
    main()
