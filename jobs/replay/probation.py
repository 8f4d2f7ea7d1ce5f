"""A version on probation in a play: it serves, and its predecessor predicts the same rows in its shadow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from jobs.data.training_data import TrainingData
from jobs.evaluation.usual_days import newest_days
from jobs.models.paired_losses import paired_day
from jobs.models.prediction import Array, predict
from jobs.models.row_weights import at
from jobs.replay.history import Known
from jobs.replay.retraining import Champion
from tidewheel.policies.probation import PairedDay, ProbationMeasurement
from tidewheel.spec import Pipeline


@dataclass
class Probation:
    """One of them.

    Attributes:
        version: which serves.
        predecessor: whose place it took.
        usual: both on days before the promotion.
        days: both on the labelled days since.
    """

    version: Champion
    predecessor: Champion
    usual: tuple[PairedDay, ...]
    days: list[PairedDay] = field(default_factory=list)

    def add(self, pipeline: Pipeline, known: Known, day: date, answers: Array) -> None:
        """Take note of a day whose labels have come."""
        rows = known.labelled([day])
        theirs = predict(self.predecessor.fit.model, rows.frame, pipeline.task)
        found = paired_day(day, pipeline.metric, rows.truth, answers, theirs, weights=rows.weights, loss=pipeline.loss)
        if found:
            self.days.append(found)

    def measured(self, today: date) -> ProbationMeasurement:
        """What the policy judges."""
        nights = (today - self.version.as_of).days
        return ProbationMeasurement(
            self.version.version, self.predecessor.version, tuple(self.days), self.usual, nights
        )


def usual_days(
    pipeline: Pipeline, known: Known, chosen: TrainingData, ours: Champion, theirs: Champion
) -> tuple[PairedDay, ...]:
    """Both models on the newest days before the promotion."""
    days = [day.day for day in newest_days(chosen.training)]
    rows = known.labelled(days)
    said = [predict(one.fit.model, rows.frame, pipeline.task) for one in (ours, theirs)]
    pairs = []
    for day in days:
        of_day = (rows.days == str(day)).to_numpy()
        parts = (rows.truth[of_day], *(answers[of_day] for answers in said))
        weights = at(rows.weights, of_day)
        pairs.append(paired_day(day, pipeline.metric, *parts, weights=weights, loss=pipeline.loss))
    return tuple(pair for pair in pairs if pair)
