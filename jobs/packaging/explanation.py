"""What the service needs to explain predictions: a linear model's coefficients, or the paths through its trees."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bentos.explainer import MOST_WORK, Explainer, pack, points, unpack
from jobs.models.prediction import predict
from jobs.packaging.compile import columns_of, encoding_of, largest_difference
from jobs.packaging.tree import NotExplainable, RawTrees, Tree
from jobs.packaging.trees import raw_trees

if TYPE_CHECKING:
    import pandas as pd

    from bentos.contract import Contract
    from bentos.encoding import Encoding, Matrix

log = logging.getLogger("tidewheel.explanation")
ROWS = 200
"""Rows on which the explanation must add up to the prediction."""
LEAST_SHARE = 1e-12
UNITS = {"identity": "value", "logit": "log_odds", "log": "log_value"}


def explanation_of(
    model: Any, contract: Contract, frame: pd.DataFrame, tolerance: float, *, single_precision: bool = False
) -> bytes:
    """What `bentos.explainer` opens to explain a model; where it cannot be explained, the reason.

    Args:
        model: fitted scikit-learn Pipeline: steps that prepare columns, then an estimator.
        contract: names and types of its columns, and its task.
        frame: rows on which base and contributions must add up to the prediction.
        tolerance: by how much they may miss it.
        single_precision: whether what answers takes numbers and thresholds as float32, as ONNX does, so that a number
            close to a threshold takes the same branch here.
    """
    try:
        content = _content(model, contract, single_precision)
        _check(content, model, contract, frame.head(ROWS), tolerance)
    except Exception as error:
        # As for a form that a model cannot be compiled to: whatever an estimator raises, the reason is recorded.
        log.info("no prediction of this model can be explained: %s: %s", type(error).__name__, error)
        return pack(
            {"kind": "none", "reason": str(error).splitlines()[0][:300] if str(error) else type(error).__name__}
        )
    return content


def _content(model: Any, contract: Contract, single_precision: bool) -> bytes:
    if contract.task == "multiclass":
        raise NotExplainable("it predicts several classes, which are not explained yet")
    is_linear = hasattr(model[-1], "coef_")
    return _linear(model, contract) if is_linear else _trees(model, contract, single_precision)


def _check(content: bytes, model: Any, contract: Contract, frame: pd.DataFrame, tolerance: float) -> None:
    explainer = unpack(content)
    assert isinstance(explainer, Explainer)
    found = explainer(columns_of(frame, contract)).predictions
    difference = largest_difference(found, predict(model, frame, contract.task))
    if not difference <= tolerance:
        raise NotExplainable(
            f"what explains {type(model[-1]).__name__} would miss its predictions by up to {difference:.2g}, and "
            f"{tolerance:g} is allowed"
        )


def _linear(model: Any, contract: Contract) -> bytes:
    estimator, encoding = model[-1], encoding_of(model, contract)
    coefficients = np.asarray(estimator.coef_, dtype=np.float64)
    intercept = np.asarray(estimator.intercept_, dtype=np.float64).reshape(-1)
    if coefficients.size != len(encoding.base) or len(intercept) != 1:
        raise NotExplainable(f"{type(estimator).__name__} has more than one output")
    coefficients, owner = coefficients.reshape(-1), _owners(encoding)
    constant = (coefficients * np.asarray(encoding.base))[owner < 0].sum()
    about = {
        "kind": "linear",
        "unit": "log_odds" if contract.task == "classification" else "value",
        "base": float(intercept[0] + constant),
        "single_precision": False,
    }
    return pack(about, encoding, {"coefficients": coefficients, "owner": owner})


def _owners(encoding: Encoding) -> Matrix:
    """Which field makes each position of a prepared row, numbers first; -1 where none does."""
    owner = np.full(len(encoding.base), -1, dtype=np.int64)
    for field, column in enumerate(encoding.columns):
        owner[list(column.positions)] = field
    return owner


@dataclass(frozen=True)
class _Path:
    """The way to one leaf: of each field the share of training rows that follows it, and its edges."""

    value: float
    zero: dict[int, float]
    edges: dict[int, list[tuple[int, bool]]]


def _trees(model: Any, contract: Contract, single_precision: bool) -> bytes:
    raw, encoding = raw_trees(model[-1], contract.task), encoding_of(model, contract)
    if single_precision and not raw.single_precision:
        raw = raw.rounded()
    owner, constants = _owners(encoding), np.asarray(encoding.base)
    paths, first = [], 0
    for tree in raw.trees:
        paths += list(_paths(tree, first, owner, constants))
        first += len(tree.left)
    work = sum(len(path.zero) * points(len(path.zero)) for path in paths)
    if work > MOST_WORK:
        raise NotExplainable(f"its trees have {len(paths):,} leaves, too many to explain a row in about a second")
    base = raw.base + sum(path.value * float(np.prod(list(path.zero.values()))) for path in paths)
    about = {
        "kind": "trees",
        "unit": "probability" if raw.link == "identity" and contract.task == "classification" else UNITS[raw.link],
        "base": base,
        "single_precision": raw.single_precision,
    }
    return pack(about, encoding, _arrays(raw, [path for path in paths if path.zero]))


def _paths(tree: Tree, first: int, owner: Matrix, constants: Matrix) -> Iterator[_Path]:
    """Every path of a tree; a position that never changes is decided here and now."""
    stack: list[tuple[int, dict[int, float], dict[int, list[tuple[int, bool]]]]] = [(0, {}, {})]
    while stack:
        node, zero, edges = stack.pop()
        if tree.left[node] < 0:
            yield _Path(float(tree.value[node]), zero, edges)
            continue
        position = int(tree.position[node])
        field = int(owner[position])
        for goes_left, child in ((True, int(tree.left[node])), (False, int(tree.right[node]))):
            if field < 0:
                if (constants[position] <= tree.threshold[node]) == goes_left:
                    stack.append((child, zero, edges))
                continue
            mine = [*edges.get(field, []), (first + node, goes_left)]
            share = zero.get(field, 1.0) * _share(tree, node, child)
            stack.append((child, {**zero, field: share}, {**edges, field: mine}))


def _share(tree: Tree, node: int, child: int) -> float:
    """Of the training rows of a node, those that its child has; never 0, since other rows may come that way."""
    return max(LEAST_SHARE, float(tree.cover[child] / tree.cover[node])) if tree.cover[node] > 0 else 0.5


def _arrays(raw: RawTrees, paths: Sequence[_Path]) -> dict[str, Matrix]:
    """As `bentos.explainer.Trees` has them."""
    ordered = sorted(paths, key=lambda path: len(path.zero))
    edges = [edge for path in ordered for of_field in path.edges.values() for edge in of_field]
    lengths = [len(of_field) for path in ordered for of_field in path.edges.values()]
    sizes, counts = np.unique([len(path.zero) for path in ordered], return_counts=True)
    whole = {
        name: np.concatenate([getattr(tree, name) for tree in raw.trees])
        for name in ("position", "threshold", "missing_left")
    }
    return {
        "position": whole["position"].astype(np.int32),
        "threshold": whole["threshold"].astype(np.float64),
        "missing_left": whole["missing_left"].astype(np.bool_),
        "edge_node": np.array([node for node, _ in edges], dtype=np.int32),
        "edge_left": np.array([goes_left for _, goes_left in edges], dtype=np.bool_),
        "starts": np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if lengths else np.zeros(0, np.int64),
        "field": np.array([field for path in ordered for field in path.zero], dtype=np.int32),
        "zero": np.array([share for path in ordered for share in path.zero.values()], dtype=np.float64),
        "value": np.array([path.value for path in ordered], dtype=np.float64),
        "sizes": np.stack([sizes, counts], axis=1).astype(np.int64).reshape(-1, 2),
    }
