"""The estimators a pipeline can name, each with the treatment of columns it needs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline as Steps
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils.validation import has_fit_parameter

from jobs.data.code_reference import resolve
from jobs.training.parameter_names import check_names
from tidewheel.errors import ModelRefused, SpecError
from tidewheel.spec.losses import SQUARED_ERROR, Loss

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jobs.models.prediction import Array, Task
    from tidewheel.spec.sections import Features
    from tidewheel.spec.training import Training

UNSEEN = -1
"""Code of a category that is missing, or that training never saw."""
DEVICES = Path("/dev")
RARE = 20
"""One-hot encoding puts categories with fewer rows than this into one column."""


@dataclass(frozen=True)
class Objective:
    """How an estimator is made to minimise a loss.

    Attributes:
        parameters: that say so.
        quantile: the parameter that takes the quantile; empty where there is none.
        quantile_text: how it is written, where not as a number.
        regressor: the class that does; empty: the family's own.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    quantile: str = ""
    quantile_text: str = ""
    regressor: str = ""

    def of(self, quantile: float) -> dict[str, Any]:
        """The parameters for one quantile; the quantile counts only where the loss has one."""
        if not self.quantile:
            return dict(self.parameters)
        written = self.quantile_text.format(quantile) if self.quantile_text else quantile
        return {**self.parameters, self.quantile: written}


@dataclass(frozen=True)
class Family:
    """A named estimator: a class for each task, and what we set unless the pipeline says otherwise.

    Attributes:
        module: of the classes.
        classifier: class for labels that are classes.
        regressor: class for numbers.
        defaults: parameters that we set.
        classifier_defaults: further ones, of the classifier.
        linear: whether it needs complete, scaled numbers and a column for each category.
        losses: that a regression can minimise, beside the squared error.
        seed: the parameter that takes the seed, where the estimator does not list it.
        extra: of this project, that installs its library; empty where every installation has it.
    """

    module: str
    classifier: str
    regressor: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    classifier_defaults: Mapping[str, Any] = field(default_factory=dict)
    linear: bool = False
    losses: Mapping[str, Objective] = field(default_factory=dict)
    seed: str = ""
    extra: str = ""

    def build(self, task: Task, parameters: Mapping[str, Any], loss: Loss = SQUARED_ERROR) -> Any:
        """An estimator that is not fitted yet.

        Args:
            task: kind of label.
            parameters: of the estimator.
            loss: what a regression minimises.

        Raises:
            TypeError: the estimator does not know a parameter, or cannot minimise the loss.
            SpecError: its library is not installed.
        """
        objective = Objective()
        if task == "regression" and loss.name != "squared_error":
            if loss.name not in self.losses:
                raise TypeError(f"{self.regressor} cannot minimise {loss.name}")
            objective = self.losses[loss.name]
        name = self.classifier if task != "regression" else objective.regressor or self.regressor
        chosen = getattr(self._library(), name)
        check_names(chosen, parameters)
        defaults = {**self.defaults, **({} if task == "regression" else self.classifier_defaults)}
        return chosen(**{**defaults, **parameters, **objective.of(loss.quantile)})

    def _library(self) -> Any:
        try:
            return import_module(self.module)
        except ModuleNotFoundError as error:
            if not self.extra or error.name != self.module.partition(".")[0]:
                raise
            raise SpecError(
                f"training.estimator {self.extra} needs the package {error.name}, which is not installed here: "
                f"pip install 'tidewheel[{self.extra}]', in every environment or image that runs jobs"
            ) from error


FAMILIES: Mapping[str, Family] = {
    "hist_gradient_boosting": Family(
        "sklearn.ensemble",
        "HistGradientBoostingClassifier",
        "HistGradientBoostingRegressor",
        # its own early stopping validates on rows drawn from all days, which flatters a model of a moving world
        defaults={"early_stopping": False},
        losses={
            "poisson": Objective({"loss": "poisson"}),
            "quantile": Objective({"loss": "quantile"}, quantile="quantile"),
        },
    ),
    "logistic_regression": Family(
        "sklearn.linear_model",
        "LogisticRegression",
        "Ridge",
        classifier_defaults={"max_iter": 1000},
        linear=True,
        losses={"poisson": Objective({"max_iter": 1000}, regressor="PoissonRegressor")},
    ),
    "random_forest": Family(
        "sklearn.ensemble",
        "RandomForestClassifier",
        "RandomForestRegressor",
        # grown to single rows, a forest is hundreds of megabytes and its probabilities are badly calibrated
        defaults={"max_depth": 12, "min_samples_leaf": 20, "n_jobs": -1},
        losses={"poisson": Objective({"criterion": "poisson"})},
    ),
    "xgboost": Family(
        "xgboost",
        "XGBClassifier",
        "XGBRegressor",
        defaults={"tree_method": "hist"},
        losses={
            "poisson": Objective({"objective": "count:poisson"}),
            "quantile": Objective({"objective": "reg:quantileerror"}, quantile="quantile_alpha"),
        },
    ),
    "lightgbm": Family(
        "lightgbm",
        "LGBMClassifier",
        "LGBMRegressor",
        # without the two in the middle, the same rows give other trees on another number of cores
        defaults={"verbosity": -1, "deterministic": True, "force_row_wise": True},
        losses={
            "poisson": Objective({"objective": "poisson"}),
            "quantile": Objective({"objective": "quantile"}, quantile="alpha"),
        },
        extra="lightgbm",
    ),
    "catboost": Family(
        "catboost",
        "CatBoostClassifier",
        "CatBoostRegressor",
        # it would write catboost_info/ into the working directory
        defaults={"logging_level": "Silent", "allow_writing_files": False},
        losses={
            "poisson": Objective({"loss_function": "Poisson"}),
            "quantile": Objective(quantile="loss_function", quantile_text="Quantile:alpha={}"),
        },
        seed="random_seed",
        extra="catboost",
    ),
}


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
    if training.estimator == "xgboost" and "device" not in training.parameters:
        settings["device"] = xgboost_device()
    estimator.set_params(**settings)
    if isinstance(estimator, Steps):
        return estimator
    columns = _linear_columns(features) if family and family.linear else _tree_columns(features, never_seen)
    return Steps([("columns", columns), ("estimator", estimator)])


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


def missing_gpu(training: Training, asked: int, device: str) -> str:
    """Why a fit that asked for GPUs was made without one, and what to do; empty where it was not, or asked for none.

    Args:
        training: estimator and parameters.
        asked: how many GPUs the job asked for.
        device: where the model was fitted.
    """
    if not asked or device.startswith("cuda") or training.estimator != "xgboost":
        return ""
    import xgboost

    words = f"asked for {asked} GPU{'s' if asked > 1 else ''} (resources.train.gpu), and was fitted on {device}: "
    if "device" in training.parameters:
        return f"{words}training.parameters.device is {training.parameters['device']!r}; take it out"
    if not xgboost.build_info().get("USE_CUDA"):
        return f"{words}this XGBoost is built without CUDA; build the image of the jobs with --build-arg DEVICE=gpu"
    return f"{words}{DEVICES} has no nvidia device; give the pod one (device plugin, runtime class)"


def device_used(model: Any) -> str:
    """Where a fitted model was trained, as the library itself reports it."""
    estimator = model[-1]
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
