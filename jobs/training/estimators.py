"""Models that are not fitted yet: the columns made ready as an estimator needs them, then the estimator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline as Steps
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils.validation import has_fit_parameter

from jobs.data.code_reference import resolve
from jobs.training.families import FAMILIES
from tidewheel.errors import ModelRefused, SpecError

if TYPE_CHECKING:
    from collections.abc import Collection

    from jobs.models.prediction import Array, Task
    from tidewheel.spec.sections import Features
    from tidewheel.spec.training import Training

UNSEEN = -1
"""Code of a category that is missing, or that training never saw."""
DEVICES = Path("/dev")
RARE = 20
"""One-hot encoding puts categories with fewer rows than this into one column."""


def build_model(training: Training, features: Features, task: Task, never_seen: Collection[str] = ()) -> Any:
    """A model that is not fitted yet: columns made ready, then the estimator; everything random is seeded.

    A pipeline's own `module:function` is called with `training.parameters`. What it returns is put behind ordinal
    encoding, unless it is a scikit-learn Pipeline: that takes the feature columns as they are.

    Args:
        training: estimator, parameters and seed.
        features: the columns.
        task: kind of label.
        never_seen: numeric columns that no training row has; every model takes them as 0, and learns nothing of them.

    Returns:
        A scikit-learn Pipeline that takes a frame as `jobs.models.prediction.model_frame` makes it.

    Raises:
        SpecError: the estimator does not know a parameter.
    """
    family = FAMILIES.get(training.estimator)
    try:
        if family is None:
            estimator = resolve(training.estimator)(**training.parameters)
        else:
            estimator = family.build(task, training.parameters, training.minimised)
    except TypeError as error:
        raise SpecError(f"training.parameters do not fit {training.estimator}: {error}") from error
    known = estimator.get_params()
    settings: dict[str, Any] = {n: training.seed for n in known if n.split("__")[-1] == "random_state"}
    if family and family.seed:
        settings[family.seed] = training.seed
    estimator.set_params(**settings)
    use_gpu(training, estimator)
    if isinstance(estimator, Steps):
        return estimator
    columns = _linear_columns(features) if family and family.linear else _tree_columns(features, never_seen)
    return Steps([("columns", columns), ("estimator", estimator)])


def use_gpu(training: Training, estimator: Any) -> None:
    """Have an estimator of XGBoost's fitted on a GPU where there is one, unless the pipeline names the device."""
    if training.estimator == "xgboost":
        estimator.set_params(device=training.parameters.get("device", xgboost_device()))


def weight_arguments(model: Steps, weights: Array | None) -> dict[str, Any]:
    """Arguments of a model's `fit` that hand the rows' weights to its last step.

    Raises:
        ModelRefused: that step takes none.
    """
    if weights is None:
        return {}
    name, last = model.steps[-1]
    if not has_fit_parameter(last, "sample_weight"):
        raise ModelRefused(
            f"{type(last).__name__} cannot weigh rows: its fit has no argument sample_weight; take another estimator, "
            "or leave out training.sample_weight and training.class_weight"
        )
    return {f"{name}__sample_weight": weights}


def xgboost_device() -> str:
    """`cuda` where this build of XGBoost and this machine both have it, else `cpu`."""
    import xgboost

    has_gpu = any(DEVICES.glob("nvidia[0-9]*"))
    return "cuda" if has_gpu and xgboost.build_info().get("USE_CUDA") else "cpu"


def missing_gpu(training: Training, gpus: int, device: str) -> str:
    """Why a fit that requested GPUs was made without one, and what to do; empty where it was not, or requested none.

    Args:
        training: estimator and parameters.
        gpus: how many the job requested.
        device: where the model was fitted.
    """
    if not gpus or device.startswith("cuda") or training.estimator not in ("xgboost", "tabular_net"):
        return ""
    words = f"requested {gpus} GPU{'s' if gpus > 1 else ''} (resources.train.gpu), and was fitted on {device}: "
    if "device" in training.parameters:
        return f"{words}training.parameters.device is {training.parameters['device']!r}; take it out"
    if training.estimator == "tabular_net":
        return f"{words}torch finds no GPU; install a torch built for CUDA, and give the pod a GPU"
    import xgboost

    if not xgboost.build_info().get("USE_CUDA"):
        return f"{words}this XGBoost is built without CUDA; build the image of the jobs with --build-arg DEVICE=gpu"
    return f"{words}{DEVICES} has no nvidia device; give the pod one (device plugin, runtime class)"


def device_used(model: Any) -> str:
    """Where a fitted model was trained, as the library itself reports it."""
    estimator = model[-1]
    if hasattr(estimator, "device_"):  # a tabular net
        return str(estimator.device_)
    if hasattr(estimator, "get_all_params"):  # CatBoost's
        return "cuda" if estimator.get_all_params().get("task_type") == "GPU" else "cpu"
    if not hasattr(estimator, "get_booster"):
        return "cpu"
    learner = json.loads(estimator.get_booster().save_config())["learner"]
    return str(learner["generic_param"]["device"])


def settle_for_prediction(model: Any) -> Any:
    """Make a fitted model answer on one CPU thread: scoring and serving bring their own parallelism, and no GPU."""
    known = model.get_params()
    one = {name: 1 for name in known if name.split("__")[-1] == "n_jobs"}
    cpu = {name: "cpu" for name in known if name.split("__")[-1] == "device"}
    return model.set_params(**one, **cpu)


def _tree_columns(features: Features, never_seen: Collection[str]) -> ColumnTransformer:
    """Trees take numbers as they are, NaN included, and categories by number."""
    seen = [name for name in features.numeric if name not in never_seen]
    zero = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    ordinal = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=UNSEEN, encoded_missing_value=UNSEEN, dtype=np.float64
    )
    return ColumnTransformer(
        [
            ("numeric", "passthrough", seen),
            *([("never_seen", zero, sorted(never_seen))] if never_seen else []),
            ("categorical", ordinal, features.categorical),
        ]
    )


def _linear_columns(features: Features) -> ColumnTransformer:
    """Linear models want complete, scaled numbers and a column for each category."""
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    numeric = Steps([("impute", impute), ("scale", StandardScaler())])
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=RARE)
    return ColumnTransformer([("numeric", numeric, features.numeric), ("categorical", one_hot, features.categorical)])
