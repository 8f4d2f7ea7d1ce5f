"""Going on from a fitted model, by further rounds of boosting or passes over the rows, instead of a fit from nothing.

The steps that prepare columns stay as they were fitted, so that every code means the same category as before. A
category that came later counts as one that training never saw.
"""

from __future__ import annotations

import copy
import inspect
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from jobs.training.boosting import is_boosted
from jobs.training.estimators import device_used, settle_for_prediction, use_gpu
from jobs.training.tabular_net import TabularNet
from tidewheel.errors import ModelRefused

if TYPE_CHECKING:
    from jobs.models.prediction import Array
    from jobs.training.fitting import TrainingRows
    from tidewheel.spec.training import Training

log = logging.getLogger("tidewheel.fitting")


@dataclass(frozen=True)
class Start:
    """A model to go on from.

    Attributes:
        version: whose model it is.
        model: fitted; it stays as it is.
        rounds: of boosting, or passes over the rows, that are added.
        number: of warm starts in a row, this one included.
        judged: whether it is the twin that the gate judged.
    """

    version: str
    model: Any
    rounds: int
    number: int
    judged: bool = False


def can_go_on(model: Any) -> bool:
    """Whether a model is of a kind that learns on: boosted trees of three libraries, or what has `partial_fit`."""
    last = model[-1]
    library = type(last).__module__.partition(".")[0]
    return (
        library in ("lightgbm", "catboost")
        or isinstance(last, TabularNet)
        or is_boosted(model)
        or hasattr(last, "partial_fit")
    )


def go_on(start: Start, training: Training, training_rows: TrainingRows, weights: Array | None) -> tuple[Any, str]:
    """Go on from a model with all rows of a training_rows.

    Args:
        start: the model, and by how much.
        training: says the seed, and whether a GPU may be used.
        training_rows: rows to learn from; the same columns as before.
        weights: how much each row counts; None: all the same.

    Returns:
        Another model, which answers on the CPU, and where it was fitted.

    Raises:
        ModelRefused: it is of no kind that learns on.
    """
    model = copy.deepcopy(start.model)
    if not can_go_on(model):
        raise ModelRefused(f"{type(model[-1]).__name__} cannot go on from a fitted model")
    rows, seed = model[:-1].transform(training_rows.frame), training.seed + start.number
    log.info(
        "going on from version %s: %s more rounds over %s rows", start.version, start.rounds, len(training_rows.frame)
    )
    use_gpu(training, model[-1])
    name, last = model.steps[-1]
    library = type(last).__module__.partition(".")[0]
    if library == "lightgbm":
        model.steps[-1] = (name, _lightgbm(last, start.rounds, seed, (rows, training_rows.truth, weights)))
    elif library == "catboost":
        more = clone(last).set_params(n_estimators=start.rounds, random_seed=seed)
        model.steps[-1] = (name, more.fit(rows, training_rows.truth, sample_weight=weights, init_model=last))
    elif is_boosted(model):
        total = int(last.get_booster().num_boosted_rounds()) + start.rounds
        last.set_params(n_estimators=start.rounds, random_state=seed)
        last.fit(rows, training_rows.truth, sample_weight=weights, xgb_model=last.get_booster())
        last.set_params(n_estimators=total)
    elif isinstance(last, TabularNet):
        last.set_params(random_state=seed, device=training.parameters.get("device", "auto"))
        last.learn_on(rows, training_rows.truth, weights, start.rounds)
    else:
        _partial_fit(last, start.rounds, (rows, training_rows.truth, weights))
    device = device_used(model)
    return settle_for_prediction(model), device


def _lightgbm(before: Any, rounds: int, seed: int, learned: tuple[Any, Array, Array | None]) -> Any:
    from lightgbm import Booster

    rows, truth, weights = learned
    more = clone(before).set_params(n_estimators=rounds, random_state=seed, n_jobs=None)
    more.fit(rows, truth, sample_weight=weights, init_model=before.booster_)
    # The new booster has all trees, and would go on holding the one before as well.
    more._Booster = Booster(model_str=more.booster_.model_to_string(num_iteration=-1))
    return more


def _partial_fit(last: Any, passes: int, learned: tuple[Any, Array, Array | None]) -> None:
    rows, truth, weights = learned
    takes_weights = "sample_weight" in inspect.signature(last.partial_fit).parameters
    if weights is not None and not takes_weights:
        raise ModelRefused(f"{type(last).__name__} cannot weigh rows: its partial_fit has no argument sample_weight")
    for _ in range(passes):
        last.partial_fit(rows, truth, **({} if weights is None else {"sample_weight": weights}))
