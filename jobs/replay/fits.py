"""Fitting models for a replay: as job `train` does it, each fit done once for all policies that want the same one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module

from jobs.data import training_data
from jobs.data.training_data import LabelledDay, TrainingData, data_hash
from jobs.loop.fit import refit_objection, refit_wanted
from jobs.models import prediction
from jobs.models.prediction import Model
from jobs.replay.history import Known
from jobs.replay.kept import Kept, content_key, fingerprint
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

    model: Model
    learned_until: date
    rows: int
    cpu_seconds: float


@dataclass(frozen=True)
class Challenger:
    """What one training made.

    Attributes:
        serving: would serve.
        judged: is judged by the gate; another one where the pipeline asks for a refit.
        fits: models fitted.
        cpu_seconds: what they cost on one thread.
        refit: what came of the refit, in a sentence; empty where none was asked for.
    """

    serving: Fit
    judged: Fit
    fits: int
    cpu_seconds: float
    refit: str = ""


class Fitter:
    """Fits a pipeline's models with one seed.

    Args:
        pipeline: says what is fitted.
        seed: replaces `training.seed`.
        kept: where fits are kept.
    """

    def __init__(self, pipeline: Pipeline, seed: int, kept: Kept) -> None:
        self.pipeline = pipeline
        self.training = pipeline.training.model_copy(update={"seed": seed})
        self._kept = kept
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

    def challenger(self, known: Known, chosen: TrainingData) -> Challenger:
        """What job `train` would make of the days that were chosen; parameters are not searched for.

        Args:
            known: what is known on the evening.
            chosen: days to learn from, and those kept for the gate.

        Raises:
            ValueError: a label of these days is not known yet.
        """
        first = self.fit(known, chosen.training)
        if not refit_wanted(self.pipeline, chosen):
            return Challenger(first, first, 1, first.cpu_seconds)
        again = self.fit(known, [*chosen.training, *chosen.holdout])
        cost = first.cpu_seconds + again.cpu_seconds
        rows = known.labelled([day.day for day in chosen.training])
        tail = rows.days >= str(chosen.training[-len(chosen.holdout) :][0].day)
        lesson = fitting.Lesson(rows.frame, rows.truth, rows.days, rows.weights)
        wrong = refit_objection(self.pipeline, first.model, again.model, lesson, tail.to_numpy())
        if wrong:
            return Challenger(first, first, 2, cost, f"the refit through {again.learned_until} is not used: {wrong}")
        return Challenger(again, first, 2, cost, f"fitted again through {again.learned_until}")

    def fit(self, known: Known, days: Sequence[LabelledDay]) -> Fit:
        """A model of some days; the very same one has been fitted before, or is now.

        Raises:
            ValueError: a label of these days is not known yet.
        """
        pipeline, rows = self.pipeline, known.labelled([day.day for day in days])
        key = content_key({**self._settings, "data": data_hash(days)})
        if (done := self._kept.get("fits", key)) is not None:
            return done  # type: ignore[no-any-return]
        began = time.process_time()
        seeded = pipeline.model_copy(update={"training": self.training})
        model = fitting.fit_lesson(seeded, fitting.Lesson(rows.frame, rows.truth, rows.days, rows.weights)).model
        fit = Fit(model, days[-1].day, len(rows), time.process_time() - began)
        self._kept.put("fits", key, fit)
        return fit
