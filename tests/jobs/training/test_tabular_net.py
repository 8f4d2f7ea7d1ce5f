"""The tabular net: what it needs, where it is fitted, and that a long fit goes on where a lost pod had come to."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jobs.models.prediction import model_frame, predict
from jobs.training.boosting import Checkpoints, checkpoint_folder
from jobs.training.estimators import build_model, missing_gpu
from jobs.training.fitting import fit_rows
from tests.jobs.models.small_tasks import pipeline_of
from tests.jobs.training.test_weights import training_rows
from tests.named_estimators import needs_torch
from tidewheel.errors import SpecError
from tidewheel.lake import Lake
from tidewheel.lake.store import Store

SMALL = {"epochs": 12, "hidden": [16], "batch_size": 128}
PIPELINE = pipeline_of("classification", estimator="tabular_net", parameters=SMALL)


def test_without_torch_the_error_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.training.families.find_spec", lambda _: None)
    with pytest.raises(SpecError, match=r"tabular_net needs the package torch, .*pip install 'tidewheel\[torch\]'"):
        build_model(PIPELINE.training, PIPELINE.features, "classification")


@needs_torch
def test_a_fitted_net_predicts_where_torch_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = fit_rows(PIPELINE, training_rows()).model, training_rows()
    before = predict(model, rows.frame, "classification")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert np.array_equal(predict(model, rows.frame, "classification"), before)


@needs_torch
def test_a_row_alone_has_the_prediction_that_it_has_among_others() -> None:
    model, rows = fit_rows(PIPELINE, training_rows()).model, training_rows()
    alone = [predict(model, rows.frame.iloc[[n]], "classification")[0] for n in range(5)]
    assert alone == pytest.approx(predict(model, rows.frame, "classification")[:5], abs=1e-14)


@needs_torch
@pytest.mark.parametrize("epochs_before", [5, 10])
def test_a_fit_that_was_interrupted_ends_with_the_same_weights(
    epochs_before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, rows = Lake("small", Store(f"file://{tmp_path}", {})), training_rows()
    whole = fit_rows(PIPELINE, rows).model[-1]
    store = Checkpoints.save

    def lost(self: Checkpoints, rounds: int, state: bytes) -> None:
        store(self, rounds, state)
        if rounds == epochs_before:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save", lost)
    with pytest.raises(KeyboardInterrupt):
        fit_rows(PIPELINE, rows, Checkpoints(lake, "run", "fit"))
    monkeypatch.setattr(Checkpoints, "save", store)
    assert len(lake.store.list_folder(checkpoint_folder(lake, "run"))) == epochs_before // 5

    again = fit_rows(PIPELINE, rows, Checkpoints(lake, "run", "fit")).model[-1]
    assert all(np.array_equal(one, other) for one, other in zip(whole.weights_, again.weights_, strict=True))
    assert all(np.array_equal(one, other) for one, other in zip(whole.biases_, again.biases_, strict=True))


@needs_torch
def test_a_category_that_training_never_saw_and_a_missing_number_get_a_probability() -> None:
    model = fit_rows(PIPELINE, training_rows()).model
    strange = {"weight": [np.nan], "distance": [1.0], "pressure": [np.nan], "carrier": ["zeppelin"], "origin": [None]}
    said = predict(model, model_frame(pd.DataFrame(strange), PIPELINE.features), "classification")
    assert 0 < said[0] < 1


def test_a_fit_that_asked_for_a_gpu_and_had_none_says_why() -> None:
    assert "torch finds no GPU" in missing_gpu(PIPELINE.training, 1, "cpu")
    assert missing_gpu(PIPELINE.training, 1, "cuda") == ""
