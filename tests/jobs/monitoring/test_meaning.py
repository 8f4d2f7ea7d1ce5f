"""Models whose predictions are not meant literally: no alarm on quiet nights, and one in time when the world turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from jobs.models.prediction import Task, model_frame, predict
from jobs.models.recalibration import LITERAL, CalibrationLine, fit_line, line_by_construction
from jobs.monitoring.day_quality import day_quality
from jobs.monitoring.expectation import Expectation
from jobs.monitoring.labelled_predictions import MAIN, SOURCE, LabelledPredictions
from jobs.monitoring.performance import VERSION, VersionSlice, day_performance, estimate
from jobs.training.fitting import FitRows, fit
from tests.pipelines import PIPELINE_FILE
from tidewheel.policies.trigger.measurement import TriggerMeasurement
from tidewheel.policies.trigger.policy import TriggerPolicy
from tidewheel.policies.trigger.quality import DayQuality
from tidewheel.spec import Pipeline, load_pipeline
from tidewheel.spec.sections import Features
from tidewheel.spec.training import Training

FEATURES = Features(transform="a:b", numeric=["weight", "distance"])
START = date(2024, 1, 1)
ROWS, LEARNED, HELD, QUIET = 1500, 20, 5, 40
ALARMS = {"performance", "concept drift"}


class Undersampled(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns from as many rows of each kind."""

    def fit(self, frame: Any, truth: Any) -> Undersampled:
        values, draw = np.nan_to_num(np.asarray(frame, dtype=float)), np.random.default_rng(0)
        rare, often = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
        chosen = np.concatenate([rare, draw.choice(often, len(rare), replace=False)])
        self.inner_ = LogisticRegression().fit(values[chosen], truth[chosen])
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, frame: Any) -> Any:
        return self.inner_.predict_proba(np.nan_to_num(np.asarray(frame, dtype=float)))


def twice_naive() -> Any:
    """Bayes that takes the same column for three: much too sure."""

    class Thrice(GaussianNB):  # type: ignore[misc]
        def fit(self, frame: Any, truth: Any) -> Any:
            return super().fit(np.repeat(np.asarray(frame), 3, axis=1), truth)

        def predict_proba(self, frame: Any) -> Any:
            return super().predict_proba(np.repeat(np.asarray(frame), 3, axis=1))

    return Thrice()


BALANCED: dict[str, Training] = {
    "balanced weights": Training(estimator="logistic_regression", parameters={"class_weight": "balanced"}),
    "balanced trees": Training(parameters={"class_weight": "balanced", "max_iter": 40, "max_leaf_nodes": 7}),
    "scale_pos_weight": Training(
        estimator="xgboost", parameters={"scale_pos_weight": 49, "n_estimators": 40, "max_depth": 3}
    ),
    "undersampled rows": Training(estimator=f"{__name__}:Undersampled"),
    "much too sure": Training(estimator=f"{__name__}:twice_naive"),
}
LITERALLY: dict[str, Training] = {
    "plain": Training(estimator="logistic_regression"),
    "trees": Training(parameters={"max_iter": 40, "max_leaf_nodes": 7}),
    "trees that fit too closely": Training(parameters={"max_iter": 200, "min_samples_leaf": 5}),
}


