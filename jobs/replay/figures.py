"""The figures that monitoring would have measured in a play, in memory instead of the ledger."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bentos.outputs import Outputs
from jobs.models.prediction import Array
from jobs.monitoring.expectation import Expectation
from jobs.monitoring.labelled_predictions import MAIN, SOURCE, LabelledPredictions
from jobs.monitoring.performance import VERSION, day_performance, sliced_columns
from jobs.replay.history import Known
from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class PlayedFigure:
    """One figure as the ledger's rows have it, see `jobs.monitoring.figure_source.Figure`."""

    partition: str
    version: str
    slice: str
    name: str
    value: float


class PlayedFigures:
    """Measures the days of one play, and remembers; see `jobs.monitoring.figure_source.FigureSource`.

    Args:
        pipeline: says what is looked at.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._days: dict[str, Mapping[str, Sequence[PlayedFigure]]] = {}

    def measure(
        self, known: Known, day: date, version: str, predicted: Array, expected: Mapping[str, Expectation]
    ) -> None:
        """Measure a day that has matured.

        Args:
            known: what is known on the evening.
            day: the day, matured by then.
            version: who predicted the day.
            predicted: its predictions for the day's labelled rows.
            expected: what versions showed before they served.
        """
        label = self._pipeline.labels.column
        rows = known.labelled([day])
        # of columns that are no features a replay knows nothing, and it reports no gaps between groups
        said = rows.frame[[name for name in sliced_columns(self._pipeline) if name in rows.frame]].copy()
        outputs = Outputs(tuple(self._pipeline.labels.classes))
        for field, values in zip(outputs.fields, outputs.arrays(predicted), strict=True):
            said[field.name] = values.to_numpy(zero_copy_only=False)
        said[label] = rows.truth
        said[VERSION], said[SOURCE] = version, MAIN
        if (weight := self._pipeline.training.sample_weight) is not None and rows.weights is not None:
            said[weight] = rows.weights
        found = day_performance(self._pipeline, LabelledPredictions(str(day), said), expected, reported=False)
        by_name = defaultdict[str, list[PlayedFigure]](list)
        for part, figures in found.figures.items():
            for name, value in figures.items():
                if not math.isnan(value):
                    by_name[name].append(PlayedFigure(str(day), part.version, part.slice, name, value))
        self._days[str(day)] = by_name

    def figures(self, pipeline: str, name: str) -> Iterator[PlayedFigure]:
        """One figure of all rows over the days; there is no other pipeline here."""
        for by_name in self._days.values():
            yield from (one for one in by_name.get(name, ()) if not one.slice)

    def figures_of_days(self, pipeline: str, first: str, last: str, names: Collection[str]) -> Iterator[PlayedFigure]:
        """Some figures of some days, of all slices and versions."""
        for day, by_name in self._days.items():
            if first <= day <= last:
                for name in names:
                    yield from by_name.get(name, ())
