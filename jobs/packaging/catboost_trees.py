"""The trees of a CatBoost model as plain arrays, and as an ONNX graph.

CatBoost's own export to ONNX takes no labels that are floats, no trees that are not symmetric, and leaves out the
exponential of a Poisson model.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.packaging.tree import NotExplainable, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentos.encoding import Matrix

LINKS = {
    **dict.fromkeys(("Logloss", "CrossEntropy"), "logit"),
    **dict.fromkeys(("Poisson", "Tweedie"), "log"),
    **dict.fromkeys(("RMSE", "MAE", "Quantile", "Huber", "Expectile", "LogCosh", "MAPE", "Lq"), "identity"),
    "MultiClass": "softmax",
}
OPSET, ML_OPSET, IR = 21, 3, 10


@dataclass(frozen=True)
class CatBoostTrees:
    """Trees whose leaves add up, with the base, to the raw outputs.

    Attributes:
        trees: `value` has a row for each node, and a column for each output.
        base: one for each output.
        link: how the raw outputs become the prediction: identity, logit, log or softmax.
    """

    trees: tuple[Tree, ...]
    base: Matrix
    link: str


def is_catboost(estimator: Any) -> bool:
    """Whether an estimator is one of CatBoost's."""
    return type(estimator).__module__.partition(".")[0] == "catboost"


def catboost_trees(estimator: Any) -> CatBoostTrees:
    """Take a fitted estimator of CatBoost's apart.

    Raises:
        NotExplainable: its loss, or a split of another kind than a number's, is none that is understood here.
    """
    loss = str(estimator.get_all_params()["loss_function"]).partition(":")[0]
    if loss not in LINKS:
        raise NotExplainable(f"CatBoost's loss {loss} is not understood")
    with tempfile.TemporaryDirectory(prefix="tidewheel-catboost-") as folder:
        path = Path(folder) / "model.json"  # it writes to files alone
        estimator.save_model(str(path), format="json")
        model = json.loads(path.read_text(encoding="utf-8"))
    scale, base = model["scale_and_bias"]
    grown = model["oblivious_trees"] if "oblivious_trees" in model else model["trees"]
    missing_left = [one["nan_value_treatment"] != "AsTrue" for one in model["features_info"]["float_features"]]
    trees = tuple(_Growing(missing_left, scale).grow(tree) for tree in grown)
    return CatBoostTrees(trees, np.asarray(base, dtype=np.float64), LINKS[loss])


@dataclass
class _Growing:
    """One tree, node after node."""

    missing_left: list[bool]
    scale: float
    nodes: list[dict[str, Any]] = field(default_factory=list)

    def grow(self, tree: Mapping[str, Any]) -> Tree:
        """The tree; a leaf's value is a row."""
        if "splits" in tree:
            values = np.asarray(tree["leaf_values"], dtype=np.float64).reshape(len(tree["leaf_weights"]), -1)
            self._level(tree["splits"] or [], values, tree["leaf_weights"])
        else:
            self._node(tree)
        outputs = max(len(node["value"]) for node in self.nodes)
        columns = {name: np.array([node[name] for node in self.nodes]) for name in ("left", "right", "position")}
        return Tree(
            **columns,
            threshold=np.array([node["threshold"] for node in self.nodes], dtype=np.float64),
            missing_left=np.array([node["missing_left"] for node in self.nodes], dtype=bool),
            cover=np.array([node["cover"] for node in self.nodes], dtype=np.float64),
            value=np.array([node["value"] if len(node["value"]) else [0.0] * outputs for node in self.nodes])
            * self.scale,
        )

    def _level(self, splits: list[Mapping[str, Any]], values: Matrix, weights: list[float]) -> int:
        """A subtree of a symmetric tree: all nodes of a level split alike; bit n of a leaf's number is split n."""
        if not splits:
            return self._leaf(values[0], weights[0])
        half = len(weights) // 2
        at = self._split(splits[-1])
        left = self._level(splits[:-1], values[:half], weights[:half])
        right = self._level(splits[:-1], values[half:], weights[half:])
        return self._join(at, left, right)

    def _node(self, tree: Mapping[str, Any]) -> int:
        if "split" not in tree:
            return self._leaf(np.atleast_1d(np.asarray(tree["value"], dtype=np.float64)), tree["weight"])
        at = self._split(tree["split"])
        return self._join(at, self._node(tree["left"]), self._node(tree["right"]))

    def _split(self, split: Mapping[str, Any]) -> int:
        if split["split_type"] != "FloatFeature":
            raise NotExplainable(f"its trees split by {split['split_type']}, which is not understood")
        position = int(split["float_feature_index"])
        self.nodes.append(
            # Right is what is more than the border.
            {
                "position": position,
                "threshold": split["border"],
                "missing_left": self.missing_left[position],
                "value": (),
            }
        )
        return len(self.nodes) - 1

    def _join(self, at: int, left: int, right: int) -> int:
        cover = self.nodes[left]["cover"] + self.nodes[right]["cover"]
        self.nodes[at] |= {"left": left, "right": right, "cover": cover}
        return at

    def _leaf(self, value: Matrix, weight: float) -> int:
        nothing = {"left": -1, "right": -1, "position": 0, "threshold": 0.0, "missing_left": False}
        self.nodes.append({**nothing, "cover": weight, "value": value})
        return len(self.nodes) - 1


