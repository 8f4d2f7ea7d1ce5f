"""The search for parameters: judged on later days, within its budget, and after a kill as if nothing had happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from jobs.models.prediction import model_frame
from jobs.partial_failures import PartialFailures
from jobs.training import search as room
from jobs.training.estimators import build_model
from jobs.training.fitting import Fitted, TrainingRows
from jobs.training.search import LakeTrials, SearchResult, search, time_ordered_folds, with_parameters
from jobs.training.search_space import SPACES, first_values
from tests.named_estimators import marked
from tests.small_models import pipeline as small_pipeline
from tidewheel.errors import DataRefused, ModelRefused
from tidewheel.lake import Lake
from tidewheel.lake.store import Store
from tidewheel.spec.sections import Features
from tidewheel.spec.training import Search, Training

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline

FEATURES = Features(transform="a:b", numeric=["weight", "noise"])
TREES = {"max_iter": 5, "min_samples_leaf": 400}
SPACE = {"min_samples_leaf": {"low": 5, "high": 400, "whole": True}, "learning_rate": [0.1, 0.3]}


@pytest.fixture
def training_rows() -> TrainingRows:
    """Thirty days of sixty rows, where small leaves pay."""
    rng = np.random.default_rng(0)
    raw = pd.DataFrame({"weight": rng.normal(size=1800), "noise": rng.normal(size=1800)})
    truth = (np.sin(3 * raw["weight"]) + rng.normal(0, 0.3, 1800) > 0).to_numpy("float64")
    days = pd.Series(np.repeat([f"2024-01-{d:02}" for d in range(1, 31)], 60))
    return TrainingRows(model_frame(raw, FEATURES), truth, days)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake("orders", Store(f"file://{tmp_path}/lake", {}))


def declared(tmp_path: Path, **asked: Any) -> Pipeline:
    budget = {"trials": 8, "validation_days": 5, "folds": 2, "space": SPACE, **asked}
    training = Training(parameters=TREES, search=Search.model_validate(budget))
    return small_pipeline(tmp_path).model_copy(update={"features": FEATURES, "training": training})


def test_what_it_finds_is_never_worse_than_the_declaration_on_the_days_it_looked_at(
    lake: Lake, training_rows: TrainingRows, tmp_path: Path
) -> None:
    pipeline = declared(tmp_path)
    found = search(LakeTrials(lake, "run"), pipeline, training_rows, "data")
    assert found.trials[0].parameters == {}
    assert len(found.trials) == 9
    assert found.best.loss < found.trials[0].loss
    training = with_parameters(pipeline.training, found.best)
    assert training.parameters == {**TREES, **found.best.parameters}
    assert training.search is None


def test_a_killed_search_goes_on_exactly_as_it_would_have(
    lake: Lake, training_rows: TrainingRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, asked = declared(tmp_path), []
    whole = search(LakeTrials(lake, "whole"), pipeline, training_rows, "data")
    fit = room.fit_rows

    def killed(tried: Pipeline, *rest: Any) -> Any:
        asked.append(tried.training)
        if len(asked) == 9:
            raise KeyboardInterrupt
        return fit(tried, *rest)

    with monkeypatch.context() as context:
        context.setattr(room, "fit_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            search(LakeTrials(lake, "killed"), pipeline, training_rows, "data")
    again = search(LakeTrials(lake, "killed"), pipeline, training_rows, "data")
    outcomes = [[(trial.parameters, trial.losses) for trial in result.trials] for result in (whole, again)]
    assert outcomes[0] == outcomes[1]


def test_a_finished_search_is_not_done_again_and_one_for_other_data_is(
    lake: Lake, training_rows: TrainingRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = declared(tmp_path, trials=2)
    first = search(LakeTrials(lake, "run"), pipeline, training_rows, "data")
    monkeypatch.setattr(room, "fit_rows", None)
    assert search(LakeTrials(lake, "run"), pipeline, training_rows, "data") == first
    with pytest.raises(ModelRefused, match="none of 3 trials could be judged"):
        search(LakeTrials(lake, "run"), pipeline, training_rows, "other data")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("leaves of\nnothing"), "ValueError: leaves of nothing"),
        (MemoryError(), "MemoryError"),
        (TimeoutError("an hour"), "TimeoutError: an hour"),
        (FileNotFoundError("lost"), "FileNotFoundError: lost"),
        (None, r"ValueError: its log_loss on 2024-01-21 to 2024-01-25 cannot be computed"),
    ],
)
def test_a_trial_that_fails_is_named_and_the_others_go_on(
    lake: Lake,
    training_rows: TrainingRows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | None,
    message: str,
) -> None:
    fit = room.fit_rows

    class Unsure:
        def predict_proba(self, frame: pd.DataFrame) -> Any:
            return np.full((len(frame), 2), np.nan)

    def sometimes(tried: Pipeline, *rest: Any) -> Any:
        if tried.training.parameters.get("learning_rate") == 0.3:
            if error:
                raise error
            return Fitted(Unsure(), "cpu")
        return fit(tried, *rest)

    monkeypatch.setattr(room, "fit_rows", sometimes)
    failures = PartialFailures()
    found = search(LakeTrials(lake, "run"), declared(tmp_path), training_rows, "data", failures)
    failed = [trial for trial in found.trials if trial.parameters.get("learning_rate") == 0.3]
    assert failed
    assert len(found.trials) == 9
    assert {trial.failed for trial in failed} == {message}
    assert [trial.failed for trial in found.trials if trial not in failed] == [""] * (9 - len(failed))
    assert found.best.parameters.get("learning_rate") != 0.3
    assert len(failures.sentences) == len(failed)
    assert "learning_rate 0.3) failed: " in failures.sentences[0]
    assert failures.sentences[0].endswith(message)
    again = PartialFailures()
    assert search(LakeTrials(lake, "run"), declared(tmp_path), training_rows, "data", again) == found
    assert again.sentences == failures.sentences


def test_when_every_trial_fails_the_reasons_are_grouped(
    lake: Lake, training_rows: TrainingRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter(range(100))

    def never(*_: Any) -> Any:
        if next(asked) % 3 == 0:
            raise MemoryError
        raise ValueError("nothing to split")

    monkeypatch.setattr(room, "fit_rows", never)
    with pytest.raises(
        ModelRefused, match=r"none of 9 trials .*ValueError: nothing to split \(6 of .*MemoryError \(3 of"
    ):
        search(LakeTrials(lake, "run"), declared(tmp_path), training_rows, "data", PartialFailures())


def test_no_trial_begins_after_the_time_and_the_declaration_is_judged_in_any_case(
    lake: Lake, training_rows: TrainingRows, tmp_path: Path
) -> None:
    found = search(LakeTrials(lake, "run"), declared(tmp_path, minutes=1e-9), training_rows, "data")
    assert [trial.parameters for trial in found.trials] == [{}]


def test_a_hopeless_trial_is_given_up_before_its_last_fold(
    lake: Lake, training_rows: TrainingRows, tmp_path: Path
) -> None:
    hopeless = {"min_samples_leaf": {"low": 5, "high": 900, "whole": True}}
    found = search(
        LakeTrials(lake, "run"), declared(tmp_path, trials=12, folds=3, space=hopeless), training_rows, "data"
    )
    given_up = [trial for trial in found.trials if trial.pruned]
    assert given_up
    assert all(len(trial.losses) < 3 for trial in given_up)
    assert not found.best.pruned
    assert SearchResult.model_validate_json(found.model_dump_json()) == found


def test_choices_may_be_lists_and_mappings_and_a_killed_search_still_knows_them(
    lake: Lake, training_rows: TrainingRows, tmp_path: Path
) -> None:
    choices = {"class_weight": [{0: 1, 1: 5}, None, "balanced"], "interaction_cst": [[[0], [1]], [[0, 1]]]}
    half, whole = (declared(tmp_path, space=choices, trials=n) for n in (3, 6))
    before = search(LakeTrials(lake, "run"), half, training_rows, "data")

    found = search(LakeTrials(lake, "run"), whole, training_rows, "data")

    assert found.trials[: len(before.trials)] == before.trials
    for trial in found.trials[1:]:
        assert trial.parameters["class_weight"] in choices["class_weight"]
        assert trial.parameters["interaction_cst"] in choices["interaction_cst"]
    assert any(trial.parameters["class_weight"] == {0: 1, 1: 5} for trial in found.trials[1:])


def test_every_fold_learns_only_from_days_before_those_it_is_judged_on(training_rows: TrainingRows) -> None:
    folds = list(time_ordered_folds(training_rows, Search(validation_days=4, folds=3)))
    assert len(folds) == 3
    for learned, judged in folds:
        assert training_rows.days.iloc[learned].max() < training_rows.days.iloc[judged].min()
        assert training_rows.days.iloc[judged].nunique() == 4
    with pytest.raises(DataRefused, match="3 folds of 10 days, but there are 30 days in all"):
        list(time_ordered_folds(training_rows, Search(validation_days=10, folds=3)))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("estimator", [marked(name) for name in SPACES])
def test_every_named_estimator_knows_the_parameters_of_its_own_space(estimator: str, task: str) -> None:
    drawn = first_values(Training(estimator=estimator), task)
    assert drawn
    build_model(Training(estimator=estimator, parameters=drawn), FEATURES, task)  # type: ignore[arg-type]


def test_a_space_that_cannot_be_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="not below high"):
        Search.model_validate({"space": {"max_iter": {"low": 5, "high": 5}}})
    with pytest.raises(ValueError, match="logarithm"):
        Search.model_validate({"space": {"max_iter": {"low": 0, "high": 5, "log": True}}})
    with pytest.raises(ValueError, match="only you know"):
        Training.model_validate({"estimator": "a.b:c", "search": {}})
