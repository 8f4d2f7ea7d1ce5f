"""Take versions into the ledger that were trained before it recorded the digests of models: once, by an operator.

What a version is comes from what `train` and `evaluate` left in the lake and in the ledger, never from MLflow's tags.
Its files are taken as MLflow has them now: nobody can say any more whether they are what was trained.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.data.training_data import TRAINING_DATA_FILE, read_training_data
from jobs.job import Job, Result, run
from jobs.models import registry
from jobs.models.files import CONTRACT_FILE, JUDGED_FOLDER, LINEAGE_FILE, MODEL_FOLDER
from jobs.models.model_file import PICKLE_FILE, SKOPS_FILE
from tidewheel.errors import LakeError, RegistryError, UsageError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases
from tidewheel.ledger.tables import ModelVersionRow
from tidewheel.ledger.trainings import Trainings
from tidewheel.mlflow_api import ask
from tidewheel.options import AdoptOptions
from tidewheel.runs import read_record

log = logging.getLogger("tidewheel.adopt")


def work(job: Job[AdoptOptions]) -> Result:
    """Adopt the versions that this installation has trained and judged, and that the ledger does not know yet."""
    ledger = Ledger.open(job.settings)
    models, name = Models(ledger), job.pipeline.name
    judged = {row.version: row.run_id or "" for row in Trainings(ledger).all(name) if row.version and row.outcome}
    versions = [job.options.version] if job.options.version else sorted(judged, key=int)
    adopted, left = [], []
    for version in versions:
        if models.get(name, version) is not None:
            continue
        if version not in judged:
            raise UsageError(f"{name}: the gate has never judged version {version}, so it is not adopted")
        try:
            models.add(_row(job, version, judged[version]))
            adopted.append(version)
        except (UsageError, LakeError, RegistryError) as error:
            if job.options.version:
                raise
            left.append(version)
            log.warning("version %s is not adopted: %s", version, error)
    _promote(job, ledger, models)
    sentences = [f"in the ledger now: version {', '.join(adopted)}"] if adopted else ["no version is adopted"]
    sentences += [f"{len(left)} left out ({', '.join(left)}), see the log"] if left else []
    return Result(figures={"adopted": len(adopted), "left_out": len(left)}, sentence="; ".join(sentences))


def _row(job: Job, version: str, run_id: str) -> ModelVersionRow:
    """A version as the lake's records and MLflow's files have it now.

    Raises:
        UsageError: it is not what the records say, or a pickle that the pipeline file does not name the code of.
        LakeError: the records are gone.
        RegistryError: MLflow has not got it.
    """
    name = job.pipeline.name
    trained = read_record(job.lake, run_id, "train")
    if str(trained.figures["version"]) != version:
        raise UsageError(f"run {run_id} has trained version {trained.figures['version']}, not {version}")
    chosen = read_training_data(job.lake, run_id)
    registered = ask(job.settings, "GET", "model-versions/get", name=name, version=version)["model_version"]
    estimator = job.pipeline.training.estimator
    files = _digests(job, registered["source"], registered["run_id"])
    if f"{MODEL_FOLDER}/{PICKLE_FILE}" in files and ":" not in estimator:
        raise UsageError(
            f"version {version} is a pickle, and training.estimator is {estimator}: only where the pipeline file names "
            "a module:function is one taken"
        )
    if f"{MODEL_FOLDER}/{SKOPS_FILE}" in files and ":" in estimator:
        estimator = "hist_gradient_boosting"  # any of ours: stored as skops, opened as skops
    first, last = chosen.training[0].day, chosen.training[-1].day
    twin = any(file.startswith(f"{JUDGED_FOLDER}/") for file in files)
    return ModelVersionRow(
        pipeline=name,
        version=version,
        mlflow_run=registered["run_id"],
        source=registered["source"],
        run_id=run_id,
        data_hash=chosen.data_hash,
        as_of=str(chosen.as_of),
        train_start=str(first),
        train_end=max(day.rpartition("/")[2] for day in trained.inputs),
        judged_train_end=str(last) if twin else "",
        refit=f"fitted again; the gate judged its twin, which learned until {last}" if twin else "",
        estimator=estimator,
        files=files,
        importances={},
        bento={},
        compared_with=None,
        created_by="a Tidewheel before the ledger recorded digests",
        created_at=datetime.now(UTC),
        adopted_by=job.actor,
    )


def _digests(job: Job, source: str, mlflow_run: str) -> dict[str, str]:
    """The sha256 of each file that is opened later, as MLflow has it now."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with registry.asking(job.settings), tempfile.TemporaryDirectory(prefix="tidewheel-adopt-") as fresh:
        run, digests = get_artifact_repository(f"runs:/{mlflow_run}"), dict[str, str]()

        def fetch(repository: Any, path: str) -> Path:
            return Path(repository.download_artifacts(path, fresh))

        named = {file.path for file in run.list_artifacts()}
        folders = {MODEL_FOLDER: fetch(get_artifact_repository(source), "")}
        if JUDGED_FOLDER in named:
            folders[JUDGED_FOLDER] = fetch(run, JUDGED_FOLDER)
        for folder, path in folders.items():
            for file in (SKOPS_FILE, PICKLE_FILE):
                if (path / file).exists():
                    digests[f"{folder}/{file}"] = _sha256(path / file)
        for name in sorted({CONTRACT_FILE, LINEAGE_FILE, TRAINING_DATA_FILE} & named):
            digests[name] = _sha256(fetch(run, name))
    return digests


def _promote(job: Job, ledger: Ledger, models: Models) -> None:
    """Note that what answers now, or answered before, has been champion."""
    endpoint, name = Releases(ledger).endpoint(job.pipeline.name), job.pipeline.name
    if models.promotion(name) is not None or endpoint is None:
        return
    for version in (endpoint.previous_version, endpoint.version):
        if version and models.get(name, version) is not None:
            reason = "it answered before the upgrade"
            models.promote(name, version, reason, job.actor, job.run_id, datetime.now(UTC))


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    run(work, AdoptOptions)