def rows_of(number: int, *, turned: bool = False, rare: bool = True, shift: float = 0.0) -> pd.DataFrame:
    """A day: two in a hundred rows are positive, and what makes them so turns around where the world does."""
    draw = np.random.default_rng(number)
    weight, distance = draw.normal(size=ROWS), draw.gamma(2, 100, ROWS)
    odds = (-4.6 if rare else 0.0) + shift + (-1.2 if turned else 1.2) * weight
    label = (draw.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(float)
    return pd.DataFrame({"weight": weight, "distance": distance, "returned": label, "partition": str(number).zfill(4)})


def days(first: int, count: int, **how: Any) -> pd.DataFrame:
    return pd.concat([rows_of(number, **how) for number in range(first, first + count)], ignore_index=True)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    path = tmp_path_factory.mktemp("dags") / "orders.yaml"
    path.write_text(PIPELINE_FILE, encoding="utf-8")
    return load_pipeline(path)


def line_of(model: Any, learned: pd.DataFrame, held: pd.DataFrame, task: Task) -> CalibrationLine:
    """What predictions mean, as `train` and `evaluate` find it out together."""
    (said, truth), (later, known) = (
        (predict(model, model_frame(rows, FEATURES), task), rows["returned"].to_numpy()) for rows in (learned, held)
    )

    def fitted() -> CalibrationLine:
        return fit_line(truth, said, task, learned["partition"])

    return line_by_construction(fitted, known, later, held["partition"], task)


@dataclass
class Watched:
    """A version in its nights: what is measured of its days, and what the triggers say."""

    pipeline: Pipeline
    model: Any
    line: CalibrationLine

    @classmethod
    def trained(cls, pipeline: Pipeline, training: Training, task: Task = "classification", **world: Any) -> Watched:
        learned, held = days(0, LEARNED, **world), days(LEARNED, HELD, **world)
        label = pipeline.labels.column
        frame, truth = model_frame(learned, FEATURES), learned[label].to_numpy()
        model = fit(training, FEATURES, task, FitRows(frame, truth)).model
        return cls(pipeline.model_copy(update={"task": task}), model, line_of(model, learned, held, task))

    def quality(self, number: int, rows: pd.DataFrame) -> DayQuality:
        said = rows.assign(**{VERSION: "1", SOURCE: MAIN})
        said["prediction"] = predict(self.model, model_frame(rows, FEATURES), self.pipeline.task)
        day = LabelledPredictions(str(number), said)
        found = day_performance(self.pipeline, day, {"1": Expectation(1.0, self.line)}).figures[VersionSlice("1")]
        quality = day_quality(self.pipeline.task, START + timedelta(days=number), "1", found)
        assert quality is not None
        return quality

    def alarms(self, qualities: list[DayQuality]) -> list[int]:
        """Nights on which something is wrong."""
        policy, found = TriggerPolicy.of(self.pipeline), []
        for night in range(len(qualities)):
            today = qualities[night].day + timedelta(days=1)
            measured = TriggerMeasurement(today, "1", START, known_rows=10**6, quality=tuple(qualities[: night + 1]))
            if ALARMS & set(policy.decide(measured).inputs.get("due", ())):  # type: ignore[call-overload]
                found.append(night)
        return found


def quiet_then_turned(watched: Watched, **world: Any) -> tuple[list[int], int]:
    first = LEARNED + HELD
    quiet = [watched.quality(n, rows_of(n, **world)) for n in range(first, first + QUIET)]
    turned = [watched.quality(n, rows_of(n, turned=True, **world)) for n in range(first + QUIET, first + QUIET + 14)]
    nights = watched.alarms(quiet + turned)
    after = [night - QUIET for night in nights if night >= QUIET]
    return [night for night in nights if night < QUIET], min(after, default=99)


@pytest.mark.parametrize("name", BALANCED)
def test_a_model_off_by_construction_is_silent_for_forty_nights_and_alarms_when_the_world_turns(
    pipeline: Pipeline, name: str
) -> None:
    watched = Watched.trained(pipeline, BALANCED[name])
    assert not watched.line.is_literal
    quiet, noticed = quiet_then_turned(watched)
    honest = Watched.trained(pipeline, LITERALLY["plain"])
    assert quiet == []
    assert noticed <= quiet_then_turned(honest)[1] + 1
    literally = Watched(watched.pipeline, watched.model, LITERAL)
    assert len(quiet_then_turned(literally)[0]) > QUIET - 6, "each night was an alarm"


@pytest.mark.parametrize("name", LITERALLY)
@pytest.mark.parametrize("rare", [True, False])
def test_a_model_that_means_what_it_says_is_taken_at_its_word(pipeline: Pipeline, name: str, rare: bool) -> None:
    assert Watched.trained(pipeline, LITERALLY[name], rare=rare).line.is_literal


def test_a_world_that_changed_before_the_holdout_is_no_way_of_speaking(pipeline: Pipeline) -> None:
    watched = Watched.trained(pipeline, LITERALLY["plain"], rare=False)
    changed = days(LEARNED, HELD, rare=False, shift=1.0)
    assert line_of(watched.model, days(0, LEARNED, rare=False), changed, "classification").is_literal


def test_a_quantile_is_no_mean_and_no_alarm(pipeline: Pipeline) -> None:
    training = Training(parameters={"loss": "quantile", "quantile": 0.9, "max_iter": 40})
    label, nights = pipeline.labels.column, range(LEARNED + HELD, LEARNED + HELD + 20)

    def values(first: int, count: int) -> pd.DataFrame:
        rows = days(first, count)
        return rows.assign(**{label: 3 * rows["weight"] + np.random.default_rng(first).normal(size=len(rows))})

    learned, held = values(0, LEARNED), values(LEARNED, HELD)
    model = fit(
        training, FEATURES, "regression", FitRows(model_frame(learned, FEATURES), learned[label].to_numpy())
    ).model
    line = line_of(model, learned, held, "regression")
    middle = line.meant(np.array([line.center]), "regression")
    assert middle - line.center == pytest.approx(-1.3, abs=0.3), "nine in ten lie so far above the mean"
    meant = Watched(pipeline.model_copy(update={"task": "regression"}), model, line)
    literally = Watched(meant.pipeline, model, LITERAL)
    loss = float(np.mean([meant.quality(n, values(n, 1)).loss for n in nights]))

    def alarms(watched: Watched) -> list[int]:
        qualities = [watched.quality(n, values(n, 1)) for n in nights]
        return watched.alarms([replace(q, expected_loss=loss, variance=loss) for q in qualities])

    assert alarms(meant) == []
    assert alarms(literally)


@pytest.mark.parametrize("truth", [[0.0] * 50, [1.0] * 50, [0.0, 1.0] * 25])
def test_rows_that_cannot_say_leave_predictions_literal_or_finite(truth: list[float]) -> None:
    said = np.array(truth) * 0.98 + 0.01  # told apart without an error
    line = fit_line(np.array(truth), said, "classification", pd.Series(["a", "b"] * 25))
    assert np.isfinite(list(line.to_json().values())).all()
    assert ((line.meant(said, "classification") >= 0) & (line.meant(said, "classification") <= 1)).all()


def test_an_estimate_without_labels_is_of_what_predictions_mean() -> None:
    said = np.full(1000, 0.5)
    line = CalibrationLine(intercept=float(np.log(0.02 / 0.98)))
    found = estimate(said, "classification", line)
    assert found["estimated_brier"] == pytest.approx(0.25)
    assert found["estimated_log_loss"] == pytest.approx(np.log(2))
    surely = estimate(np.full(1000, 0.9), "classification", line)
    assert surely["estimated_log_loss"] > 1, "nine in ten are said, and few are meant"
