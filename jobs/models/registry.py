"""The model registry: versions, aliases and contracts in MLflow. Only this module tells MLflow where its server is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.models.contract import Contract
from jobs.models.mlflow_api import NotInRegistry, ask
from jobs.models.model_file import model_file, open_model
from tidewheel.errors import RegistryError
from tidewheel.unused import mark_used

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from jobs.models.prediction import Model
    from tidewheel.settings import Settings

CHAMPION = "champion"
CHALLENGER = "challenger"
CONTRACT_FILE = "contract.json"
IMPORTANCES_FILE = "importances.json"
MODEL_FOLDER = "model"
JUDGED_FOLDER = "judged"

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

APPROVED, REJECTED = "approved", "rejected"
"""What a reviewer may say."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of a pipeline's model."""

    pipeline: str
    version: str
    mlflow_run: str
    tags: Mapping[str, str]


def connect(settings: Settings) -> MlflowClient:
    """A client of this installation's MLflow; the fluent `mlflow` functions of this process use the same server.

    Raises:
        SettingsError: TIDEWHEEL_MLFLOW_URL is not set and no platform runs here.
    """
    url = settings.require("mlflow_url")
    if settings.mlflow_username:
        os.environ["MLFLOW_TRACKING_USERNAME"] = settings.mlflow_username
        os.environ["MLFLOW_TRACKING_PASSWORD"] = settings.require("mlflow_password")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # a server that is down is said so in seconds
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    return mlflow.MlflowClient()


@contextmanager
def asking(settings: Settings) -> Iterator[MlflowClient]:
    """A client whose failures are told as ours.

    Raises:
        RegistryError: MLflow cannot be reached, or refuses.
    """
    client = connect(settings)
    from mlflow.exceptions import MlflowException

    try:
        yield client
    except MlflowException as error:
        raise RegistryError(
            f"MLflow at {settings.mlflow_url}: {error.message}; is the platform up (`tidewheel status`)?"
        ) from error


def champion(settings: Settings, pipeline: str) -> ModelVersion | None:
    """The version that serves, or None where none was promoted yet."""
    return _by_alias(settings, pipeline, CHAMPION)


def challenger(settings: Settings, pipeline: str) -> ModelVersion | None:
    """The version trained last, or None where none was trained yet."""
    return _by_alias(settings, pipeline, CHALLENGER)


def model_version(settings: Settings, pipeline: str, version: str) -> ModelVersion:
    """A version by its number.

    Raises:
        RegistryError: there is none.
    """
    return _ours(ask(settings, "GET", "model-versions/get", name=pipeline, version=version)["model_version"])


def version_of_run(settings: Settings, pipeline: str, run_id: str, data_hash: str) -> ModelVersion | None:
    """The version that a run has registered for that data already; None where it has not got so far."""
    query = f"name = '{pipeline}' and tag.`{RUN_ID}` = '{run_id}' and tag.`{DATA_HASH}` = '{data_hash}'"
    found = ask(settings, "GET", "model-versions/search", filter=query).get("model_versions", [])
    return _ours(max(found, key=lambda v: int(v["version"]))) if found else None


def load_model(settings: Settings, pipeline: str, version: str) -> Model:
    """Open a version; it is downloaded once a machine.

    Raises:
        RegistryError: there is none, or its file cannot be trusted.
    """
    found = model_version(settings, pipeline, version)
    return open_model(_downloaded(settings, found) / MODEL_FOLDER, found.tags.get(ESTIMATOR, ""))


def load_judged_model(settings: Settings, version: ModelVersion) -> Model:
    """Open the model that the gate judges: the version itself, or its twin that has not seen the holdout.

    Raises:
        RegistryError: there is none, or its file cannot be trusted.
    """
    if JUDGED_TRAIN_END not in version.tags:
        return load_model(settings, version.pipeline, version.version)
    with asking(settings), tempfile.TemporaryDirectory() as folder:
        from mlflow.artifacts import download_artifacts

        download_artifacts(run_id=version.mlflow_run, artifact_path=JUDGED_FOLDER, dst_path=folder)
        return open_model(Path(folder) / JUDGED_FOLDER, version.tags.get(ESTIMATOR, ""))


