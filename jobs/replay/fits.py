"""Fitting models for a replay: as job `train` does it, each fit done once for all policies that want the same one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module

from jobs.data import training_data
from jobs.data.training_data import LabelledDay, data_hash
from jobs.models import prediction
from jobs.models.prediction import FittedModel
from jobs.replay.history import Known
from jobs.replay.result_cache import ResultCache, content_key, fingerprint
from jobs.training import fitting
from jobs.training.estimators import build_model
from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class Fit:
    """A fitted model and what it cost.

    Attributes:
        model: ready to predict.
        learned_until: newest day it learned from.
        rows: how many it learned from.
        cpu_seconds: on one thread, when it was fitted.
    """

    model: FittedModel
    learned_until: date
    rows: int
    cpu_seconds: float


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
        unfitted = build_model(self.training, pipeline.features, pipeline.task)
        rooms = [prediction, training_data]
        if ":" in self.training.estimator:
            rooms.append(import_module(self.training.estimator.partition(":")[0]))
        self._settings = {
            "model": {name: repr(value) for name, value in unfitted.get_params().items()},
            "features": pipeline.features.columns,
            "weights": [self.training.sample_weight, repr(self.training.class_weight)],
            "code": fingerprint(*rooms),
        }

    def fit(self, known: Known, days: Sequence[LabelledDay]) -> Fit:
        """A model of some days; the very same one has been fitted before, or is now.

        Raises:
            ValueError: a label of these days is not known yet.
        """
        pipeline, rows = self.pipeline, known.labelled([day.day for day in days])
        key = content_key({**self._settings, "data": data_hash(days)})
        if (done := self._cache.get("fits", key)) is not None:
            return done  # type: ignore[no-any-return]
        began = time.process_time()
        seeded = pipeline.model_copy(update={"training": self.training})
        model = fitting.fit_lesson(seeded, rows).model
        fit = Fit(model, days[-1].day, len(rows), time.process_time() - began)
        self._cache.put("fits", key, fit)
        return fit
