"""Whether the declared model can be built, can learn from rows with gaps and predict; at a search space's ends too."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from jobs.checking.finding import Wrong, reason
from jobs.checking.made_up import MadeUp, made_up_rows
from jobs.models.prediction import predict
from jobs.training.class_weights import fit_weights
from jobs.training.estimators import build_model, settle_for_prediction, weight_arguments
from jobs.training.families import FAMILIES
from jobs.training.going_on import can_go_on
from jobs.training.search_space import extremes
from tidewheel.errors import ModelRefused, SpecError

if TYPE_CHECKING:
    from jobs.models.prediction import Array
    from tidewheel.spec import Pipeline
    from tidewheel.spec.training import Training

FEW, MANY = 200, 2_000
"""Rows to fit to. What fails on a few may want more of them, a neighbour's number for example: many decide."""
ROUNDS = 5
ITERATIONS = ("max_iter", "n_estimators", "epochs")
FORMS_VARY = ("xgboost", "lightgbm", "catboost", "tabular_net")
"""Named estimators that are not served by a fast form, or explained, whatever their parameters."""
GPU = {"xgboost": "device", "catboost": "task_type", "tabular_net": "device"}
"""Named estimators that can use one GPU, and the parameter that says so."""
"""Parameters of named estimators whose number is right or wrong whatever it is, and costs time."""
PATIENCE_SECONDS = 60.0
ESTIMATOR, PARAMETERS = ("training", "estimator"), ("training", "parameters")
SPACE = ("training", "search", "space")
WARM = ("training", "warm_start")


def model_mistakes(pipeline: Pipeline) -> Iterator[Wrong]:
    """Why no night could fit and ask the declared model."""
    wrong = _wrong_with(pipeline, pipeline.training)
    if wrong:
        yield _blamed(pipeline, wrong)
        return
    if pipeline.training.warm_start:
        model = build_model(quick_training(pipeline.training), pipeline.features, pipeline.task)
        if not can_go_on(model):
            kind = type(model[-1]).__name__
            yield Wrong(
                WARM, f"{kind} cannot go on from a fitted model as it is declared; expected one with partial_fit"
            )
    yield from _search_space(pipeline)


def model_doubts(pipeline: Pipeline) -> Iterator[Wrong]:
    """A model of the team's own that only complete rows suit, and parameters that are set and count for nothing."""
    if pipeline.training.estimator not in FAMILIES:
        gaps = _wrong_rows(pipeline, pipeline.training, made_up_rows(pipeline, FEW))
        if gaps and not _wrong_with(pipeline, pipeline.training):
            yield Wrong(ESTIMATOR, f"takes no row with a missing value or a new category: {gaps}")
    yield from _idle_gpus(pipeline)
    for name in pipeline.training.parameters:
        if name.split("__")[-1] == "random_state":
            yield Wrong(
                (*PARAMETERS, name), f"counts for nothing: training.seed ({pipeline.training.seed}) replaces it"
            )


def _idle_gpus(pipeline: Pipeline) -> Iterator[Wrong]:
    """GPUs that a job asks for and does not use; of an estimator of the team's own nobody knows."""
    estimator = pipeline.training.estimator
    for job, quotas in pipeline.resources.items():
        if not quotas.gpu:
            continue
        place = ("resources", job, "gpu")
        if job != "train":
            yield Wrong(place, f"keeps {quotas.gpu} idle: only the job train uses a GPU")
        elif estimator in FAMILIES and estimator not in GPU:
            yield Wrong(place, f"keeps {quotas.gpu} idle: {estimator} is fitted on the CPU; xgboost uses a GPU")
        elif estimator == "catboost" and pipeline.training.parameters.get("task_type") != "GPU":
            yield Wrong(
                place,
                f"keeps {quotas.gpu} idle: catboost is fitted on the CPU without `task_type: GPU` in its parameters",
            )
        elif quotas.gpu > 1 and estimator in GPU:
            yield Wrong(place, f"keeps {quotas.gpu - 1} idle: {estimator} is fitted on one GPU")


def served_doubts(pipeline: Pipeline, doubts_of: Callable[[Any, MadeUp], Iterable[str]]) -> Iterator[Wrong]:
    """What is not served or explained exactly of a model of a library whose parameters decide that.

    Args:
        pipeline: its declaration.
        doubts_of: says it of a fitted model and the rows that it was fitted to.
    """
    if pipeline.training.estimator not in FORMS_VARY:
        return
    rows = made_up_rows(pipeline, FEW)
    try:
        model = build_model(quick_training(pipeline.training), pipeline.features, pipeline.task)
        model.fit(rows.frame, rows.truth)
    except Exception:  # model_mistakes names it: it is a mistake, and no doubt
        return
    yield from (Wrong(PARAMETERS, said) for said in doubts_of(settle_for_prediction(model), rows))


class _Unfit(Exception):
    """Why a model cannot be used."""


def _wrong_with(pipeline: Pipeline, training: Training) -> str:
    """Why a model cannot be built or fitted, or cannot predict, with any rows; empty where it can."""
    few = made_up_rows(pipeline, FEW)
    if not _wrong_rows(pipeline, training, few):
        return ""
    if training.estimator not in FAMILIES and not _wrong_rows(pipeline, training, few.without_gaps):
        return ""
    return _wrong_rows(pipeline, training, made_up_rows(pipeline, MANY).without_gaps)


def _wrong_rows(pipeline: Pipeline, training: Training, rows: MadeUp) -> str:
    try:
        _try(pipeline, training, rows)
    except (_Unfit, SpecError, ModelRefused) as error:
        return str(error)
    except (Exception, SystemExit) as error:  # the estimator may be a function of the team's own
        return reason(error)
    return ""


