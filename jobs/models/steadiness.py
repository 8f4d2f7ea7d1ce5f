"""Does a model predict a row the same each time: again, alone, in another order, among other rows?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.models.prediction import model_frame, predict
from tidewheel.policies.gate.measurement import Unsteady

if TYPE_CHECKING:
    from collections.abc import Callable

    from bentos.contract import Contract
    from jobs.models.prediction import Array, FittedModel, Task


def golden_frame(contract: Contract) -> pd.DataFrame:
    """The golden rows as a model gets them."""
    names = [*contract.numeric, *contract.categorical]
    rows = [[golden.row[name] for name in names] for golden in contract.golden_rows]
    return model_frame(pd.DataFrame(rows, columns=names, dtype=object), contract)


def unsteadiness(
    model: FittedModel, frame: pd.DataFrame, task: Task, tolerance: float, others: pd.DataFrame | None = None
) -> Unsteady | None:
    """Ask for the same rows in several ways.

    Args:
        model: a fitted model.
        frame: the rows, as `jobs.models.prediction.model_frame` makes them.
        task: kind of label.
        tolerance: largest difference, relative to predictions beyond 1, that is rounding.
        others: more rows, to ask among.

    Returns:
        The row that differs most in the first way that makes one differ; None where none does.
    """
    together = predict(model, frame, task)
    company = frame if others is None else pd.concat([frame, others], ignore_index=True)

    def alone() -> Array:
        return np.concatenate([predict(model, frame.iloc[[row]], task) for row in range(len(frame))])

    ways: dict[str, Callable[[], Array]] = {
        "again": lambda: predict(model, frame, task),
        "alone": alone,
        "in another order": lambda: predict(model, frame.iloc[::-1], task)[::-1],
        "among more rows": lambda: predict(model, company, task)[: len(frame)],
    }
    for way, ask in ways.items():
        try:
            answers = ask()
        except Exception as error:  # a team's code raises whatever it likes, and golden rows together were answered
            return Unsteady(way, error=f"{type(error).__name__}: {error}")
        apart = np.abs(answers - together) / np.maximum(1.0, np.abs(together))
        apart[np.isnan(answers) & np.isnan(together)] = 0.0
        furthest = np.nan_to_num(apart, nan=np.inf).reshape(len(frame), -1).max(axis=1)
        row = int(np.argmax(furthest))
        if not furthest[row] <= tolerance:
            return Unsteady(way, row, float(np.max(np.abs(answers[row] - together[row]))))
    return None
