"""The estimators that a pipeline can name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from jobs.training.parameter_names import check_names
from tidewheel.errors import SpecError
from tidewheel.spec.losses import SQUARED_ERROR, Loss

if TYPE_CHECKING:
    from jobs.models.prediction import Task


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
        needs: the package that fitting needs, where it is not that of `module`.
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
    needs: str = ""

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
        if self.needs and find_spec(self.needs) is None:
            raise self._not_installed(self.needs)
        try:
            return import_module(self.module)
        except ModuleNotFoundError as error:
            if not self.extra or error.name != self.module.partition(".")[0]:
                raise
            raise self._not_installed(error.name) from error

    def _not_installed(self, package: str) -> SpecError:
        named = next(name for name, family in FAMILIES.items() if family is self)
        return SpecError(
            f"training.estimator {named} needs the package {package}, which is not installed here: "
            f"pip install 'tidewheel[{self.extra}]', in every environment or image that runs jobs"
        )


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
    "tabular_net": Family(
        "jobs.training.tabular_net",
        "TabularNetClassifier",
        "TabularNetRegressor",
        linear=True,
        losses={
            "poisson": Objective({"loss": "poisson"}),
            "quantile": Objective({"loss": "quantile"}, quantile="quantile"),
        },
        extra="torch",
        needs="torch",
    ),
}
