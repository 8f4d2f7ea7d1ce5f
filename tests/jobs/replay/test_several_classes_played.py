"""A pipeline of several classes is played as any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.page import Replayed, replay_page
from jobs.replay.policies import Declared, Fixed
from jobs.replay.result_cache import ResultCache
from jobs.replay.series import quality_over_time
from jobs.replay.simulation import simulate
from jobs.replay.summary import summarize
from tests.jobs.replay.conftest import DECLARED, FIRST
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

PLAYED = PartitionRange(FIRST + timedelta(days=15), FIRST + timedelta(days=39))
TURN = FIRST + timedelta(days=26)


def test_a_turn_of_three_classes_is_answered_and_shown(make_history: Callable[..., History], tmp_path: Path) -> None:
    labels = {**DECLARED["labels"], "classes": ["early", "late", "lost"]}  # type: ignore[dict-item]
    changes = {"task": "multiclass", "labels": labels, "gate": {"mode": "probation"}}
    triggers = {"cool_down_days": 3, "budget": None, "maximum_age_days": None, "data": None}
    pipeline = Pipeline.model_validate({**DECLARED, **changes, "triggers": triggers})
    history = make_history(pipeline)
    weight, turned = history.rows.frame["weight"].to_numpy(), (history.rows.days >= str(TURN)).to_numpy()
    classes = np.digitize(np.where(turned, -weight, weight), [-0.5, 0.5]).astype("float64")
    history = replace(history, rows=replace(history.rows, truth=classes))

    fitter = Fitter(pipeline, 0, ResultCache(tmp_path))
    plays = [simulate(history, one, PLAYED, fitter) for one in (Declared("spec", pipeline), Fixed("frozen", pipeline))]

    assert plays[0].answers.shape == (60 * len(PLAYED.days), 3)
    assert any(decision.fired and decision.alarms for decision in plays[0].decisions if decision.day > TURN)
    rows = history.taken(PLAYED.days)
    spec, frozen = summarize(pipeline, rows, plays)
    assert spec.better_than_frozen is not None
    assert spec.better_than_frozen.low > 0
    assert set(spec.figures) == {"log_loss", "brier"}
    series = {one.policy: quality_over_time(pipeline, rows, [one], PLAYED) for one in plays}
    page = replay_page(Replayed(pipeline, PLAYED, len(rows), plays, 1, "0.1"), [spec, frozen], series)
    assert "Policy spec: log-loss " in page
