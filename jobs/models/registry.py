"""The model registry: versions and aliases in MLflow, and models as far as the ledger vouches for their files.

Aliases say what somebody wants. Tags are copies for the eye: a user who may edit a model in MLflow may write both, so
what a version is, and what was decided about it, is read from the ledger alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bentos.contract import Contract
from jobs.models import files
from jobs.models.files import CONTRACT_FILE, JUDGED_FOLDER, Untrusted
from jobs.models.mlflow_api import connect
from jobs.models.model_file import open_model
from tidewheel.errors import RegistryError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.mlflow_api import CHALLENGER as CHALLENGER
from tidewheel.mlflow_api import CHAMPION as CHAMPION
from tidewheel.mlflow_api import NotInRegistry, Refused, ask
from tidewheel.options import Reviewed

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from jobs.models.prediction import FittedModel
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.settings import Settings

__all__ = ["CONTRACT_FILE", "JUDGED_FOLDER", "Untrusted", "connect"]

log = logging.getLogger("tidewheel.registry")

IMPORTANCES_FILE = "importances.json"

RUN_ID = "tidewheel.run_id"
DATA_HASH = "tidewheel.data_hash"
AS_OF = "tidewheel.as_of"
TRAIN_START = "tidewheel.train_start"
TRAIN_END = "tidewheel.train_end"
ESTIMATOR = "tidewheel.estimator"
DEVICE = "tidewheel.device"
REFIT = "tidewheel.refit"
JUDGED_TRAIN_END = "tidewheel.judged_train_end"
"""Of a version that was fitted again through the holdout: the last day that the model the gate judges has seen."""
VERDICT = "tidewheel.verdict"
VERDICT_SENTENCE = "tidewheel.verdict_sentence"
COMPARED_WITH = "tidewheel.compared_with"
"""The champion that the gate held the version against; empty where there was none."""
OVERRIDE_REASON = "tidewheel.override_reason"
PREVIOUS_VERSION = "tidewheel.previous_version"
REVIEW = "tidewheel.review"
REVIEWER = "tidewheel.reviewer"
REVIEW_REASON = "tidewheel.review_reason"
RELEASE = "tidewheel.release"
FORM = "tidewheel.form"
"""The Bento that was built of a version, and the form its model was compiled to."""

APPROVED, REJECTED = Reviewed.APPROVED.value, Reviewed.REJECTED.value
"""What a reviewer may say."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of a pipeline's model, as MLflow has it.

    Attributes:
        tags: for the eye; nothing is decided by them.
    """

    pipeline: str
    version: str
    mlflow_run: str
    tags: Mapping[str, str]


class Named(Protocol):
    """What names a version and the MLflow run that made it: MLflow's own, or the ledger's row."""

    @property
    def pipeline(self) -> str:
        """The pipeline, which is the registered model."""
        ...

    @property
    def version(self) -> str | None:
        """The version's number."""
        ...

    @property
    def mlflow_run(self) -> str:
        """The run that made it."""
        ...


@contextmanager
def asking(settings: Settings) -> Iterator[MlflowClient]:
    """A client whose failures are raised as ours.

    Raises:
        RegistryError: MLflow cannot be reached, or refuses.
    """
    client = connect(settings)
    from mlflow.exceptions import MlflowException

    try:
        yield client
    except MlflowException as error:
        raise RegistryError(
            f"MLflow at {settings.mlflow_link}: {error.message}; is the platform up (`tidewheel status`)?"
        ) from error


# --- what MLflow says -----------------------------------------------------------------------------------------------


def champion(settings: Settings, pipeline: str) -> ModelVersion | None:
    """The version that somebody wants to serve, or None where the alias is nowhere; see `jobs.models.standing`."""
    return _by_alias(settings, pipeline, CHAMPION)


def challenger(settings: Settings, pipeline: str) -> ModelVersion | None:
    """The version that the alias of the newest training names, or None where it is nowhere."""
    return _by_alias(settings, pipeline, CHALLENGER)


def model_version(settings: Settings, pipeline: str, version: str) -> ModelVersion:
    """A version by its number, as MLflow has it.

    Raises:
        NotInRegistry: there is none.
    """
    return _ours(ask(settings, "GET", "model-versions/get", name=pipeline, version=version)["model_version"])


def versions_of(settings: Settings, mlflow_run: str) -> list[ModelVersion]:
    """The versions that MLflow has of a run, whatever their model is called now; oldest first."""
    query = f"run_id = '{mlflow_run}'"
    found = ask(settings, "GET", "model-versions/search", filter=query).get("model_versions", [])
    return sorted((_ours(each) for each in found), key=lambda each: int(each.version))


def lost(settings: Settings, version: ModelVersionRow) -> str:
    """What somebody has taken away of a version in MLflow, and what to do; empty where it is all there.

    Raises:
        RegistryError: MLflow cannot be reached.
    """
    name, number = version.pipeline, version.version or ""
    try:
        registered = model_version(settings, name, number)
    except NotInRegistry:
        elsewhere = next((other for other in versions_of(settings, version.mlflow_run) if other.pipeline != name), None)
        if elsewhere is not None:
            return (
                f"is no longer in the registry as {name}: the registered model was renamed to {elsewhere.pipeline}; "
                f"rename it back to {name} in MLflow"
            )
        return "is no longer in the registry: it was deleted in MLflow; train and promote another, or release an older"
    if registered.mlflow_run != version.mlflow_run:
        return (
            f"is another model in the registry (run {registered.mlflow_run}) than the one that was trained (run "
            f"{version.mlflow_run}): the registered model was deleted and made anew"
        )
    try:
        run = ask(settings, "GET", "runs/get", run_id=version.mlflow_run)["run"]
    except NotInRegistry:
        return f"has lost its MLflow run {version.mlflow_run}, which was deleted for good; train again"
    if run["info"].get("lifecycle_stage") == "deleted":
        return (
            f"has lost its MLflow run {version.mlflow_run}, which was deleted in MLflow: restore it (in "
            f"the list of deleted runs, or `mlflow runs restore --run-id {version.mlflow_run}`), or train again"
        )
    return ""


