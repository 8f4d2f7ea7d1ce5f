"""The model as a file: how a fitted model is written into the registry, and opened again.

Our own estimators are stored as skops, not as a pickle: opening a skops file builds only types that are named here,
whatever somebody has put into the artifact store. (MLflow's own loader takes that list from the file it is about to
open, so it is not used.) A team's own `module:function` may return anything, so it is stored by cloudpickle, as
`jobs.models.portable` says: that code runs in our jobs anyway. Which of the two a version has is the ledger's word, and
so is the digest that its bytes must have; neither MLflow's tags nor the file that is found have a say.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from jobs.models.lineage import installed
from tidewheel.errors import RegistryError

if TYPE_CHECKING:
    from jobs.models.prediction import FittedModel

SKOPS_FILE = "model.skops"
PICKLE_FILE = "model.pkl"
TRUSTED_TYPES = (
    "catboost.core.CatBoostClassifier",
    "catboost.core.CatBoostRegressor",
    "collections.OrderedDict",
    "jobs.training.tabular_net.TabularNetClassifier",
    "jobs.training.tabular_net.TabularNetRegressor",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
)
"""What our estimators need beyond what skops trusts by itself."""
_PACKAGES = (
    "catboost",
    "lightgbm",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "skops",
    "torch",
    "xgboost",
    "xgboost-cpu",
)


def serialization(estimator: str) -> dict[str, Any]:
    """Arguments of `mlflow.sklearn.log_model` that say how a model is written.

    Args:
        estimator: as the pipeline names it.
    """
    if ":" in estimator:
        return {"serialization_format": "cloudpickle"}
    return {"serialization_format": "skops", "skops_trusted_types": list(TRUSTED_TYPES)}


def requirements() -> list[str]:
    """What opening a model needs, as installed here. Named, because MLflow's own guess imports the model anew."""
    return [f"{package}=={version}" for package, version in installed(_PACKAGES).items()]


def model_file(estimator: str) -> str:
    """Name of the file that holds a model of this estimator, in its MLflow model folder."""
    return PICKLE_FILE if ":" in estimator else SKOPS_FILE


def open_model(content: bytes, estimator: str) -> FittedModel:
    """Open a model.

    Args:
        content: of its file, verified against the digest in the ledger. A pickle runs code as soon as it is opened.
        estimator: of the version, as the ledger has it; a pickle is opened for a team's own code alone.

    Raises:
        RegistryError: the file is not of the kind that the estimator has, or holds types that are not trusted.
    """
    if model_file(estimator) == PICKLE_FILE:
        import cloudpickle

        return cloudpickle.loads(content)  # type: ignore[no-any-return]
    import skops.io

    try:
        types = skops.io.get_untrusted_types(data=content)
    except BadZipFile as error:
        raise RegistryError(
            f"the model's file is not a skops file, as a model of estimator {estimator or '(none)'} must be: {error}"
        ) from error
    if strange := sorted(set(types) - set(TRUSTED_TYPES)):
        raise RegistryError(
            f"the model holds types that Tidewheel does not trust: {', '.join(strange)}; it was not made by "
            "jobs.train, or with an estimator that jobs/models/model_file.py should name"
        )
    return skops.io.loads(content, trusted=list(TRUSTED_TYPES))  # type: ignore[no-any-return]


class _Noted:
    """MLflow's flavor for scikit-learn, which notes the content of the model's file before it leaves this machine."""

    __name__ = "mlflow.sklearn"

    def __init__(self, estimator: str) -> None:
        self._file, self.content = model_file(estimator), b""

    def save_model(self, path: str, **how: Any) -> None:
        from mlflow import sklearn

        sklearn.save_model(path=path, **how)
        self.content = (Path(path) / self._file).read_bytes()


def log_model(model: FittedModel, estimator: str, **how: Any) -> tuple[str, bytes]:
    """Log a model into the active MLflow run, as `mlflow.sklearn.log_model` does.

    Args:
        model: the fitted model.
        estimator: as the pipeline names it.
        how: further arguments of `mlflow.sklearn.save_model`.

    Returns:
        The model's URI, and the content of its file as it was written here: what is in the registry by the time
        somebody reads it again may be another.
    """
    from mlflow.models import Model as MlflowModel

    flavor = _Noted(estimator)
    logged = MlflowModel.log(
        artifact_path=None, name="model", flavor=flavor, sk_model=model, **serialization(estimator), **how
    )
    return logged.model_uri, flavor.content