def catboost_onnx(estimator: Any) -> bytes:
    """A fitted estimator of CatBoost's as an ONNX model: input X, float32; the last output is the prediction.

    Raises:
        NotExplainable: it is not made of trees that are understood here.
    """
    from onnx import TensorProto, checker, helper

    trees = catboost_trees(estimator)
    width = len(trees.base)
    nodes = [
        helper.make_node("TreeEnsembleRegressor", ["X"], ["raw"], domain="ai.onnx.ml", **_attributes(trees)),
        *{
            "identity": [helper.make_node("Identity", ["raw"], ["said"])],
            "logit": [helper.make_node("Sigmoid", ["raw"], ["said"])],
            "log": [helper.make_node("Exp", ["raw"], ["said"])],
            "softmax": [helper.make_node("Softmax", ["raw"], ["said"], axis=1)],
        }[trees.link],
    ]
    taken = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, int(estimator.n_features_in_)])
    given = helper.make_tensor_value_info("said", TensorProto.FLOAT, [None, width])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    graph = helper.make_graph(nodes, "catboost", [taken], [given])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _attributes(found: CatBoostTrees) -> dict[str, Any]:
    """Of the operator TreeEnsembleRegressor (ONNX, domain ai.onnx.ml, version 3)."""
    counts = [len(tree.left) for tree in found.trees]
    trees = np.repeat(np.arange(len(counts)), counts)
    numbers = np.concatenate([np.arange(count) for count in counts])
    whole = {
        name: np.concatenate([getattr(tree, name) for tree in found.trees])
        for name in ("left", "right", "position", "threshold", "missing_left", "value")
    }
    leaf, width = whole["left"] < 0, len(found.base)
    leaves = np.flatnonzero(leaf)
    return {
        "n_targets": width,
        "base_values": found.base.astype(np.float32).tolist(),
        "nodes_treeids": trees.tolist(),
        "nodes_nodeids": numbers.tolist(),
        "nodes_featureids": whole["position"].tolist(),
        "nodes_values": whole["threshold"].astype(np.float32).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": np.maximum(whole["left"], 0).tolist(),
        "nodes_falsenodeids": np.maximum(whole["right"], 0).tolist(),
        "nodes_missing_value_tracks_true": whole["missing_left"].astype(int).tolist(),
        "target_treeids": np.repeat(trees[leaves], width).tolist(),
        "target_nodeids": np.repeat(numbers[leaves], width).tolist(),
        "target_ids": np.tile(np.arange(width), len(leaves)).tolist(),
        "target_weights": whole["value"][leaves].astype(np.float32).ravel().tolist(),
    }
