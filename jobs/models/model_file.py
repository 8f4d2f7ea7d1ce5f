"""The model as a file: how a fitted model is written into the registry, and opened again.

Our own estimators are kept as skops, not as a pickle: opening a skops file builds only types that are named here,
whatever somebody has put into the artifact store. (MLflow's own loader takes that list from the file it is about to
open, so it is not used.) A team's own `module:function` may return anything, so it is kept by cloudpickle, as
`jobs.models.portable` says: that code runs in our jobs anyway. Which of the two a version has is the registry's word,
never that of the file that is found.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.models.lineage import installed
from tidewheel.errors import RegistryError

if TYPE_CHECKING:
    from jobs.models.prediction import Model

SKOPS_FILE = "model.skops"
PICKLE_FILE = "model.pkl"
TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
)
"""What our estimators need beyond what skops trusts by itself."""
_PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "skops", "xgboost", "xgboost-cpu")


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


def model_file(folder: Path, estimator: str) -> Path:
    """The file in a downloaded MLflow model folder that holds the model.

    Args:
        folder: as MLflow gives it.
        estimator: of the version, as the registry has it; empty where it has none.

    Raises:
        RegistryError: there is none of the kind that this estimator is kept as.
    """
    found = folder / (PICKLE_FILE if ":" in estimator else SKOPS_FILE)
    if not found.exists():
        of = f"estimator {estimator}" if estimator else "a version that names no estimator"
        raise RegistryError(f"the model has no {found.name}, as {of} must have: it was not made by jobs.train")
    return found


def open_model(folder: Path, estimator: str) -> Model:
    """Open the model in a downloaded MLflow model folder.

    Args:
        folder: as MLflow gives it.
        estimator: of the version, as the registry has it; a pickle is opened for a team's own code alone.

    Raises:
        RegistryError: there is none, or its file holds types that are not trusted.
    """
    file = model_file(folder, estimator)
    if file.name == PICKLE_FILE:
        import cloudpickle

        with file.open("rb") as opened:
            return cloudpickle.load(opened)  # type: ignore[no-any-return]
    import skops.io

    if strange := sorted(set(skops.io.get_untrusted_types(file=file)) - set(TRUSTED_TYPES)):
        raise RegistryError(
            f"the model holds types that Tidewheel does not trust: {', '.join(strange)}; it was not made by "
            "jobs.train, or with an estimator that jobs/models/model_file.py should name"
        )
    return skops.io.load(file, trusted=list(TRUSTED_TYPES))  # type: ignore[no-any-return]
