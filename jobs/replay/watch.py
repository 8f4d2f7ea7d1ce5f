"""What monitoring would have measured and found in a play: the same figures, kept in memory instead of the ledger."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, cast

from jobs.models.prediction import Array
from jobs.monitoring.concept import slice_alarms
from jobs.monitoring.day_quality import day_quality
from jobs.monitoring.expectation import Expectation
from jobs.monitoring.labelled_predictions import MAIN, SOURCE, LabelledPredictions
from jobs.monitoring.performance import VERSION, Part, day_performance, sliced_columns
from jobs.replay.history import Known
from tidewheel.policies.trigger.quality import DayQuality
from tidewheel.spec import Pipeline

if TYPE_CHECKING:
    from tidewheel.ledger import Ledger


@dataclass(frozen=True)
class Figure:
    """One figure as the ledger's rows have it."""

    partition: str
    version: str
    slice: str
    name: str
    value: float


class Watch:
    """Watches the champions of one play.

    Args:
        pipeline: says what is looked at.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._figures: dict[str, Mapping[Part, Mapping[str, float]]] = {}
        self.qualities: list[DayQuality] = []

    def measure(self, known: Known, day: date, version: str, answers: Array, expected: Expectation) -> None:
        """Measure a day that has matured.

        Args:
            known: what is known on the evening.
            day: the day, matured by then.
            version: who predicted the day.
            answers: what it said of the day's labelled rows.
            expected: what it showed on its gate's holdout.
        """
        label = self._pipeline.labels.column
        rows = known.labelled([day])
        # of columns that are no features a replay knows nothing, and it reports no gaps between groups
        said = rows.frame[[name for name in sliced_columns(self._pipeline) if name in rows.frame]].copy()
        said["prediction"], said[label] = answers, rows.truth
        said[VERSION], said[SOURCE] = version, MAIN
        if (weight := self._pipeline.training.sample_weight) is not None and rows.weights is not None:
            said[weight] = rows.weights
        labelled = LabelledPredictions(str(day), said)
        found = day_performance(self._pipeline, labelled, {version: expected}, reported=False)
        self._figures[str(day)] = {
            part: {name: value for name, value in figures.items() if not math.isnan(value)}
            for part, figures in found.figures.items()
        }
        quality = day_quality(self._pipeline.task, day, version, self._figures[str(day)][Part(version)])
        if quality:
            self.qualities.append(quality)

    def concept_alarms(self, evening: date) -> tuple[str, ...]:
        """Slices whose labels have come to mean something else, as job `monitor` finds them."""
        return tuple(slice_alarms(cast("Ledger", self), self._pipeline, evening))  # it asks for figures of days alone

    def figures_of_days(self, pipeline: str, first: str, last: str, names: set[str]) -> Iterator[Figure]:
        """Figures as `Ledger.figures_of_days` gives them; there is no other pipeline here."""
        for day, parts in self._figures.items():
            if first <= day <= last:
                for part, figures in parts.items():
                    for name in names & figures.keys():
                        yield Figure(day, part.version, part.slice, name, figures[name])
