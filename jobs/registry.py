"""The model registry: versions, aliases and contracts in MLflow. Only this module tells MLflow where its server is."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.contract import Contract
from jobs.model_file import open_model
from tidewheel.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

    from jobs.prediction import Model
    from tidewheel.settings import Settings

CHAMPION = "champion"
CHALLENGER = "challenger"
CONTRACT_FILE = "contract.json"

RUN_ID = "tidewheel.run_id"
DATA_HASH = "tidewheel.data_hash"
AS_OF = "tidewheel.as_of"
TRAIN_START = "tidewheel.train_start"
TRAIN_END = "tidewheel.train_end"
VERDICT = "tidewheel.verdict"
VERDICT_SENTENCE = "tidewheel.verdict_sentence"
OVERRIDE_REASON = "tidewheel.override_reason"
PREVIOUS_VERSION = "tidewheel.previous_version"


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
    with asking(settings) as client:
        return _ours(client.get_model_version(pipeline, version))


def version_of_run(settings: Settings, pipeline: str, run_id: str, data_hash: str) -> ModelVersion | None:
    """The version that a run has registered for that data already; None where it has not got so far."""
    with asking(settings) as client:
        query = f"name = '{pipeline}' and tag.`{RUN_ID}` = '{run_id}' and tag.`{DATA_HASH}` = '{data_hash}'"
        found = client.search_model_versions(query)
    return _ours(max(found, key=lambda v: int(v.version))) if found else None


def load_model(settings: Settings, pipeline: str, version: str) -> Model:
    """Download and open a version.

    Raises:
        RegistryError: there is none, or its file cannot be trusted.
    """
    with asking(settings), tempfile.TemporaryDirectory() as folder:
        from mlflow.artifacts import download_artifacts

        return open_model(Path(download_artifacts(f"models:/{pipeline}/{version}", dst_path=folder)))


def contract(settings: Settings, pipeline: str, version: str) -> Contract:
    """The contract of a version: its columns, and golden rows with their predictions.

    Raises:
        RegistryError: there is no such version, or it was not made by `jobs.train`.
    """
    content = read_artifact(settings, model_version(settings, pipeline, version), CONTRACT_FILE)
    return Contract.model_validate(content)


def read_artifact(settings: Settings, version: ModelVersion, name: str) -> dict[str, Any]:
    """A JSON artifact of the MLflow run that made a version."""
    with asking(settings), tempfile.TemporaryDirectory() as folder:
        from mlflow.artifacts import download_artifacts

        path = download_artifacts(run_id=version.mlflow_run, artifact_path=name, dst_path=folder)
        return json.loads(Path(path).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def set_alias(settings: Settings, pipeline: str, alias: str, version: str) -> None:
    """Point an alias at a version; it points there alone."""
    with asking(settings) as client:
        client.set_registered_model_alias(pipeline, alias, version)


def tag_version(settings: Settings, version: ModelVersion, tags: Mapping[str, str], description: str = "") -> None:
    """Write tags on a version and on the MLflow run that made it, and the version's description where one is given."""
    with asking(settings) as client:
        for name, value in tags.items():
            client.set_model_version_tag(version.pipeline, version.version, name, value)
            client.set_tag(version.mlflow_run, name, value)
        if description:
            client.update_model_version(version.pipeline, version.version, description)


def pages(settings: Settings, version: ModelVersion) -> dict[str, str]:
    """Title and URL of a version's pages in MLflow, as a job's record links them."""
    with asking(settings) as client:
        experiment = client.get_run(version.mlflow_run).info.experiment_id
    return {
        "MLflow run": f"{settings.mlflow_url}/#/experiments/{experiment}/runs/{version.mlflow_run}",
        "MLflow model": f"{settings.mlflow_url}/#/models/{version.pipeline}/versions/{version.version}",
    }


def _by_alias(settings: Settings, pipeline: str, alias: str) -> ModelVersion | None:
    client = connect(settings)
    from mlflow.exceptions import MlflowException

    try:
        return _ours(client.get_model_version_by_alias(pipeline, alias))
    except MlflowException as error:
        # a model or an alias that does not exist yet; the server words the second as a wrong parameter
        if error.error_code == "RESOURCE_DOES_NOT_EXIST" or f"alias {alias} not found" in error.message:
            return None
        raise RegistryError(f"MLflow at {settings.mlflow_url}: {error.message}") from error


def _ours(found: MlflowVersion) -> ModelVersion:
    return ModelVersion(found.name, str(found.version), found.run_id or "", dict(found.tags))