def set_alias(settings: Settings, pipeline: str, alias: str, version: str) -> None:
    """Point an alias at a version; it points there alone."""
    ask(settings, "POST", "registered-models/alias", name=pipeline, alias=alias, version=version)


def delete_alias(settings: Settings, pipeline: str, alias: str) -> None:
    """Take an alias away from whatever version has it."""
    ask(settings, "DELETE", "registered-models/alias", name=pipeline, alias=alias)


def tag_version(settings: Settings, version: Named, tags: Mapping[str, str], description: str = "") -> None:
    """Write tags on a version and on the MLflow run that made it, and the version's description where one is given.

    They are copies for the eye, so what MLflow does not take, since somebody has deleted version or run, is logged.
    """
    named = {"name": version.pipeline, "version": version.version or ""}
    try:
        for key, value in tags.items():
            ask(settings, "POST", "model-versions/set-tag", **named, key=key, value=value)
            ask(settings, "POST", "runs/set-tag", run_id=version.mlflow_run, key=key, value=value)
        if description:
            ask(settings, "PATCH", "model-versions/update", **named, description=description)
    except Refused as error:
        log.warning("%s: version %s cannot be tagged in MLflow: %s", version.pipeline, version.version, error)


def training_run(settings: Settings, version: Named) -> dict[str, Any]:
    """The MLflow run that made a version, as MLflow tells it: `info`, and `data` with metrics, params and tags."""
    return dict(ask(settings, "GET", "runs/get", run_id=version.mlflow_run)["run"])


def pages(settings: Settings, version: Named) -> dict[str, str]:
    """Title and URL of a version's pages in MLflow, as a job's record links them; none where its run is gone."""
    try:
        experiment = training_run(settings, version)["info"]["experiment_id"]
    except NotInRegistry:
        return {}
    return {
        "MLflow run": f"{settings.mlflow_link}/#/experiments/{experiment}/runs/{version.mlflow_run}",
        "MLflow model": f"{settings.mlflow_link}/#/models/{version.pipeline}/versions/{version.version}",
    }


# --- what the ledger vouches for ------------------------------------------------------------------------------------


def trained_version(settings: Settings, pipeline: str, version: str) -> ModelVersionRow:
    """A version as the ledger knows it.

    Raises:
        Untrusted: the ledger does not: `train` did not make it.
    """
    row = Models(Ledger.open(settings)).get(pipeline, version)
    if row is None:
        raise Untrusted(f"{pipeline}: version {version} {unknown(pipeline, version)}")
    return row


def unknown(pipeline: str, version: str) -> str:
    """What is wrong with a version that the ledger does not know."""
    return (
        "is not in the ledger: it was registered by hand in MLflow, and is neither opened, released nor scored with; "
        "if `train` made it before the ledger recorded the digests of models, adopt it with "
        f"`tidewheel adopt {pipeline} --version {version}`"
    )


def load_model(settings: Settings, pipeline: str, version: str) -> FittedModel:
    """Open a version, verified.

    Raises:
        Untrusted: the ledger does not know it, or its file is not the one that was registered.
    """
    row = trained_version(settings, pipeline, version)
    return open_model(files.read(settings, row, files.model_name(row.estimator)), row.estimator)


def load_judged_model(settings: Settings, version: ModelVersionRow) -> FittedModel:
    """Open the model that the gate judges: the version itself, or its twin that has not seen the holdout.

    Raises:
        Untrusted: its file is not the one that was registered.
    """
    name = files.judged_name(version.estimator) if version.judged_train_end else files.model_name(version.estimator)
    return open_model(files.read(settings, version, name), version.estimator)


def judged_train_end(version: ModelVersionRow) -> str:
    """The last day that the model the gate judges has learned from."""
    return version.judged_train_end or version.train_end


def model_size(settings: Settings, version: ModelVersionRow) -> int:
    """Bytes of the file that holds a version's model."""
    return len(files.read(settings, version, files.model_name(version.estimator)))


def contract(settings: Settings, pipeline: str, version: str) -> Contract:
    """The contract of a version: its columns, and golden rows with their predictions.

    Raises:
        Untrusted: the ledger does not know the version, or its contract is not the one that was registered.
    """
    row = trained_version(settings, pipeline, version)
    return Contract.model_validate_json(files.read(settings, row, CONTRACT_FILE))


def _by_alias(settings: Settings, pipeline: str, alias: str) -> ModelVersion | None:
    try:
        return _ours(ask(settings, "GET", "registered-models/alias", name=pipeline, alias=alias)["model_version"])
    except NotInRegistry:
        return None


def _ours(registered: Mapping[str, Any]) -> ModelVersion:
    tags = {tag["key"]: tag.get("value", "") for tag in registered.get("tags", ())}
    return ModelVersion(registered["name"], str(registered["version"]), registered.get("run_id", ""), tags)