def _try(pipeline: Pipeline, training: Training, rows: MadeUp) -> None:
    try:
        model = build_model(quick_training(training), pipeline.features, pipeline.task)
    except SpecError:
        raise
    except (Exception, SystemExit) as error:
        raise _Unfit(f"{training.estimator} cannot be built: {reason(error)}") from error
    _right_kind(model, training.estimator, pipeline)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a few made-up rows it means nothing that a fit does not converge
        try:
            model.fit(rows.frame, rows.truth, **weight_arguments(model, _weights(pipeline, rows)))
        except TypeError as error:
            raise _Unfit(f"{training.estimator} cannot be fitted to rows of these columns: {reason(error)}") from error
        settle_for_prediction(model)
        if pipeline.task != "regression" and not hasattr(model, "predict_proba"):
            raise _Unfit(
                f"{training.estimator} makes a {type(model[-1]).__name__}, which has no predict_proba; a classifier "
                "is judged by its probabilities: name another, or wrap it in sklearn.calibration.CalibratedClassifierCV"
            )
        said = predict(model, rows.incomplete, pipeline.task)
    width = (len(pipeline.labels.classes),) if pipeline.task == "multiclass" else ()
    if said.shape != (len(rows.incomplete), *width) or not np.isfinite(said).all():
        raise _Unfit(
            f"{training.estimator} answers made-up rows, one with a missing value and one with a new category, with "
            f"what is no number: {said[:3]}"
        )


def _weights(pipeline: Pipeline, rows: MadeUp) -> Array | None:
    """Weights as a fit would have them, to see that the estimator takes them."""
    of_rows = np.ones_like(rows.truth) if pipeline.training.sample_weight else None
    return fit_weights(pipeline, rows.truth, of_rows)


def _right_kind(model: Any, estimator: str, pipeline: Pipeline) -> None:
    last = model[-1]
    wrong = is_classifier(last) if pipeline.task == "regression" else is_regressor(last)
    if wrong:
        kind = "classifier" if pipeline.task == "regression" else "regressor"
        raise _Unfit(f"{estimator} makes a {type(last).__name__}, a {kind}; the task is {pipeline.task}")


def quick_training(training: Training) -> Training:
    """The same declaration with fewer rounds, and on a device that is here."""
    if training.estimator not in FAMILIES:
        return training
    quick: dict[str, Any] = {
        name: min(value, ROUNDS)
        for name in ITERATIONS
        if isinstance(value := training.parameters.get(name), int) and not isinstance(value, bool)
    }
    if training.estimator != "logistic_regression":
        quick = {**dict.fromkeys(_rounds_of(training.estimator), ROUNDS), **quick}
    for name in GPU.values():
        if str(training.parameters.get(name, "cpu")).lower().startswith(("cuda", "gpu")):
            quick[name] = "CPU" if name == "task_type" else "cpu"
    return training.model_copy(update={"parameters": {**training.parameters, **quick}})


def _rounds_of(estimator: str) -> tuple[str, ...]:
    rounds = {"hist_gradient_boosting": "max_iter", "tabular_net": "epochs"}
    return (rounds.get(estimator, "n_estimators"),)


def _blamed(pipeline: Pipeline, wrong: str) -> Wrong:
    """The key to change: the parameter that the message names, where there is one, else the estimator."""
    training = pipeline.training
    if named := [name for name in training.parameters if name.rsplit("__", 1)[-1] in wrong]:
        longest = max(named, key=len)
        return Wrong((*PARAMETERS, longest), f"found {training.parameters[longest]!r:.80}; {wrong}")
    return Wrong(ESTIMATOR, wrong)


def _search_space(pipeline: Pipeline) -> Iterator[Wrong]:
    """An end of the space that the estimator does not take would fail in the middle of a night."""
    search, started = pipeline.training.search, time.monotonic()
    if search is None:
        return
    try:
        ends = extremes(pipeline.training, pipeline.task)
    except Exception as error:  # whatever Optuna says of a space
        yield Wrong(SPACE, reason(error))
        return
    tried = {"lowest": {n: values[0] for n, values in ends.items()}, "highest": {n: v[-1] for n, v in ends.items()}}
    if all(not _drawn_wrong(pipeline, drawn) for drawn in tried.values()):
        middle = {name: values[1:-1] for name, values in ends.items() if len(values) > len(tried)}
        yield from _one_by_one(pipeline, middle, started)
        return
    mistakes = list(_one_by_one(pipeline, ends, started))
    yield from mistakes
    if not mistakes:
        which, wrong = next((name, said) for name, d in tried.items() if (said := _drawn_wrong(pipeline, d)))
        yield Wrong(SPACE, f"the {which} value of every parameter together: {wrong}")


def _one_by_one(pipeline: Pipeline, values: Mapping[str, list[Any]], started: float) -> Iterator[Wrong]:
    for name, ends in values.items():
        for value in ends:
            if time.monotonic() - started > PATIENCE_SECONDS:
                return
            if wrong := _drawn_wrong(pipeline, {name: value}):
                key = (*SPACE, name) if pipeline.training.search and pipeline.training.search.space else SPACE[:-1]
                yield Wrong(key, f"{value!r:.80} cannot be tried: {wrong}")
                break


def _drawn_wrong(pipeline: Pipeline, drawn: Mapping[str, Any]) -> str:
    training = pipeline.training
    return _wrong_with(pipeline, training.model_copy(update={"parameters": {**training.parameters, **drawn}}))
