"""The trees of a LightGBM model as plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.packaging.tree import NotExplainable, RawTrees, Tree

LINKS = {
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "log"),
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), "identity"),
}
LOGISTIC = "binary sigmoid:1"


def lightgbm_trees(estimator: Any) -> RawTrees:
    """Take a fitted estimator of LightGBM's apart.

    Raises:
        NotExplainable: its objective, boosting or kind of split is none whose leaves add up to the output.
    """
    model = estimator.booster_.dump_model()
    if model["num_tree_per_iteration"] != 1:
        raise NotExplainable("it tells more than two classes apart")
    objective = str(model.get("objective", ""))
    name, *options = objective.split() or [""]
    link = "logit" if objective == LOGISTIC else None if "sqrt" in options else LINKS.get(name)
    if link is None:
        raise NotExplainable(f"LightGBM's objective {objective or '(of your own)'} is not explained")
    if model["average_output"]:
        raise NotExplainable("the trees of LightGBM's boosting rf are averaged, which is not explained")
    if estimator.get_params().get("linear_tree"):
        raise NotExplainable("its leaves are linear models, which are not explained")
    trees = tuple(_tree(one["tree_structure"]) for one in model["tree_info"])
    return RawTrees(trees, 0.0, link, single_precision=False)


def _tree(root: dict[str, Any]) -> Tree:
    """Nodes in the order of a walk from the root, left before right."""
    left, right, rows = list[int](), list[int](), list[tuple[Any, ...]]()
    waiting: list[tuple[dict[str, Any], int, list[int]]] = [(root, -1, left)]
    while waiting:
        node, parent, side = waiting.pop()
        number = len(rows)
        if parent >= 0:
            side[parent] = number
        left.append(-1)
        right.append(-1)
        if "split_index" not in node:
            # A tree that never split has no count of its rows.
            rows.append((0, 0.0, False, node.get("leaf_count", 0), node["leaf_value"]))
            continue
        rows.append((node["split_feature"], node["threshold"], _missing_left(node), node["internal_count"], 0.0))
        waiting += [(node["right_child"], number, right), (node["left_child"], number, left)]
    position, threshold, missing_left, cover, value = zip(*rows, strict=True)
    return Tree(
        left=np.array(left),
        right=np.array(right),
        position=np.array(position),
        threshold=np.array(threshold, dtype=np.float64),
        missing_left=np.array(missing_left, dtype=bool),
        cover=np.array(cover, dtype=np.float64),
        value=np.array(value, dtype=np.float64),
    )


def _missing_left(node: dict[str, Any]) -> bool:
    """Where a node sends a missing value; where training had none in this column, LightGBM takes it as 0."""
    if node["decision_type"] != "<=":
        raise NotExplainable("its trees split by sets of categories, which are not explained")
    match node["missing_type"]:
        case "NaN":
            return bool(node["default_left"])
        case "None":
            return bool(node["threshold"] >= 0)
        case other:
            raise NotExplainable(f"its trees take {other} as missing, which is not explained")
