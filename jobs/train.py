"""Train a challenger on exactly the data that `assemble` named, and register it with its lineage."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.entities import Dataset, DatasetInput
from mlflow.models import infer_signature

from jobs.data.training_data import TRAINING_DATA_FILE, keep_training_data, read_training_data
from jobs.job import Job, Result, run
from jobs.loop.choose import try_days_out
from jobs.loop.fit import Challenger, make_challenger
from jobs.memory.ledger import LedgerMemory
from jobs.models import registry
from jobs.models.contract import write_contract
from jobs.models.files import CONTRACT_FILE, LINEAGE_FILE, digests, model_name
from jobs.models.lineage import Lineage, WarmStarted, environment
from jobs.models.metrics import measure
from jobs.models.model_file import log_model, requirements
from jobs.models.portable import dump_model, team_code_by_value
from jobs.models.prediction import predict
from jobs.models.recalibration import FIT_LINE, fit_line
from jobs.models.registering import log_documents, log_judged, prepare, register
from jobs.packaging.acceptance import Accepted, check_file, check_requests
from jobs.partial_failures import PartialFailures
from jobs.training.boosting import checkpoint_folder
from jobs.training.cost import Meter
from jobs.training.estimators import missing_gpu
from jobs.training.refusals import refusal_is_a_verdict
from jobs.training.search import SEARCH_FILE
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.tables import ModelVersionRow
from tidewheel.ledger.trainings import Trainings, Window
from tidewheel.options import TrainOptions
from tidewheel.partitions import day_of
from tidewheel.quantities import quantity
from tidewheel.tracing import step

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from jobs.data.training_data import TrainingData
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.train")
EXAMPLE_ROWS = 5
BEGAN = "warm_start"
"""MLflow's parameter that says what the model went on from, or why from nothing."""
MLFLOW_LONGEST = 6_000
"""Characters of a parameter's value."""


def work(job: Job) -> Result:
    """Train and register a challenger; a run that has registered its version already says so again."""
    meter = Meter.start()
    chosen = _settled(job, read_training_data(job.lake, job.run_id))
    failures, ledger = PartialFailures(), Ledger.open(job.settings)
    models, trainings = Models(ledger), Trainings(ledger)
    restored = prepare(job.settings, job.pipeline.name)  # what was deleted in MLflow shows before the fit
    done = models.of_run(job.pipeline.name, job.run_id, chosen.data_hash)
    if done is None:
        done = models.add(_train(job, chosen, failures))
        cost = meter.read(job.pipeline, _fits(chosen, done))
        trainings.fitted(job.pipeline.name, job.run_id, _window(done), cost, datetime.now(UTC))
    else:
        log.info("the model of this run and this data is made already")
    job.lake.store.remove(checkpoint_folder(job.lake, job.run_id))
    with registry.asking(job.settings) as client:
        _end_unfinished(client, job)
    done = register(job.settings, models, done)
    number = done.version or ""
    trainings.registered(job.pipeline.name, job.run_id, number, datetime.now(UTC))
    registry.set_alias(job.settings, job.pipeline.name, registry.CHALLENGER, number)
    logged = registry.training_run(job.settings, done)["data"]
    parameters = {parameter["key"]: parameter["value"] for parameter in logged["params"]}
    rows, last_day = int(parameters["rows"]), done.train_end
    return Result(
        inputs={name: value for name, value in chosen.inputs.items() if name.split("/")[1] <= last_day},
        figures={
            "version": number,
            "rows": rows,
            "fits": _fits(chosen, done),
            "data_hash": chosen.data_hash,
            "device": parameters["device"],
            **{metric["key"]: metric["value"] for metric in logged["metrics"]},
        },
        links=registry.pages(job.settings, done),
        warnings=failures.sentences,
        sentence=f"version {number} ({job.pipeline.training.estimator}) learned from {quantity(rows, 'row')} until "
        + "; ".join(
            [f"{last_day}", *(said for said in (parameters.get(BEGAN), done.refit, chosen.tried) if said), *restored]
        ),
    )


def _fits(chosen: TrainingData, done: ModelVersionRow) -> int:
    return 2 if done.refit else chosen.cost


def _window(done: ModelVersionRow) -> Window:
    return Window(*(day_of(day) for day in (done.as_of, done.train_start, done.train_end)))


def _settled(job: Job, chosen: TrainingData) -> TrainingData:
    """Which of the days to learn from, where an alarm has called for the training; recorded, so settled once."""
    if not chosen.alarmed:
        return chosen
    with refusal_is_a_verdict(job):
        settled = try_days_out(LedgerMemory(job), chosen)
    keep_training_data(job.lake, job.run_id, settled)
    return settled


def _train(job: Job, chosen: TrainingData, failures: PartialFailures) -> ModelVersionRow:
    """Fit and log. Registering comes after it, so a version in the registry is a whole one.

    Returns:
        What the ledger is to know: the digest of each file as it left this process.
    """
    with refusal_is_a_verdict(job):
        made = make_challenger(LedgerMemory(job), chosen, failures)
        resources = job.pipeline.resources_of("train")
        if resources is not None and (words := missing_gpu(made.pipeline.training, resources.gpu, made.device)):
            failures.sentences.append(words)
            log.warning("%s", words)
        return _logged(job, chosen, made)


