"""Looking for better parameters: each trial is judged on later days than it learned from, and can be given up early.

Every trial is stored in the lake as soon as it ends, so a killed search goes on where it was, and since each trial
draws with a seed of its own, it goes on exactly as it would have.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.models.metrics import measure
from jobs.models.multiclass import absent
from jobs.models.prediction import predict
from jobs.partial_failures import RAISING, PartialFailures, cause
from jobs.training.fitting import fit_rows
from jobs.training.search_space import as_declared, as_drawn, distributions
from tidewheel.errors import DataRefused, ModelRefused
from tidewheel.lake.verified import read_document
from tidewheel.partitions import DAY, Partitioning
from tidewheel.quantities import quantity
from tidewheel.runs import run_folder
from tidewheel.spec import LOWER_IS_BETTER
from tidewheel.spec.parameter import Parameter

if TYPE_CHECKING:
    import optuna

    from jobs.training.fitting import TrainingRows
    from tidewheel.lake import Lake
    from tidewheel.spec import Pipeline
    from tidewheel.spec.training import Search, Training

log = logging.getLogger("tidewheel.search")
SEARCH_FILE = "search.json"
Fold = tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]


class Trial(BaseModel):
    """One set of parameters, and how it did."""

    model_config = ConfigDict(frozen=True)

    parameters: dict[str, Parameter] = Field(description="beyond those declared; empty: the declaration itself")
    losses: tuple[float, ...] = Field(description="the compared figure fold by fold, as a loss")
    pruned: bool = Field(description="given up before the last fold, being worse than most were by then")
    failed: str = Field(default="", description="why it could not be judged on every fold; empty where it could")
    seconds: float

    @property
    def loss(self) -> float:
        """Mean over the folds; NaN where it failed."""
        return math.nan if self.failed else float(np.mean(self.losses))

    @property
    def judged(self) -> bool:
        """Whether it was judged on every fold."""
        return not self.pruned and not self.failed


class SearchResult(BaseModel):
    """All trials of one search; the first is the declaration."""

    model_config = ConfigDict(frozen=True)

    question: str = Field(description="names data and declaration by content; another question is another search")
    trials: tuple[Trial, ...] = ()

    @property
    def best(self) -> Trial:
        """The best trial that was judged on every fold.

        Raises:
            ModelRefused: there is none; the message groups the reasons.
        """
        judged = [trial for trial in self.trials if trial.judged]
        if not judged:
            reasons = Counter(trial.failed for trial in self.trials if trial.failed).most_common()
            raise ModelRefused(
                f"training.search: none of {len(self.trials)} trials could be judged, the declared parameters "
                f"included: {'; '.join(f'{reason} ({count} of them)' for reason, count in reasons)}"
            )
        return min(judged, key=lambda trial: trial.loss)

    @property
    def seconds(self) -> float:
        """Time spent so far, in this process and in those before."""
        return sum(trial.seconds for trial in self.trials)


class Trials(Protocol):
    """Where the trials of a search are stored, so that one that was interrupted goes on."""

    def read(self) -> SearchResult | None:
        """Those of an attempt before, if there are any."""
        ...

    def write(self, result: SearchResult) -> None:
        """Store the trials so far in place of those before."""
        ...


class LakeTrials:
    """The trials of a training run, in the lake beside the run's records.

    Args:
        lake: of the pipeline.
        run_id: of the training.
    """

    def __init__(self, lake: Lake, run_id: str) -> None:
        self._store = lake.store
        self._path = f"{lake.pipeline}/runs/{run_folder(run_id)}/{SEARCH_FILE}"

    def read(self) -> SearchResult | None:
        """Those of a killed attempt of the run."""
        if (content := self._store.read(self._path)) is None:
            return None
        remedy = "delete it: the search then begins anew"
        return read_document(SearchResult, content, self._store.url(self._path), "the trials of a search", remedy)

    def write(self, result: SearchResult) -> None:
        """Replace the file."""
        self._store.replace(self._path, result.model_dump_json(indent=2).encode())


def search(
    trials: Trials, pipeline: Pipeline, training_rows: TrainingRows, data_hash: str, failures: PartialFailures = RAISING
) -> SearchResult:
    """Search, or go on with a search that was interrupted. A trial that fails is named, and the next one begins.

    Args:
        trials: where they are stored.
        pipeline: its declaration, with `training.search`.
        training_rows: the rows to learn from.
        data_hash: names them by content.
        failures: takes note of the trials that failed.

    Raises:
        DataRefused: too few days for the folds.
        ModelRefused: every trial failed.
    """
    settings = pipeline.training.search
    assert settings is not None
    folds = list(time_ordered_folds(training_rows, settings, pipeline.block))
    declared = pipeline.training.model_dump(mode="json", exclude={"search": {"trials", "minutes"}})
    result = SearchResult(question=f"{data_hash} {json.dumps(declared, sort_keys=True)}")
    if (before := trials.read()) is not None and before.question == result.question:
        result = before
    space = distributions(pipeline.training, pipeline.task)
    while len(result.trials) <= settings.trials and not _is_late(settings, result):
        trial = _try(pipeline, training_rows, folds, result.trials, space)
        result = result.model_copy(update={"trials": (*result.trials, trial)})
        trials.write(result)
        said = trial.failed or f"{pipeline.metric} {trial.loss:.5f}{' (given up)' if trial.pruned else ''}"
        log.info("trial %s of %s: %s", len(result.trials) - 1, settings.trials, said)
    log.info("best of %s trials: %s %.5f", len(result.trials), pipeline.metric, result.best.loss)
    for number, trial in enumerate(result.trials):
        if trial.failed:
            failures.add(f"trial {number} ({_in_words(trial.parameters)})", trial.failed)
    return result


def _in_words(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in parameters.items()) or "as declared"


def with_parameters(training: Training, trial: Trial) -> Training:
    """The declaration with the parameters of a trial, and without a search."""
    return training.model_copy(update={"parameters": {**training.parameters, **trial.parameters}, "search": None})


def time_ordered_folds(training_rows: TrainingRows, settings: Search, unit: Partitioning = DAY) -> Iterator[Fold]:
    """Positions to learn from and to judge on; the oldest fold first, and everything learned from lies before it.

    Raises:
        DataRefused: nothing is left to learn from.
    """
    days = np.array(sorted(training_rows.days.unique()))
    held = settings.folds * settings.validation_days
    if len(days) <= held:
        raise DataRefused(
            f"training.search judges on {settings.folds} folds of {quantity(settings.validation_days, unit)}, but "
            f"there are {quantity(len(days), unit)} in all; use fewer folds or {unit}s, or train on more"
        )
    for fold in range(settings.folds):
        first = len(days) - held + fold * settings.validation_days
        judged = days[first : first + settings.validation_days]
        yield (
            np.flatnonzero((training_rows.days < judged[0]).to_numpy()),
            np.flatnonzero(training_rows.days.isin(judged).to_numpy()),
        )


def _is_late(settings: Search, result: SearchResult) -> bool:
    """Whether the time is up; the declaration itself is judged in any case."""
    return settings.minutes is not None and bool(result.trials) and result.seconds >= settings.minutes * 60


def _try(
    pipeline: Pipeline,
    training_rows: TrainingRows,
    folds: Sequence[Fold],
    before: Sequence[Trial],
    space: dict[str, Any],
) -> Trial:
    started, losses = time.monotonic(), list[float]()
    trial = _study(before, space, pipeline.training.seed).ask(space) if before else None
    drawn = as_declared(trial.params) if trial else {}
    training = pipeline.training.model_copy(update={"parameters": {**pipeline.training.parameters, **drawn}})
    failed = ""
    try:
        for step, fold in enumerate(folds):
            losses.append(_loss(pipeline, training_rows, training, fold))
            if trial:
                trial.report(losses[-1], step)
                if step < len(folds) - 1 and trial.should_prune():
                    break
    except Exception as error:  # whatever an estimator makes of parameters that were drawn, or of the memory there is
        failed = cause(error)
    return Trial(
        parameters=drawn,
        losses=tuple(losses),
        pruned=not failed and len(losses) < len(folds),
        failed=failed,
        seconds=time.monotonic() - started,
    )


def _study(before: Sequence[Trial], space: dict[str, Any], seed: int) -> optuna.Study:
    """Optuna's memory, made anew from the trials so far; the seed is of the next trial alone."""
    import optuna  # a second of imports, which a training without a search need not wait for

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed + len(before)),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    states = optuna.trial.TrialState
    for trial in before[1:]:  # the declaration may lie outside of the space
        study.add_trial(
            optuna.trial.create_trial(
                state=states.FAIL if trial.failed else states.PRUNED if trial.pruned else states.COMPLETE,
                value=None if trial.failed else trial.losses[-1] if trial.pruned else trial.loss,
                params=as_drawn(trial.parameters),
                distributions=space,
                intermediate_values=dict(enumerate(trial.losses)),
            )
        )
    return study


def _loss(pipeline: Pipeline, training_rows: TrainingRows, training: Training, fold: Fold) -> float:
    learned, judged = fold
    if pipeline.task == "multiclass" and (lacking := absent(training_rows.truth[learned], pipeline.labels.classes)):
        raise ValueError(f"no row before {training_rows.days.iloc[judged].min()} has the label {', '.join(lacking)}")
    tried, rows = pipeline.model_copy(update={"training": training}), training_rows.taken(judged)
    said = predict(fit_rows(tried, training_rows.taken(learned)).model, rows.frame, pipeline.task)
    figures = measure(rows.truth, said, pipeline.task, weights=rows.weights, loss=pipeline.loss)
    figure = figures[pipeline.metric]
    if not math.isfinite(figure):
        first, last = training_rows.days.iloc[judged].min(), training_rows.days.iloc[judged].max()
        raise ValueError(f"its {pipeline.metric} on {first} to {last} cannot be computed")
    return figure if pipeline.metric in LOWER_IS_BETTER else -figure
