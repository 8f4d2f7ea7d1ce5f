"""The trees of an estimator as plain arrays, whichever library grew them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.packaging.catboost_trees import catboost_trees, is_catboost
from jobs.packaging.lightgbm_trees import lightgbm_trees
from jobs.packaging.tree import NotExplainable, RawTrees, Tree

if TYPE_CHECKING:
    from jobs.models.prediction import Task

EXPLAINED = "linear models, random forests, HistGradientBoosting, XGBoost, LightGBM and CatBoost are"
XGBOOST_LINKS = {
    **dict.fromkeys(("binary:logistic", "reg:logistic"), "logit"),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), "log"),
    **dict.fromkeys(("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror"), "identity"),
}
LINKS = {"IdentityLink": "identity", "LogLink": "log", "LogitLink": "logit"}


def raw_trees(estimator: Any, task: Task) -> RawTrees:
    """Take an estimator apart.

    Args:
        estimator: fitted; the last step of a model.
        task: of its label.

    Raises:
        NotExplainable: it is not made of such trees.
    """
    if hasattr(estimator, "get_booster"):
        return _of_xgboost(estimator)
    if hasattr(estimator, "booster_"):
        return lightgbm_trees(estimator)
    if is_catboost(estimator):
        return _of_catboost(estimator)
    if hasattr(estimator, "_predictors"):
        return _of_hist_gradient_boosting(estimator)
    if hasattr(estimator, "estimators_") and hasattr(estimator, "estimator_"):
        grown = list(np.ravel(estimator.estimators_))
        if all(hasattr(tree, "tree_") for tree in grown) and type(estimator).__module__.endswith("_forest"):
            return _of_forest(grown, task)
    if hasattr(estimator, "tree_"):
        return _of_forest([estimator], task)
    raise NotExplainable(f"{type(estimator).__name__} is neither linear nor made of trees; {EXPLAINED}")


def _of_forest(grown: list[Any], task: Task) -> RawTrees:
    trees = []
    for one in grown:
        tree = one.tree_
        if tree.n_outputs != 1:
            raise NotExplainable("it has more than one output")
        values = tree.value[:, 0, :]
        # Each tree's share of the label 1, or its mean; the forest's is their mean.
        leaf = values[:, 1] / values.sum(axis=1) if task == "classification" else values[:, 0]
        trees.append(
            Tree(
                left=tree.children_left,
                right=tree.children_right,
                position=np.maximum(tree.feature, 0),
                threshold=tree.threshold,
                missing_left=np.asarray(tree.missing_go_to_left).astype(bool),
                cover=tree.weighted_n_node_samples,
                value=leaf / len(grown),
            )
        )
    return RawTrees(tuple(trees), 0.0, "identity", single_precision=True)


def _of_hist_gradient_boosting(estimator: Any) -> RawTrees:
    trees = []
    for of_iteration in estimator._predictors:
        if len(of_iteration) != 1:
            raise NotExplainable("it tells more than two classes apart")
        nodes = of_iteration[0].nodes
        if nodes["is_categorical"].any():
            raise NotExplainable("its trees split by sets of categories, which are not explained")
        leaf = nodes["is_leaf"].astype(bool)
        trees.append(
            Tree(
                left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
                right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
                position=np.where(leaf, 0, nodes["feature_idx"]),
                threshold=nodes["num_threshold"],
                missing_left=nodes["missing_go_to_left"].astype(bool),
                cover=nodes["count"].astype(np.float64),
                value=nodes["value"],
            )
        )
    link = LINKS[type(estimator._loss.link).__name__]
    return RawTrees(tuple(trees), float(np.ravel(estimator._baseline_prediction)[0]), link, single_precision=False)


def _of_xgboost(estimator: Any) -> RawTrees:
    learner = json.loads(estimator.get_booster().save_raw("json"))["learner"]
    booster, objective = learner["gradient_booster"], learner["objective"]["name"]
    if booster["name"] != "gbtree" or objective not in XGBOOST_LINKS:
        raise NotExplainable(f"XGBoost's booster {booster['name']} with objective {objective} is not explained")
    trees = [_xgboost_tree(tree) for tree in booster["model"]["trees"]]
    link = XGBOOST_LINKS[objective]
    score = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    base = {"identity": lambda: score, "log": lambda: math.log(score), "logit": lambda: math.log(score / (1 - score))}
    return RawTrees(tuple(trees), base[link](), link, single_precision=True)


def _of_catboost(estimator: Any) -> RawTrees:
    found = catboost_trees(estimator)
    if found.link == "softmax":
        raise NotExplainable("it tells more than two classes apart")
    trees = tuple(replace(tree, value=tree.value[:, 0]) for tree in found.trees)
    return RawTrees(trees, float(found.base[0]), found.link, single_precision=True)


def _xgboost_tree(tree: dict[str, Any]) -> Tree:
    if any(tree["split_type"]):
        raise NotExplainable("its trees split by sets of categories, which are not explained")
    left, conditions = np.array(tree["left_children"]), np.array(tree["split_conditions"], dtype=np.float32)
    return Tree(
        left=left,
        right=np.array(tree["right_children"]),
        position=np.array(tree["split_indices"]),
        # Left is what is less; that is at most the number before.
        threshold=np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64),
        missing_left=np.array(tree["default_left"]).astype(bool),
        cover=np.array(tree["sum_hessian"], dtype=np.float64),
        value=conditions.astype(np.float64),
    )
