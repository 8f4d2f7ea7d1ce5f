"""The fields that add most to a prediction, as columns beside batch predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bentos.explainer import Explainer, unpack
from jobs.packaging.compile import columns_of

if TYPE_CHECKING:
    import pandas as pd

    from bentos.contract import Contract

FIELD, CONTRIBUTION = "top_field", "top_contribution"


@dataclass(frozen=True)
class TopContributions:
    """Names the fields with the largest contributions, either way; Spark sends it to the executors.

    Attributes:
        explanation: as `jobs.packaging.explanation` makes it.
        contract: of the model.
        count: how many fields a row names, where the model has so many.
    """

    explanation: bytes
    contract: Contract
    count: int

    @property
    def unit(self) -> str:
        """Of the contributions, empty where the model cannot be explained."""
        explainer = _opened(self.explanation)
        return explainer.unit if isinstance(explainer, Explainer) else ""

    @property
    def reason(self) -> str:
        """Why the model cannot be explained, empty where it can."""
        explainer = _opened(self.explanation)
        return explainer if isinstance(explainer, str) else ""

    @property
    def fields(self) -> list[pa.Field]:
        """The columns: `top_field_1`, `top_contribution_1`, and so on, the largest first."""
        kinds = {FIELD: pa.string(), CONTRIBUTION: pa.float64()}
        return [pa.field(f"{name}_{place}", kind) for place in range(1, self.count + 1) for name, kind in kinds.items()]

    def __call__(self, frame: pd.DataFrame) -> list[pa.Array]:
        """The columns for some rows; null where the model cannot be explained or has no more fields.

        Args:
            frame: feature columns as `jobs.models.prediction.model_frame` makes them.
        """
        explainer = _opened(self.explanation)
        if isinstance(explainer, str):
            return [pa.nulls(len(frame), field.type) for field in self.fields]
        contributions = explainer(columns_of(frame, self.contract))
        largest_first = np.argsort(-np.abs(contributions.contributions), axis=1, kind="stable")
        arrays: list[pa.Array] = []
        for place in range(self.count):
            if place >= len(contributions.fields):
                arrays += [pa.nulls(len(frame), pa.string()), pa.nulls(len(frame), pa.float64())]
                continue
            chosen = largest_first[:, place]
            arrays.append(pa.array([contributions.fields[field] for field in chosen], pa.string()))
            arrays.append(pa.array(contributions.contributions[np.arange(len(frame)), chosen], pa.float64()))
        return arrays


@lru_cache(maxsize=1)
def _opened(explanation: bytes) -> Explainer | str:
    return unpack(explanation)
