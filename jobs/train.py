"""Train a challenger on exactly the data that `assemble` named, and register it with its lineage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.entities import Dataset, DatasetInput
from mlflow.models import infer_signature

from jobs import registry
from jobs.contract import write_contract
from jobs.estimators import build_model, device_used, settle_for_prediction
from jobs.job import Job, Result, run
from jobs.metrics import measure
from jobs.model_file import requirements, serialization
from jobs.prediction import model_frame, predict
from jobs.training_data import labelled_rows, read_training_data
from tidewheel.errors import DataRefused

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from jobs.training_data import TrainingData

log = logging.getLogger("tidewheel.train")
EXAMPLE_ROWS = 5


def work(job: Job) -> Result:
    """Train and register a challenger; a run that has registered its version already says so again."""
    chosen = read_training_data(job.lake, job.run_id)
    done = registry.version_of_run(job.settings, job.pipeline.name, job.run_id, chosen.data_hash)
    if done is None:
        done = _train(job, chosen)
    else:
        log.info("version %s of this run and this data is registered already", done.version)
    registry.set_alias(job.settings, job.pipeline.name, registry.CHALLENGER, done.version)
    logged = registry.training_run(job.settings, done)["data"]
    parameters = {parameter["key"]: parameter["value"] for parameter in logged["params"]}
    rows = int(parameters["rows"])
    return Result(
        inputs={name: value for name, value in chosen.inputs.items() if name.split("/")[1] <= str(_last_day(chosen))},
        figures={
            "version": done.version,
            "rows": rows,
            "data_hash": chosen.data_hash,
            "device": parameters["device"],
            **{metric["key"]: metric["value"] for metric in logged["metrics"]},
        },
        links=registry.pages(job.settings, done),
        sentence=f"version {done.version} ({job.pipeline.training.estimator}) learned from {rows:,} rows until "
        f"{_last_day(chosen)}",
    )


def _train(job: Job, chosen: TrainingData) -> registry.ModelVersion:
    """Fit, log and register. Registering is the last step, so a version in the registry is a whole one."""
    pipeline = job.pipeline
    rows = labelled_rows(job.lake, pipeline, chosen.training)
    truth = rows[pipeline.labels.column].to_numpy()
    _check(job, rows)
    frame = model_frame(rows, pipeline.features)
    del rows
    model = build_model(pipeline.training, pipeline.features, pipeline.task)
    log.info("fitting %s to %s rows x %s columns", pipeline.training.estimator, len(frame), frame.shape[1])
    model.fit(frame, truth)
    device = device_used(model)
    settle_for_prediction(model)
    figures = {f"train_{n}": v for n, v in measure(truth, predict(model, frame, pipeline.task), pipeline.task).items()}
    log.info("fitted on %s", device)
    with registry.asking(job.settings) as client:
        mlflow.set_experiment(pipeline.name)
        _end_unfinished(client, job)
        with mlflow.start_run(run_name=job.run_id, tags=_tags(job, chosen)) as run_:
            mlflow.log_params(_parameters(job, model, device, len(frame)))
            mlflow.log_metrics({name: value for name, value in figures.items() if value == value})  # NaN is unknown
            client.log_inputs(run_.info.run_id, [_dataset(job, chosen)])
            mlflow.log_dict(chosen.model_dump(mode="json"), "training_data.json")
            contract = write_contract(pipeline.name, pipeline.task, pipeline.features, frame, model)
            mlflow.log_dict(contract.model_dump(mode="json"), registry.CONTRACT_FILE)
            golden = pd.DataFrame([golden.row for golden in contract.golden_rows], columns=frame.columns)
            example = frame.head(EXAMPLE_ROWS)
            logged = mlflow.sklearn.log_model(
                model,
                name="model",
                # of the golden rows: they show which columns may be empty, and are quick to look through
                signature=infer_signature(golden.astype(frame.dtypes), predict(model, example, pipeline.task)),
                input_example=example,
                pip_requirements=requirements(),
                pyfunc_predict_fn="predict_proba" if pipeline.task == "classification" else "predict",
                **serialization(pipeline.training.estimator),
            )
        found = mlflow.register_model(logged.model_uri, pipeline.name, tags=_tags(job, chosen))
    return registry.model_version(job.settings, pipeline.name, str(found.version))


def _check(job: Job, rows: pd.DataFrame) -> None:
    """Refuse what cannot be learned from."""
    training, label = job.pipeline.training, job.pipeline.labels.column
    if len(rows) < training.minimum_rows:
        raise DataRefused(
            f"{job.pipeline.name}: {len(rows):,} rows have a label, training.minimum_rows asks for "
            f"{training.minimum_rows:,}; look at why the others have none, or lower training.minimum_rows"
        )
    if job.pipeline.task == "classification" and rows[label].nunique() < 2:
        raise DataRefused(
            f"{job.pipeline.name}: label {label} is {rows[label].iloc[0]:g} in all {len(rows):,} rows; "
            "a classifier needs rows of both kinds"
        )


def _end_unfinished(client: MlflowClient, job: Job) -> None:
    """Close what a killed attempt of this run left open in MLflow."""
    experiment = client.get_experiment_by_name(job.pipeline.name)
    query = f"tags.`{registry.RUN_ID}` = '{job.run_id}' and attributes.status = 'RUNNING'"
    for left in client.search_runs([experiment.experiment_id], query) if experiment else ():
        client.set_terminated(left.info.run_id, "KILLED")


def _last_day(chosen: TrainingData) -> str:
    return chosen.training[-1].day.isoformat()


def _tags(job: Job, chosen: TrainingData) -> dict[str, str]:
    return {
        registry.RUN_ID: job.run_id,
        registry.AS_OF: chosen.as_of.isoformat(),
        registry.TRAIN_START: chosen.training[0].day.isoformat(),
        registry.TRAIN_END: _last_day(chosen),
        registry.DATA_HASH: chosen.data_hash,
        "tidewheel.code_version": job.code_version,
        "tidewheel.estimator": job.pipeline.training.estimator,
    }


def _parameters(job: Job, model: Any, device: str, rows: int) -> dict[str, Any]:
    estimator = model[-1].get_params(deep=False)
    return {
        "estimator": job.pipeline.training.estimator,
        "seed": job.pipeline.training.seed,
        "window_days": job.pipeline.training.window_days,
        "rows": rows,
        "device": device,
        **{f"estimator.{name}": value for name, value in estimator.items()},
    }


def _dataset(job: Job, chosen: TrainingData) -> DatasetInput:
    first, last = chosen.training[0].day, chosen.training[-1].day
    return DatasetInput(
        Dataset(
            name=f"{job.pipeline.name} {first}..{last}",
            digest=chosen.data_hash[:32],  # MLflow takes 36 characters; the whole hash is a tag
            source_type="tidewheel_lake",
            source=f"{job.settings.lake_root}/{job.pipeline.name}/features",
        )
    )


if __name__ == "__main__":
    run("train", work)
