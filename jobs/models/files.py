"""A version's files: every byte is compared with the digest that `train` left in the ledger, before it is used.

They are downloaded once a machine. What is verified are the bytes that are handed out, not the file that they were read
from: so it does not matter who changes a file, in MLflow's store or in the cache, nor when.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.models.mlflow_api import connect, is_up
from jobs.models.model_file import model_file
from tidewheel.atomic_file import replace_file
from tidewheel.errors import RegistryError
from tidewheel.home_cleanup import mark_used

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.registry")

CONTRACT_FILE = "contract.json"
LINEAGE_FILE = "lineage.json"
MODEL_FOLDER, JUDGED_FOLDER = "model", "judged"


class Untrusted(RegistryError):
    """A file, or a whole version, is not what the ledger says `train` has made, or is gone for good."""


def model_name(estimator: str) -> str:
    """Name of the model's file, as the ledger has it."""
    return f"{MODEL_FOLDER}/{model_file(estimator)}"


def judged_name(estimator: str) -> str:
    """Name of the file of the twin that the gate judged, where there is one."""
    return f"{JUDGED_FOLDER}/{model_file(estimator)}"


def digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    """The sha256 of each file by its name."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def read(settings: Settings, version: ModelVersionRow, name: str) -> bytes:
    """One of a version's files, verified.

    Args:
        settings: of this installation.
        version: as the ledger knows it.
        name: of the file, as the ledger has it.

    Raises:
        Untrusted: the file is gone, or has another content than `train` wrote.
        RegistryError: MLflow cannot be reached.
    """
    who, expected = f"{version.pipeline}: version {version.version}", version.files.get(name)
    if expected is None:
        raise Untrusted(f"{who} has no {name} by the ledger (it has {', '.join(sorted(version.files))})")
    cached = settings.model_cache / version.pipeline / f"{version.version}-{version.mlflow_run}" / name
    if (content := _cached(cached)) is not None:
        if hashlib.sha256(content).hexdigest() == expected:
            return content
        log.warning("%s: %s is not what the ledger says it is, so it is downloaded anew", who, cached)
    content = _download(settings, version, name)
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise Untrusted(
            f"{who}: {name} in MLflow is not the file that was registered: sha256 {digest[:12]}, the ledger says "
            f"{expected[:12]}. Somebody has replaced it, and it was not opened; put the file back, or train again "
            f"(MLflow run {version.mlflow_run})"
        )
    _keep(cached, content)
    return content


def _cached(file: Path) -> bytes | None:
    try:
        mark_used(file.parent.parent if file.parent.name in (MODEL_FOLDER, JUDGED_FOLDER) else file.parent)
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _keep(file: Path, content: bytes) -> None:
    """Put a file into the cache whole, also while others do the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, content)


def _download(settings: Settings, version: ModelVersionRow, name: str) -> bytes:
    connect(settings)
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from requests.exceptions import RequestException

    folder, _, file = name.rpartition("/")
    # By its source, not by the registered version: that may have been deleted, and its files are still there.
    root, path = (version.source, file) if folder == MODEL_FOLDER else (f"runs:/{version.mlflow_run}", name)
    with tempfile.TemporaryDirectory(prefix="tidewheel-model-") as fresh:
        try:
            found: str = get_artifact_repository(root).download_artifacts(path, fresh)  # type: ignore[no-untyped-call]
            return Path(found).read_bytes()
        except (MlflowException, RequestException, OSError) as error:
            if not is_up(settings):
                raise RegistryError(
                    f"MLflow at {settings.mlflow_link} cannot be reached: {error}; is the platform up "
                    "(`tidewheel status`)?"
                ) from error
            raise Untrusted(
                f"{version.pipeline}: version {version.version} has lost its {name}: MLflow has none at {root}/{path} "
                f"({' '.join(str(error).split())[:200]}). Was it deleted there? Restore MLflow run "
                f"{version.mlflow_run}, or release another version"
            ) from error
