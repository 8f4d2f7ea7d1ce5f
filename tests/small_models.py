"""Small trained models with contracts, as the registry holds them, for tests that compile, package or serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from bentos.contract import Contract
from jobs.models.contract import write_contract
from jobs.models.prediction import Task, model_frame
from jobs.training.estimators import build_model, settle_for_prediction
from tests.pipelines import PIPELINE_FILE
from tidewheel.spec import load_pipeline
from tidewheel.spec.sections import Features
from tidewheel.spec.training import Training

if TYPE_CHECKING:
    from pathlib import Path

    from tidewheel.spec import Pipeline

FEATURES = Features(transform="a:b", numeric=["weight", "distance", "pressure"], categorical=["carrier", "origin"])


CLASSES = ("light", "middle", "heavy")


class Trained(NamedTuple):
    """A fitted model, its contract, and the rows it was trained on."""

    model: Any
    contract: Contract
    frame: pd.DataFrame


def train(
    estimator: str = "hist_gradient_boosting", task: Task = "classification", *, weight: float = 1.0, **further: Any
) -> Trained:
    """Train a small model on parcels; `weight` is how much weight matters, so that versions differ."""
    draw = np.random.default_rng(0)
    rows = 1500
    raw = pd.DataFrame(
        {
            "weight": draw.normal(size=rows),
            "distance": draw.gamma(2, 100, size=rows),
            "pressure": draw.normal(1013, 7, size=rows),
            "carrier": draw.choice(["fast", "slow", "other"], size=rows),
            "origin": draw.choice(["EWR", "JFK", "LGA"], size=rows),
        }
    )
    raw.loc[draw.random(rows) < 0.1, "pressure"] = np.nan
    raw.loc[draw.random(rows) < 0.1, "origin"] = None
    frame = model_frame(raw, FEATURES)
    score = weight * raw["weight"] + (raw["carrier"] == "slow") + draw.normal(size=rows) / 4
    label = score * 10 if task == "regression" else (score > 0).astype(int)
    if task == "multiclass":
        label = np.digitize(score, [-0.5, 1.0])
    parameters: dict[str, Any] = {"max_iter": 20} if estimator == "hist_gradient_boosting" else {}
    if estimator in ("random_forest", "xgboost", "lightgbm", "catboost"):
        parameters = {"n_estimators": 20}
    parameters |= further
    model = build_model(Training(estimator=estimator, parameters=parameters), FEATURES, task).fit(frame, label)
    settle_for_prediction(model)
    classes = CLASSES if task == "multiclass" else ()
    return Trained(model, write_contract("orders", task, FEATURES, frame, model, classes), frame)


def pipeline(folder: Path) -> Pipeline:
    """The smallest pipeline, `orders`."""
    path = folder / "orders.yaml"
    path.write_text(PIPELINE_FILE, encoding="utf-8")
    return load_pipeline(path)
