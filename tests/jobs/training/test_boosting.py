"""A long fit in pieces: interrupted anywhere it ends as it would have, and it goes on only from its own pieces."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs.training import boosting
from jobs.training.boosting import Checkpoints, checkpoint_folder
from jobs.training.fitting import FitRows, fit
from tidewheel.lake import Lake, Store
from tidewheel.spec.sections import Features
from tidewheel.spec.training import Training

COLUMNS = Features.model_validate({"transform": "a:b", "numeric": ["x", "z"], "categorical": ["c"]})
ROUNDS = 25
PARAMETERS = ({}, {"subsample": 0.6, "colsample_bytree": 0.5})


class Interrupted(BaseException):
    """Stands for a pod that is lost."""


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosting, "PIECE", 10)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake("shop", Store(f"file://{tmp_path}/lake", {}))


def rows(seed: int = 0) -> tuple[pd.DataFrame, Any]:
    drawn = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": drawn.normal(size=400), "z": drawn.normal(size=400)})
    frame["c"] = drawn.choice(["a", "b"], size=400)
    return frame, (frame["x"] + drawn.normal(size=400) > 0).to_numpy(dtype="float64")


def fitted(checkpoints: Checkpoints | None = None, **parameters: object) -> Any:
    declared = Training(estimator="xgboost", parameters={"n_estimators": ROUNDS, **parameters}, seed=7)
    return fit(declared, COLUMNS, "classification", FitRows(*rows()), checkpoints).model


def content(model: Any) -> bytes:
    return bytes(model[-1].get_booster().save_raw("ubj"))


def interrupt(lake: Lake, monkeypatch: pytest.MonkeyPatch, parameters: Mapping[str, Any], *, after: int) -> None:
    """Fit until so many rounds are stored, and lose the process."""
    whole = Checkpoints.save

    def save(self: Checkpoints, rounds: int, booster: bytes) -> None:
        whole(self, rounds, booster)
        if rounds >= after:
            raise Interrupted

    checkpoints = Checkpoints(lake, "run", "this")
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save)
        with pytest.raises(Interrupted):
            fitted(checkpoints, **parameters)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=["all_rows", "sampled"])
@pytest.mark.parametrize("after", [10, 20])
def test_an_interrupted_fit_ends_with_the_bytes_of_one_that_was_not(
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    parameters: Mapping[str, Any],
    after: int,
) -> None:
    interrupt(lake, monkeypatch, parameters, after=after)
    with caplog.at_level(logging.INFO, "tidewheel.fitting"):
        resumed = fitted(Checkpoints(lake, "run", "this"), **parameters)

    assert f"goes on from round {after}, which an attempt before this one had reached" in caplog.messages
    assert content(resumed) == content(fitted(**parameters))
    assert resumed[-1].get_booster().num_boosted_rounds() == ROUNDS
    assert resumed[-1].get_params()["n_estimators"] == ROUNDS
    assert resumed[-1].get_params()["random_state"] == 7


def test_a_fit_of_one_piece_is_what_the_library_fits_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled = PARAMETERS[1]
    monkeypatch.setattr(boosting, "PIECE", ROUNDS)
    whole = fitted(**sampled)
    by_itself = fitted(**sampled)
    frame, truth = rows()
    by_itself.fit(frame, truth)

    assert content(whole) == content(by_itself)


def test_pieces_of_another_fit_are_not_taken(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(lake, monkeypatch, {}, after=10)

    assert Checkpoints(lake, "run", "this").newest() is not None
    assert Checkpoints(lake, "run", "that").newest() is None
    assert Checkpoints(lake, "another", "this").newest() is None


def test_a_damaged_piece_is_named_and_the_one_before_it_taken(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    interrupt(lake, monkeypatch, {}, after=20)
    *_, newest = lake.store.list_folder(checkpoint_folder(lake, "run"))
    lake.store.replace(f"{checkpoint_folder(lake, 'run')}/{newest}", b"half")

    found = Checkpoints(lake, "run", "this").newest()

    assert found is not None
    assert found[0] == 10
    assert f"checkpoint {newest} is damaged: it is not used" in caplog.messages


def test_a_fit_goes_on_where_the_lake_is_away_and_says_what_that_costs(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise OSError("the lake does not answer")

    monkeypatch.setattr(Store, "replace", away)
    monkeypatch.setattr(Store, "list_folder", away)

    assert content(fitted(Checkpoints(lake, "run", "this"))) == content(fitted())
    assert "no checkpoint of an attempt before can be read (the lake does not answer): fitting anew" in caplog.messages
    stored = "round 20 is not stored (the lake does not answer): a retry would fit it again"
    assert stored in caplog.messages