@step("write")
def _logged(job: Job, chosen: TrainingData, made: Challenger) -> ModelVersionRow:
    pipeline, model, frame = made.pipeline, made.model, made.training_rows.frame
    contract = write_contract(pipeline.name, pipeline.task, pipeline.features, frame, model, pipeline.labels.classes)
    accepted = Accepted(pipeline, model, contract)
    check_requests(accepted)
    if ":" in pipeline.training.estimator:
        dump_model(model)  # what cannot be written is named before anything is logged
    said = predict(model, frame, pipeline.task)
    measured = measure(
        made.training_rows.truth, said, pipeline.task, weights=made.training_rows.weights, loss=pipeline.loss
    )
    figures = {f"train_{name}": value for name, value in measured.items()}
    line = fit_line(made.training_rows.truth, said, pipeline.task, made.training_rows.days, made.training_rows.weights)
    figures |= {f"{FIT_LINE}{name}": value for name, value in line.to_json().items() if math.isfinite(value)}
    lineage = Lineage(
        pipeline=pipeline.model_dump(mode="json"),
        environment=environment(job.settings.project, job.code_version),
        device=made.device,
        warm=_warm(made),
    )
    with registry.asking(job.settings) as client, team_code_by_value():
        mlflow.set_experiment(pipeline.name)
        with mlflow.start_run(run_name=job.run_id, tags=_tags(job, chosen, made)) as run_:
            mlflow.log_params(_parameters(pipeline, model, lineage, made))
            mlflow.log_metrics({name: value for name, value in figures.items() if value == value})  # NaN is unknown
            client.log_inputs(run_.info.run_id, [_dataset(job, chosen)])
            if made.searched:
                mlflow.log_dict(made.searched.model_dump(mode="json"), SEARCH_FILE)
            judged = log_judged(made.judged, pipeline.training.estimator) if made.judged is not None else {}
            described = log_documents({CONTRACT_FILE: contract, LINEAGE_FILE: lineage, TRAINING_DATA_FILE: chosen})
            golden = pd.DataFrame([golden.row for golden in contract.golden_rows], columns=frame.columns)
            example = frame.head(EXAMPLE_ROWS)
            source, content = log_model(
                model,
                pipeline.training.estimator,
                # of the golden rows: they show which columns may be empty, and are quick to look through
                signature=infer_signature(golden.astype(frame.dtypes), predict(model, example, pipeline.task)),
                input_example=example,
                pip_requirements=requirements(),
                pyfunc_predict_fn="predict" if pipeline.task == "regression" else "predict_proba",
            )
            check_file(accepted, content)
    return ModelVersionRow(
        pipeline=pipeline.name,
        version=None,
        mlflow_run=run_.info.run_id,
        source=source,
        run_id=job.run_id,
        data_hash=chosen.data_hash,
        as_of=str(chosen.as_of),
        train_start=str(chosen.training[0].day),
        train_end=str(made.last_day),
        judged_train_end=str(chosen.training[-1].day) if made.judged is not None else "",
        refit=made.refit,
        learned_since=str(chosen.since) if chosen.since else "",
        estimator=pipeline.training.estimator,
        files={**digests({model_name(pipeline.training.estimator): content}), **judged, **described},
        importances={},
        bento={},
        created_by=job.actor,
        created_at=datetime.now(UTC),
    )


def _warm(made: Challenger) -> WarmStarted | None:
    start = made.start
    if start is None:
        return None
    return WarmStarted(version=start.version, rounds=start.rounds, number=start.number, judged=start.judged)


def _end_unfinished(client: MlflowClient, job: Job) -> None:
    """Close what a killed attempt of this run left open in MLflow."""
    experiment = client.get_experiment_by_name(job.pipeline.name)
    query = f"tags.`{registry.RUN_ID}` = '{job.run_id}' and attributes.status = 'RUNNING'"
    for left in client.search_runs([experiment.experiment_id], query) if experiment else ():
        client.set_terminated(left.info.run_id, "KILLED")


def _tags(job: Job, chosen: TrainingData, made: Challenger) -> dict[str, str]:
    twin = {registry.JUDGED_TRAIN_END: str(chosen.training[-1].day)} if made.judged is not None else {}
    return {
        registry.RUN_ID: job.run_id,
        registry.AS_OF: str(chosen.as_of),
        registry.TRAIN_START: str(chosen.training[0].day),
        registry.TRAIN_END: str(made.last_day),
        registry.DATA_HASH: chosen.data_hash,
        "tidewheel.code_version": job.code_version,
        registry.ESTIMATOR: job.pipeline.training.estimator,
        registry.DEVICE: made.device,
        **({registry.REFIT: made.refit} if made.refit else {}),
        **twin,
    }


def _parameters(pipeline: Pipeline, model: Any, lineage: Lineage, made: Challenger) -> dict[str, Any]:
    estimator, made_by, searched = model[-1].get_params(deep=False), lineage.environment, made.searched
    looked = {}
    if searched:
        looked = {
            "search.trials": len(searched.trials) - 1,
            "search.failed": sum(bool(trial.failed) for trial in searched.trials),
            "search.pruned": sum(trial.pruned for trial in searched.trials),
            "search.declared_loss": searched.trials[0].loss,
            "search.best_loss": searched.best.loss,
        }
    return {
        "estimator": pipeline.training.estimator,
        "seed": pipeline.training.seed,
        "window_days": pipeline.training.window_days,
        "rows": len(made.training_rows.frame),
        "device": lineage.device,
        "code_version": made_by.code_version,
        "lock_hash": made_by.lock_hash,
        "python": made_by.python,
        **looked,
        **({BEGAN: _short(made.began)} if made.began else {}),
        **{f"estimator.{name}": _short(value) for name, value in estimator.items()},
    }


def _short(value: object) -> str:
    """A parameter as MLflow takes it; the whole of it is in the lineage."""
    text = str(value)
    return text if len(text) <= MLFLOW_LONGEST else f"{text[: MLFLOW_LONGEST - 4]} ..."


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
    run(work, TrainOptions)
