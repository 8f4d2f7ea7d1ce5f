"""A neural net for tables: PyTorch fits it, on a GPU where there is one, and NumPy predicts, so serving needs no torch.

A multilayer perceptron, which after tuning comes close to larger architectures on tables (Gorishniy et al., "Revisiting
Deep Learning Models for Tabular Data", NeurIPS 2021). The columns before it are imputed, scaled and one-hot encoded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

if TYPE_CHECKING:
    from jobs.models.prediction import Array
    from jobs.training.boosting import Checkpoints

CHUNK = 65_536
"""Rows that are predicted together."""


class TabularNet(BaseEstimator, ABC):  # type: ignore[misc]
    """What the classifier and the regressor share.

    Args:
        hidden: units of each hidden layer.
        epochs: passes over the rows.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        dropout: share of the units of a hidden layer that a step leaves out.
        batch_size: rows of a step.
        loss: regression: `squared_error`, `poisson` or `quantile`.
        quantile: of the quantile loss.
        device: `auto` takes a GPU where torch has one.
        random_state: seed.

    Attributes:
        weights_: one matrix a layer, inputs x outputs, float32.
        biases_: one vector a layer.
        centre_, scale_: of the label; 0 and 1 except of a regression that is not Poisson's.
        device_: where it was fitted.
        link_: how the last layer becomes the prediction: identity, logit, log or softmax.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (128, 128),
        epochs: int = 20,
        learning_rate: float = 0.001,
        weight_decay: float = 0.0001,
        dropout: float = 0.1,
        batch_size: int = 1024,
        loss: str = "squared_error",
        quantile: float = 0.5,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.hidden, self.epochs, self.learning_rate, self.weight_decay = hidden, epochs, learning_rate, weight_decay
        self.dropout, self.batch_size, self.loss, self.quantile = dropout, batch_size, loss, quantile
        self.device, self.random_state = device, random_state

    def fit(
        self, rows: Any, truth: Any, sample_weight: Any = None, checkpoints: Checkpoints | None = None
    ) -> TabularNet:
        """Fit from nothing, or go on from the newest checkpoint of the same fit.

        Args:
            rows: a matrix, sparse or not; no missing values.
            truth: labels; of a classifier 0, 1, and so on.
            sample_weight: how much each row counts.
            checkpoints: where a state is stored every few epochs.
        """
        from jobs.training.net_fitting import learn

        self._prepare(np.asarray(truth))
        self.n_features_in_ = rows.shape[1]
        learn(self, rows, self._targets(truth), sample_weight, self.epochs, checkpoints)
        self._fold_constants(rows)
        return self

    def learn_on(self, rows: Any, truth: Any, sample_weight: Any, epochs: int) -> None:
        """Pass over other rows, beginning with the weights there are; labels keep their scale."""
        from jobs.training.net_fitting import learn

        learn(self, rows, self._targets(truth), sample_weight, epochs, None)

    def outputs(self, rows: Any) -> Array:
        """The last layer, in double precision: the same for a row alone and among others."""
        chunks = [self._forward(chunk) for chunk in _chunks(rows)]
        return np.concatenate(chunks) if chunks else np.zeros((0, self.width_))

    def _fold_constants(self, rows: Any) -> None:
        """Have inputs that were the same in all rows count for nothing: what they added becomes the bias."""
        lowest, highest = (
            np.asarray(_dense(getattr(rows, end)(axis=0)), dtype=np.float32).ravel() for end in ("min", "max")
        )
        same = lowest == highest
        self.biases_[0] = self.biases_[0] + lowest[same] @ self.weights_[0][same]
        self.weights_[0][same] = 0.0

    def _forward(self, values: Array) -> Array:
        for layer, (weights, biases) in enumerate(zip(self.weights_, self.biases_, strict=True)):
            values = values @ weights.astype(np.float64) + biases.astype(np.float64)
            if layer < len(self.weights_) - 1:
                values = np.maximum(values, 0.0)
        return np.asarray(values)

    @abstractmethod
    def _prepare(self, truth: Array) -> None:
        """Set classes, scale of the label, width and link of the last layer."""

    def _targets(self, truth: Any) -> Array:
        return np.asarray((np.asarray(truth, dtype=np.float64) - self.centre_) / self.scale_)


class TabularNetClassifier(ClassifierMixin, TabularNet):  # type: ignore[misc]
    """Two classes or more."""

    def _prepare(self, truth: Array) -> None:
        self.classes_ = np.unique(truth)
        self.centre_, self.scale_ = 0.0, 1.0
        several = len(self.classes_) > 2
        self.width_, self.link_ = (len(self.classes_), "softmax") if several else (1, "logit")

    def predict_proba(self, rows: Any) -> Array:
        """The probability of each class, one row a row."""
        raw = self.outputs(rows)
        if self.link_ == "logit":
            second = 0.5 * (1 + np.tanh(raw / 2))
            return np.hstack([1 - second, second])
        odds = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def predict(self, rows: Any) -> Array:
        """The most probable class."""
        return np.asarray(self.classes_[self.predict_proba(rows).argmax(axis=1)])


class TabularNetRegressor(RegressorMixin, TabularNet):  # type: ignore[misc]
    """Numbers: their mean, the mean of counts, or a quantile."""

    def _prepare(self, truth: Array) -> None:
        self.width_, self.link_ = 1, "log" if self.loss == "poisson" else "identity"
        scaled = self.loss != "poisson" and truth.std() > 0
        self.centre_, self.scale_ = (float(truth.mean()), float(truth.std())) if scaled else (0.0, 1.0)

    def predict(self, rows: Any) -> Array:
        """One number a row."""
        raw = self.outputs(rows)[:, 0]
        return np.asarray(np.exp(raw) if self.link_ == "log" else raw * self.scale_ + self.centre_)


def _dense(values: Any) -> Any:
    return values.toarray() if hasattr(values, "toarray") else values


def _chunks(rows: Any) -> Iterator[Array]:
    for first in range(0, rows.shape[0], CHUNK):
        some = rows[first : first + CHUNK]
        yield np.asarray(_dense(some), dtype=np.float64)
