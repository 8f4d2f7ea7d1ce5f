"""A long fit of LightGBM in pieces: interrupted anywhere it ends as it would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.training import boosting
from jobs.training.boosting import Checkpoints
from jobs.training.fitting import FitRows, fit
from tests.jobs.training.test_boosting import COLUMNS, Interrupted, rows
from tidewheel.lake import Lake, Store
from tidewheel.spec.training import Training

ROUNDS = 25
PARAMETERS = ({}, {"subsample": 0.6, "subsample_freq": 1, "colsample_bytree": 0.5})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake("shop", Store(f"file://{tmp_path}/lake", {}))


def fitted(checkpoints: Checkpoints | None = None, **parameters: object) -> Any:
    declared = Training(estimator="lightgbm", parameters={"n_estimators": ROUNDS, **parameters}, seed=7)
    return fit(declared, COLUMNS, "classification", FitRows(*rows()), checkpoints).model


def content(model: Any) -> str:
    return str(model[-1].booster_.model_to_string(num_iteration=-1))


@pytest.mark.parametrize("parameters", PARAMETERS, ids=["all_rows", "sampled"])
@pytest.mark.parametrize("after", [10, 20])
def test_an_interrupted_fit_ends_with_the_trees_of_one_that_was_not(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], after: int
) -> None:
    monkeypatch.setattr(boosting, "PIECE", 10)
    whole = Checkpoints.save

    def save(self: Checkpoints, rounds: int, booster: bytes) -> None:
        whole(self, rounds, booster)
        if rounds >= after:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save)
        with pytest.raises(Interrupted):
            fitted(Checkpoints(lake, "run", "this"), **parameters)
    assert (Checkpoints(lake, "run", "this").newest() or (0, b""))[0] == after
    resumed = fitted(Checkpoints(lake, "run", "this"), **parameters)
    assert content(resumed) == content(fitted(**parameters))
    assert resumed[-1].booster_.num_trees() == ROUNDS
    assert resumed[-1].get_params()["n_estimators"] == ROUNDS
    assert resumed[-1].get_params()["random_state"] == 7


def test_pieces_predict_nearly_what_one_fit_predicts_and_a_short_fit_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, _ = rows()
    whole = fitted()  # 25 rounds are one piece
    monkeypatch.setattr(boosting, "PIECE", 10)
    pieces = fitted()
    answers = [model.predict_proba(frame)[:, 1] for model in (whole, pieces)]
    assert np.abs(answers[0] - answers[1]).max() < 1e-6
