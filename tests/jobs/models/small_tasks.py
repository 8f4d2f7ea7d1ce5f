"""Labels and the predictions of two models, for each kind of label and each loss, with whole weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jobs.models.prediction import Array
from tidewheel.spec import Pipeline

LOSSES = ("classification", "multiclass", "squared_error", "poisson", "quantile")
ROWS, DAYS = 300, 6


@dataclass(frozen=True)
class Answers:
    """What two models said; `ours` is the better one."""

    pipeline: Pipeline
    truth: Array
    ours: Array
    theirs: Array
    weights: Array
    days: pd.Series[str]

    def repeated(self, values: Array) -> Array:
        """Values of rows, each as often as its weight says."""
        return np.repeat(values, self.weights.astype(int), axis=0)

    @property
    def repeated_days(self) -> pd.Series[str]:
        """The days of these rows."""
        return self.days.repeat(self.weights.astype(int)).reset_index(drop=True)


def pipeline_of(loss: str, **training: Any) -> Pipeline:
    """A pipeline of a task, or of a regression with a loss."""
    task = loss if loss in ("classification", "multiclass") else "regression"
    if task == "regression":
        training |= {"loss": loss, **({"quantile": 0.8} if loss == "quantile" else {})}
    reader = {"kind": "parquet", "path": "unused/{partition}.parquet"}
    return Pipeline.model_validate(
        {
            "name": "small",
            "description": "A small task",
            "owner": {"team": "tests"},
            "task": task,
            "source": {"reader": reader, "event_time": "at", "entity_key": ["id"]},
            "labels": {"reader": reader, "column": "label", "classes": ["a", "b", "c"] if task == "multiclass" else []},
            "features": {
                "transform": "unused:unused",
                "numeric": ["weight", "distance", "pressure"],
                "categorical": ["carrier", "origin"],
            },
            "training": training,
        }
    )


def answers(loss: str) -> Answers:
    """Draw labels, predictions and weights that go with the labels, so that weighing changes every figure."""
    rng = np.random.default_rng(3)
    pipeline, score = pipeline_of(loss), rng.normal(size=ROWS)
    days = pd.Series(np.repeat([f"2024-01-0{day + 1}" for day in range(DAYS)], ROWS // DAYS))
    if pipeline.task == "classification":
        chance = 1 / (1 + np.exp(-score))
        truth = (rng.random(ROWS) < chance).astype(float)
        ours, theirs = chance, 1 / (1 + np.exp(-score / 3))
    elif pipeline.task == "multiclass":
        odds = np.exp(np.column_stack([score, -score, rng.normal(size=ROWS)]))
        ours = odds / odds.sum(axis=1, keepdims=True)
        truth = np.array([rng.choice(3, p=row) for row in ours], dtype=float)
        theirs = (ours + 1 / 3) / 2
    else:
        mean = np.exp(score / 2) + 0.5
        truth = rng.poisson(mean).astype(float)
        ours, theirs = mean, np.full(ROWS, mean.mean())
    weights = 1 + (truth > np.median(truth)) + rng.integers(0, 3, size=ROWS).astype(float)
    return Answers(pipeline, truth, ours, theirs, weights, days)
