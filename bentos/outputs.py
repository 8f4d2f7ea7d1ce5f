"""What a prediction is, as columns: one number a row, or the most probable class and the probability of each class.

Batch scoring, the endpoint, the prediction log and monitoring all take these columns from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

PREDICTION = "prediction"
PROBABILITY = "probability_"
"""What the names of the columns begin with that hold the probability of a class."""

Answers = np.ndarray[Any, np.dtype[np.float64]]
"""One number a row; of a multiclass model, one row of probabilities a row, a column for each class."""


@dataclass(frozen=True)
class Outputs:
    """The columns of a model's predictions.

    Attributes:
        classes: names of the classes in the order of the model's probabilities, all texts or all integers; empty where
            a prediction is one number.
    """

    classes: tuple[str | int, ...] = ()

    @property
    def width(self) -> int:
        """Numbers that the model gives for a row."""
        return len(self.classes) or 1

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The classes as text: keys of an answer's probabilities."""
        return tuple(map(str, self.classes))

    @property
    def probabilities(self) -> list[str]:
        """Names of the columns of probabilities; none where a prediction is one number."""
        return [f"{PROBABILITY}{name}" for name in self.names]

    @property
    def columns(self) -> list[str]:
        """Names of all columns of a prediction."""
        return [PREDICTION, *self.probabilities]

    @property
    def fields(self) -> list[pa.Field]:
        """Names and types of the columns."""
        if not self.classes:
            return [pa.field(PREDICTION, pa.float64())]
        return [pa.field(PREDICTION, self._kind), *(pa.field(name, pa.float64()) for name in self.probabilities)]

    def arrays(self, answers: Answers) -> list[pa.Array]:
        """Predictions as the columns of `fields`; the class of a row is null where a probability is no number."""
        if not self.classes:
            return [pa.array(answers, pa.float64())]
        return [pa.array(self.chosen(answers), self._kind), *(pa.array(column, pa.float64()) for column in answers.T)]

    def chosen(self, answers: Answers) -> list[str | int | None]:
        """The most probable class of each row, the first of equal ones; None where a probability is no number."""
        known = np.asarray(np.isfinite(answers).all(axis=1))
        places = np.argmax(answers, axis=1)
        return [self.classes[place] if there else None for place, there in zip(places, known, strict=True)]

    def by_class(self, answers: Answers) -> list[dict[str, float]]:
        """The probabilities of each row by the name of the class."""
        return [dict(zip(self.names, row, strict=True)) for row in answers.tolist()]

    def read(self, columns: Mapping[str, Any], rows: int) -> Answers:
        """Predictions back from their columns.

        Args:
            columns: by name, such as a data frame's; a class that the model did not know has none.
            rows: how many.

        Returns:
            One number a row, or one row of probabilities a row: 0 for a class that has no column, and where the row is
            of a version that did not know the class.
        """
        if not self.classes:
            return np.asarray(columns[PREDICTION], dtype=np.float64)
        answers = np.zeros((rows, len(self.classes)))
        for place, name in enumerate(self.probabilities):
            if name in columns:
                answers[:, place] = columns[name]
        answered = np.isfinite(answers).any(axis=1)
        answers[answered] = np.nan_to_num(answers[answered], nan=0.0)
        return answers

    @property
    def _kind(self) -> pa.DataType:
        return pa.string() if isinstance(self.classes[0], str) else pa.int64()


ONE_NUMBER = Outputs()


def aligned(answers: Answers, known: Sequence[str | int], classes: Sequence[str | int]) -> Answers:
    """Probabilities in another order of classes: 0 for one that the model did not know, none for one that is gone.

    Args:
        answers: one row of probabilities a row.
        known: classes of its columns.
        classes: classes of the result's columns.
    """
    if tuple(known) == tuple(classes):
        return answers
    places = {name: place for place, name in enumerate(known)}
    nothing = np.zeros(len(answers))
    return np.column_stack([answers[:, places[name]] if name in places else nothing for name in classes])
