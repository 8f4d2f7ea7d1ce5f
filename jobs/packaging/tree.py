"""A decision tree, and an ensemble of them, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bentos.encoding import Matrix


class NotExplainable(Exception):
    """No prediction of a model can be explained; the sentence says why, and begins with the model."""


@dataclass(frozen=True)
class Tree:
    """One tree; node 0 is its root.

    Attributes:
        left: child for values of at most the threshold; negative at a leaf.
        right: the other child.
        position: of the prepared row, that a node looks at.
        threshold: of a node.
        missing_left: whether a missing value goes to the left.
        cover: how many training rows, or how much of their weight, a node has.
        value: of a leaf.
    """

    left: Matrix
    right: Matrix
    position: Matrix
    threshold: Matrix
    missing_left: Matrix
    cover: Matrix
    value: Matrix


@dataclass(frozen=True)
class RawTrees:
    """Trees whose leaves add up, with the base, to the raw output.

    Attributes:
        base: what is added to every row.
        link: how the raw output becomes the prediction: identity, logit (of the prediction), or log.
        single_precision: whether the estimator sees its inputs as float32.
    """

    trees: tuple[Tree, ...]
    base: float
    link: str
    single_precision: bool

    def rounded(self) -> RawTrees:
        """The same in single precision, thresholds rounded to the nearest, as a converter to ONNX does it."""
        trees = (replace(t, threshold=t.threshold.astype(np.float32).astype(np.float64)) for t in self.trees)
        return replace(self, trees=tuple(trees), single_precision=True)
