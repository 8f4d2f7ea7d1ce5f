"""Putting a model into the registry: its files with the digests they leave this process with, then its number.

What somebody has deleted in MLflow meanwhile is put back first, so that a fit is never done in vain.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.models import registry
from jobs.models.files import JUDGED_FOLDER, digests, judged_name
from jobs.models.model_file import model_file, requirements, serialization
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.mlflow_api import NotInRegistry, Refused, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.registry")
OURS = "tidewheel."
"""How the tags begin that we write."""


def log_documents(documents: Mapping[str, BaseModel]) -> dict[str, str]:
    """Write documents into the active MLflow run; returns the sha256 of each by its name."""
    import mlflow

    contents = {name: document.model_dump_json(indent=1).encode() for name, document in documents.items()}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
        mlflow.log_artifacts(folder)
    return digests(contents)


def log_judged(model: Any, estimator: str) -> dict[str, str]:
    """Write the model that the gate judges into the active MLflow run; returns the sha256 of its file by its name."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        mlflow.sklearn.save_model(model, path, pip_requirements=requirements(), **serialization(estimator))
        sha256 = hashlib.sha256((path / model_file(estimator)).read_bytes()).hexdigest()
        mlflow.log_artifacts(str(path), JUDGED_FOLDER)
    return {judged_name(estimator): sha256}


def prepare(settings: Settings, pipeline: str) -> list[str]:
    """See that MLflow can take a model of a pipeline, and put back what somebody has deleted there.

    Returns:
        What was put back, in sentences.

    Raises:
        RegistryError: MLflow cannot be reached, or refuses.
    """
    sentences = []
    try:
        experiment = ask(settings, "GET", "experiments/get-by-name", experiment_name=pipeline)["experiment"]
    except NotInRegistry:
        experiment = {}
    if experiment.get("lifecycle_stage") == "deleted":
        ask(settings, "POST", "experiments/restore", experiment_id=experiment["experiment_id"])
        sentences.append(f"the experiment {pipeline} had been deleted in MLflow, and was restored with its runs")
    rows = {int(row.version or 0): row for row in Models(Ledger.open(settings)).all(pipeline)}
    try:
        ask(settings, "GET", "registered-models/get", name=pipeline)
    except NotInRegistry:
        if rows:
            sentences.append(_register_anew(settings, pipeline, rows))
    for sentence in sentences:
        log.warning("%s", sentence)
    return sentences


def register(settings: Settings, models: Models, row: ModelVersionRow) -> ModelVersionRow:
    """Have MLflow give a model its version; one that has it, or got it from an attempt that was killed, keeps it.

    Raises:
        RegistryError: MLflow cannot be reached, or refuses.
        LedgerError: MLflow gives a number that the ledger knows of another model.
    """
    if row.version is not None:
        return row
    registered = [each for each in registry.versions_of(settings, row.mlflow_run) if each.pipeline == row.pipeline]
    if registered:
        return models.number(row.id, registered[0].version)
    import mlflow

    run = registry.training_run(settings, row)
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", ()) if tag["key"].startswith(OURS)}
    with registry.asking(settings):
        found = mlflow.register_model(row.source, row.pipeline, tags=tags)
    return models.number(row.id, str(found.version))


def _register_anew(settings: Settings, pipeline: str, rows: Mapping[int, ModelVersionRow]) -> str:
    """Make a registered model again from the ledger, so that its versions have the numbers they had."""
    elsewhere = next(iter(registry.versions_of(settings, rows[max(rows)].mlflow_run)), None)
    if elsewhere is not None:
        log.warning("%s: its registered model is called %s in MLflow now", pipeline, elsewhere.pipeline)
    ask(settings, "POST", "registered-models/create", name=pipeline)
    numbers = []
    for number in range(1, max(rows) + 1):
        row = rows.get(number)
        if row is not None and row.source and _create_version(settings, pipeline, row.source, row.mlflow_run):
            numbers.append(str(number))
            continue
        # The number is taken, so that no later version gets one that the ledger knows of another.
        ask(settings, "POST", "model-versions/create", name=pipeline, source=f"runs:/{rows[max(rows)].mlflow_run}/none")
        ask(settings, "DELETE", "model-versions/delete", name=pipeline, version=str(number))
    return (
        f"the registered model {pipeline} had been deleted or renamed in MLflow, and was registered anew from the "
        f"ledger (versions {', '.join(numbers) or 'none: their files are gone'})"
    )


def _create_version(settings: Settings, pipeline: str, source: str, run_id: str) -> bool:
    made_of = {"source": source, "run_id": run_id, "model_id": source.rpartition("/")[2]}
    try:
        ask(settings, "POST", "model-versions/create", name=pipeline, **made_of)
    except Refused as error:
        log.warning("%s: %s cannot be registered again: %s", pipeline, source, error)
        return False
    return True