def judged_train_end(version: ModelVersion) -> str:
    """The last day that the model the gate judges has learned from."""
    return version.tags.get(JUDGED_TRAIN_END) or version.tags.get(TRAIN_END, "")


def model_size(settings: Settings, version: ModelVersion) -> int:
    """Bytes of the file that holds a version's model."""
    return model_file(_downloaded(settings, version) / MODEL_FOLDER, version.tags.get(ESTIMATOR, "")).stat().st_size


def contract(settings: Settings, pipeline: str, version: str) -> Contract:
    """The contract of a version: its columns, and golden rows with their predictions.

    Raises:
        RegistryError: there is no such version, or it was not made by `jobs.train`.
    """
    folder = _downloaded(settings, model_version(settings, pipeline, version))
    return Contract.model_validate_json((folder / CONTRACT_FILE).read_bytes())


def set_alias(settings: Settings, pipeline: str, alias: str, version: str) -> None:
    """Point an alias at a version; it points there alone."""
    ask(settings, "POST", "registered-models/alias", name=pipeline, alias=alias, version=version)


def tag_version(settings: Settings, version: ModelVersion, tags: Mapping[str, str], description: str = "") -> None:
    """Write tags on a version and on the MLflow run that made it, and the version's description where one is given."""
    named = {"name": version.pipeline, "version": version.version}
    for key, value in tags.items():
        ask(settings, "POST", "model-versions/set-tag", **named, key=key, value=value)
        ask(settings, "POST", "runs/set-tag", run_id=version.mlflow_run, key=key, value=value)
    if description:
        ask(settings, "PATCH", "model-versions/update", **named, description=description)


def training_run(settings: Settings, version: ModelVersion) -> dict[str, Any]:
    """The MLflow run that made a version, as MLflow tells it: `info`, and `data` with metrics, params and tags."""
    return dict(ask(settings, "GET", "runs/get", run_id=version.mlflow_run)["run"])


def importances(settings: Settings, version: ModelVersion) -> dict[str, float]:
    """How much each feature matters to a version, as its evaluation left it; empty where it has left none."""
    with asking(settings) as client:
        names = {file.path for file in client.list_artifacts(version.mlflow_run)}
        if IMPORTANCES_FILE not in names:
            return {}
        from mlflow.artifacts import load_dict

        return {str(k): float(v) for k, v in load_dict(f"runs:/{version.mlflow_run}/{IMPORTANCES_FILE}").items()}


def pages(settings: Settings, version: ModelVersion) -> dict[str, str]:
    """Title and URL of a version's pages in MLflow, as a job's record links them."""
    experiment = training_run(settings, version)["info"]["experiment_id"]
    return {
        "MLflow run": f"{settings.mlflow_url}/#/experiments/{experiment}/runs/{version.mlflow_run}",
        "MLflow model": f"{settings.mlflow_url}/#/models/{version.pipeline}/versions/{version.version}",
    }


def _by_alias(settings: Settings, pipeline: str, alias: str) -> ModelVersion | None:
    try:
        return _ours(ask(settings, "GET", "registered-models/alias", name=pipeline, alias=alias)["model_version"])
    except NotInRegistry:
        return None


def _downloaded(settings: Settings, version: ModelVersion) -> Path:
    """Folder with a version's model and contract. A version never changes, so it is downloaded once a machine."""
    kept = settings.model_cache / version.pipeline / f"{version.version}-{version.mlflow_run}"
    with suppress(FileNotFoundError):
        mark_used(kept)
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with asking(settings), tempfile.TemporaryDirectory(dir=kept.parent) as fresh:
        from mlflow.artifacts import download_artifacts

        download_artifacts(f"models:/{version.pipeline}/{version.version}", dst_path=f"{fresh}/{MODEL_FOLDER}")
        download_artifacts(run_id=version.mlflow_run, artifact_path=CONTRACT_FILE, dst_path=fresh)
        try:
            Path(fresh).rename(kept)
        except OSError:
            if not kept.exists():  # another process was faster
                raise
        else:
            Path(fresh).mkdir()  # so that the temporary folder can be removed
    return kept


def _ours(found: Mapping[str, Any]) -> ModelVersion:
    tags = {tag["key"]: tag.get("value", "") for tag in found.get("tags", ())}
    return ModelVersion(found["name"], str(found["version"]), found.get("run_id", ""), tags)
