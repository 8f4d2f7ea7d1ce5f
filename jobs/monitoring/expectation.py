"""What monitoring may expect of a version's predictions, as its gate measured it on the holdout."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from jobs.models.recalibration import LITERAL, CalibrationLine
from tidewheel.ledger.trainings import Trainings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.monitoring.figure_source import FigureSource
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.trainings import Judgement


FIRST_DAYS = 5
"""Labelled days after which the error of a version that was promoted unseen is taken for known."""


@dataclass(frozen=True)
class Expectation:
    """What one version showed on the holdout.

    Attributes:
        squared_error: mean squared error; regression only, NaN where unknown.
        line: what its predictions mean.
    """

    squared_error: float = math.nan
    line: CalibrationLine = LITERAL


UNKNOWN = Expectation()


def expectations(ledger: Ledger, pipeline: str) -> dict[str, Expectation]:
    """By version that was judged, from its training's row or its first days."""
    return expected_of(Trainings(ledger).judgements(pipeline), ledger, pipeline)


def expected_of(judgements: Iterable[Judgement], figures: FigureSource, pipeline: str) -> dict[str, Expectation]:
    """By version that was judged, from what its gate measured or its first days.

    Args:
        judgements: of the versions so far, oldest first.
        figures: of the days that were measured.
        pipeline: its name.
    """
    first_days, expected = _first_days(figures, pipeline), {}
    for judged in judgements:
        error = judged.squared_error if judged.holdout else first_days.get(judged.version)
        expected[judged.version] = Expectation(
            math.nan if error is None else error, CalibrationLine.from_json(judged.meaning)
        )
    return expected


def _first_days(figures: FigureSource, pipeline: str) -> dict[str, float]:
    """The mean squared error of the first days of each version that has enough of them.

    A version that was judged on days it had learned from has shown nothing of its errors before it served.
    """
    days: defaultdict[str, list[float]] = defaultdict(list)
    for row in figures.figures(pipeline, "squared_error"):
        days[row.version].append(row.value)
    return {version: fmean(errors[:FIRST_DAYS]) for version, errors in days.items() if len(errors) >= FIRST_DAYS}
