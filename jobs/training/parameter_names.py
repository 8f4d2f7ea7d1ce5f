"""Which parameters an estimator takes: libraries that accept any name would ignore a misspelt one."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

CATBOOST_SYNONYMS = {
    **dict.fromkeys(("iterations", "num_boost_round", "num_trees"), "n_estimators"),
    "colsample_bylevel": "rsm",
    "eta": "learning_rate",
    "max_bin": "border_count",
    "max_depth": "depth",
    "objective": "loss_function",
    "random_state": "random_seed",
    "reg_lambda": "l2_leaf_reg",
}
"""Second names of CatBoost's: a search, or a default of ours, would set a parameter that the pipeline has set too."""


def check_names(estimator: Any, parameters: Collection[str]) -> None:
    """See that an estimator takes parameters of these names.

    Args:
        estimator: the class.
        parameters: names.

    Raises:
        TypeError: it does not, or has another name for one of them; the message says which.
    """
    taken, synonyms = _names(estimator)
    if unknown := sorted(set(parameters) - taken - synonyms.keys()):
        raise TypeError(f"{estimator.__name__} knows no {', '.join(unknown)}")
    if second := sorted(set(parameters) & synonyms.keys()):
        named = ", ".join(f"{synonyms[name]} instead of {name}" for name in second)
        raise TypeError(f"write {named}: one name for one parameter, so that a search can set it")


def _names(estimator: Any) -> tuple[set[str], Mapping[str, str]]:
    """The names that are taken, and second names with the first name of each."""
    library = estimator.__module__.partition(".")[0]
    if library == "catboost":  # its get_params lists what was set, and no more
        named = {
            name for name, one in signature(estimator.__init__).parameters.items() if one.kind != Parameter.VAR_KEYWORD
        }
        return named - {"self"} - CATBOOST_SYNONYMS.keys(), CATBOOST_SYNONYMS
    taken = set(estimator().get_params())
    return _lightgbm_names(taken) if library == "lightgbm" else (taken, {})


def _lightgbm_names(listed: set[str]) -> tuple[set[str], Mapping[str, str]]:
    """What LightGBM's scikit-learn classes list, and the parameters of its core that these hand on."""
    from lightgbm.basic import _ConfigAliases  # the library publishes its table of names on a web page only

    taken, synonyms = set(listed), dict[str, str]()
    for core, others in _ConfigAliases._get_all_param_aliases().items():
        names = {core, *others}
        first = next(iter(sorted(names & listed)), core)
        taken.add(first)
        synonyms |= dict.fromkeys(names - {first} - listed, first)
    return taken, synonyms
