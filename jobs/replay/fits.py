"""Fitting models for a replay: as job `train` does it, each fit done once for all policies that want the same one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from jobs.data import training_data
from jobs.data.training_data import LabelledDay, data_hash
from jobs.models import prediction
from jobs.models.prediction import FittedModel
from jobs.models.recalibration import CalibrationLine, fit_line
from jobs.models.row_weights import at
from jobs.replay.history import Known
from jobs.replay.result_cache import ResultCache, content_key, fingerprint
from jobs.training import fitting, going_on, search, search_space
from jobs.training.estimators import build_model
from tidewheel.spec import Pipeline

if TYPE_CHECKING:
    from jobs.partial_failures import PartialFailures
    from jobs.training.fitting import TrainingRows
    from jobs.training.going_on import Start
    from jobs.training.search import SearchResult
    from tidewheel.spec.training import Training

LINE_ROWS = 20_000
"""Rows, evenly drawn, that tell what a model makes of those it has learned from."""
FORM = 2
"""Raised when `Fit` changes: what an older release has stored is not read."""


@dataclass(frozen=True)
class Fit:
    """A fitted model and what it cost.

    Attributes:
        model: ready to predict.
        learned_until: newest day it learned from.
        rows: how many it learned from.
        cpu_seconds: on one thread, when it was fitted.
        key: names it by all that it follows from.
    """

    model: FittedModel
    learned_until: date
    rows: int
    cpu_seconds: float
    key: str


@dataclass(frozen=True)
class Searched:
    """A search for parameters and what it cost.

    Attributes:
        result: its trials.
        cpu_seconds: on one thread, when it was run.
    """

    result: SearchResult
    cpu_seconds: float


class _Unstored:
    """Trials of a search that is stored as a whole."""

    def read(self) -> SearchResult | None:
        """None: a search that was interrupted begins anew."""
        return None

    def write(self, result: SearchResult) -> None:
        """The search's result is stored when it has ended."""


class Fitter:
    """Fits a pipeline's models with one seed.

    Args:
        pipeline: says what is fitted.
        seed: replaces `training.seed`.
        cache: where fits are stored.
    """

    def __init__(self, pipeline: Pipeline, seed: int, cache: ResultCache) -> None:
        self.pipeline = pipeline
        self.training = pipeline.training.model_copy(update={"seed": seed})
        self._cache = cache
        rooms = [prediction, training_data]
        if ":" in self.training.estimator:
            rooms.append(import_module(self.training.estimator.partition(":")[0]))
        self._code = {"fits": fingerprint(*rooms), "warm starts": fingerprint(*rooms, going_on)}
        self._code["searches"] = fingerprint(*rooms, search, search_space)

    def fit(
        self,
        known: Known,
        days: Sequence[LabelledDay],
        parameters: Training | None = None,
        start: Start | None = None,
        begun: str = "",
    ) -> Fit:
        """A model of some days; the very same one has been fitted before, or is now.

        Args:
            known: what is known on the evening.
            days: to learn from.
            parameters: the training's declaration, where a search has changed it; the seed stays the play's.
            start: the model to go on from; None: from nothing.
            begun: the key of that model's fit.

        Raises:
            ValueError: a label of these days is not known yet.
            ModelRefused: it cannot be fitted.
        """
        training = self._seeded(parameters)
        rows = known.labelled([day.day for day in days])
        began_from = {"start": [begun, start.rounds, start.number]} if start else {}
        code = self._code["warm starts" if start else "fits"]
        key = content_key({**self._settings(training), "code": code, "data": data_hash(days), **began_from})
        if (done := self._cache.get("fits", key)) is not None:
            return done  # type: ignore[no-any-return]
        began = time.process_time()
        model = fitting.fit_rows(self._declared(training), rows, start=start).model
        fit = Fit(model, days[-1].day, len(rows), time.process_time() - began, key)
        self._cache.put("fits", key, fit)
        return fit

    def search(self, training_rows: TrainingRows, data_hash: str, failures: PartialFailures) -> Searched:
        """Search for parameters as job `train` does, with the seed of the play; the very same search is run once.

        Raises:
            DataRefused: too few days for the folds.
            ModelRefused: every trial failed.
        """
        declared = repr(self.training.search)
        key = content_key(
            {**self._settings(self.training), "search": declared, "code": self._code["searches"], "data": data_hash}
        )
        if (done := self._cache.get("searches", key)) is not None:
            return done  # type: ignore[no-any-return]
        began = time.process_time()
        result = search.search(_Unstored(), self._declared(self.training), training_rows, data_hash, failures)
        found = Searched(result, time.process_time() - began)
        self._cache.put("searches", key, found)
        return found

    def _seeded(self, parameters: Training | None) -> Training:
        return parameters.model_copy(update={"seed": self.training.seed}) if parameters else self.training

    def _declared(self, training: Training) -> Pipeline:
        return self.pipeline.model_copy(update={"training": training})

    def _settings(self, training: Training) -> dict[str, object]:
        unfitted = build_model(training, self.pipeline.features, self.pipeline.task)
        return {
            "model": {name: repr(value) for name, value in unfitted.get_params().items()},
            "features": self.pipeline.features.columns,
            "weights": [training.sample_weight, repr(training.class_weight)],
            "form": FORM,
        }


def fitted_line(pipeline: Pipeline, model: FittedModel, training_rows: TrainingRows) -> CalibrationLine:
    """What a model makes of the rows that it has learned from, or of some of them, evenly drawn."""
    step = max(1, len(training_rows.truth) // LINE_ROWS)
    drawn = np.arange(len(training_rows.truth)) % step == 0
    said = prediction.predict(model, training_rows.frame[drawn], pipeline.task)
    weights = at(training_rows.weights, drawn)
    return fit_line(training_rows.truth[drawn], said, pipeline.task, training_rows.days[drawn], weights)
