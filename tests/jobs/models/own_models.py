"""Models that a team might bring, each as the `module:function` of a pipeline file."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline as Steps
from sklearn.preprocessing import FunctionTransformer

NUMBERS = ["weight", "distance"]


def filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers without gaps."""
    return frame[NUMBERS].fillna(0.0)


def _model(*steps: Any, last: Any = None) -> Steps:
    made = [(f"step{n}", step) for n, step in enumerate(steps)]
    return Steps([*made, ("estimator", last or LogisticRegression(max_iter=300))])


def with_a_closure(scale: float = 2.0) -> Steps:
    def scaled(frame: pd.DataFrame) -> pd.DataFrame:
        return filled(frame) * scale

    return _model(FunctionTransformer(scaled))


def with_a_partial() -> Steps:
    return _model(FunctionTransformer(filled), FunctionTransformer(partial(np.clip, a_min=-3.0, a_max=3.0)))


class Filler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer of the team's own."""

    def fit(self, frame: pd.DataFrame, truth: Any = None) -> Filler:
        self.means_ = frame[NUMBERS].mean()
        return self

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[NUMBERS].fillna(self.means_)


def with_everything_of_its_own() -> Steps:
    """A lambda, a function of a module, a class of a module."""
    return _model(Filler(), FunctionTransformer(lambda numbers: numbers * 1.0), FunctionTransformer(filled))


def with_a_local_class() -> Steps:
    class Half(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, frame: Any, truth: Any) -> Half:
            self.classes_, self.rate_ = np.array([0.0, 1.0]), float(np.mean(truth))
            return self

        def predict_proba(self, frame: Any) -> np.ndarray:
            chance = np.clip(self.rate_ + np.asarray(frame)[:, 0] / 10, 0.01, 0.99)
            return np.column_stack([1 - chance, chance])

    return _model(FunctionTransformer(filled), last=Half())


def with_a_lock() -> Steps:
    lock = threading.Lock()

    def locked(frame: pd.DataFrame) -> pd.DataFrame:
        with lock:
            return filled(frame)

    return _model(FunctionTransformer(locked))


class Numbered(Filler):
    """A transformer that keeps a generator."""

    def fit(self, frame: pd.DataFrame, truth: Any = None) -> Numbered:
        super().fit(frame)
        self.numbers_ = (number for number in range(3))
        return self


def with_a_generator() -> Steps:
    return _model(Numbered())


def with_a_file_on_disk(path: str) -> Steps:
    def read(frame: pd.DataFrame) -> pd.DataFrame:
        return filled(frame) * float(Path(path).read_text())

    return _model(FunctionTransformer(read))


class Forgetful(Filler):
    """A transformer that loses what it has learned when it is written."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


def with_a_state_that_is_lost() -> Steps:
    return _model(Forgetful())


def with_an_import_of_the_project() -> Steps:
    def imports(frame: pd.DataFrame) -> pd.DataFrame:
        from tests.small_models import FEATURES  # what a team's repository has, and no service

        return filled(frame) * len(FEATURES.numeric)

    return _model(FunctionTransformer(imports))


def ranked(frame: pd.DataFrame) -> pd.DataFrame:
    return filled(frame).rank(pct=True)


def with_ranks() -> Steps:
    return _model(FunctionTransformer(ranked))


def with_the_means_of_the_batch() -> Steps:
    return _model(FunctionTransformer(lambda frame: frame[["pressure"]].fillna(frame[["pressure"]].mean()).fillna(0.0)))


def with_scales_of_the_batch() -> Steps:
    def scaled(frame: pd.DataFrame) -> np.ndarray:
        numbers = filled(frame).to_numpy()
        return (numbers - numbers.mean(axis=0)) / (numbers.std(axis=0) + 1e-9)

    return _model(FunctionTransformer(scaled))


def with_the_row_before() -> Steps:
    return _model(FunctionTransformer(lambda frame: filled(frame).diff().fillna(0.0)))


def with_bins_of_the_batch() -> Steps:
    def binned(frame: pd.DataFrame) -> pd.DataFrame:
        return filled(frame).apply(lambda column: pd.qcut(column, 4, labels=False)).astype(float)

    return _model(FunctionTransformer(binned))


def with_a_coin() -> Steps:
    def noisy(frame: pd.DataFrame) -> pd.DataFrame:
        return filled(frame) + np.random.default_rng().normal(size=(len(frame), 2))

    return _model(FunctionTransformer(noisy))


def with_columns_by_name() -> Steps:
    columns = ColumnTransformer([("numbers", FunctionTransformer(lambda frame: frame.fillna(0.0)), NUMBERS)])
    return Steps([("columns", columns), ("estimator", LogisticRegression(max_iter=300))])
