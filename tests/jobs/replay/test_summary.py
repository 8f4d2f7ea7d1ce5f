"""What a policy was worth, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from jobs.models.metrics import measure
from jobs.models.prediction import Array
from jobs.replay.history import History
from jobs.replay.series import quality_over_time
from jobs.replay.simulation import Simulation
from jobs.replay.summary import summarize
from jobs.training.fitting import TrainingRows
from tests.jobs.replay.conftest import FIRST
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

DAYS = [FIRST + timedelta(days=n) for n in range(30)]


@pytest.fixture
def rows(make_history: Callable[..., History]) -> TrainingRows:
    return make_history(days=30).taken(DAYS)


def test_the_share_of_gain_kept_lies_between_frozen_and_weekly(rows: TrainingRows, parcels: Pipeline) -> None:
    plays = [
        _play("spec", _chance(rows, 1.0)),
        _play("frozen", _chance(rows, 0.0)),
        _play("every:7d", _chance(rows, 2)),
    ]
    spec, frozen, weekly = summarize(parcels, rows, plays)

    assert (frozen.gain_kept, frozen.better_than_frozen, weekly.gain_kept) == (None, None, None)  # of itself
    assert spec.gain_kept is not None
    assert 0.5 < spec.gain_kept.low < spec.gain_kept.value < spec.gain_kept.high < 1


def test_a_policy_is_held_against_the_calendar_of_as_many_fits_on_the_same_days(
    rows: TrainingRows, parcels: Pipeline
) -> None:
    plays = [_play("spec", _chance(rows, 1.5)), _play("equal", _chance(rows, 1.0))]
    spec, equal = summarize(parcels, rows, plays)

    assert equal.better_than_equal is None
    assert spec.better_than_equal is not None
    assert 0 < spec.better_than_equal.low < spec.better_than_equal.value < spec.better_than_equal.high
    assert spec.better_than_equal.value == pytest.approx(equal.quality.value - spec.quality.value)


def test_the_figure_is_that_of_all_rows_and_lies_in_its_interval(rows: TrainingRows, parcels: Pipeline) -> None:
    (one,) = summarize(parcels, rows, [_play("spec", _chance(rows, 1.0))])

    assert one.quality.value == pytest.approx(measure(rows.truth, _chance(rows, 1.0), "classification")["log_loss"])
    assert one.figures["log_loss"] == pytest.approx(one.quality.value)
    assert one.quality.low < one.quality.value < one.quality.high
    assert one.better_than_frozen is None
    assert one.gain_kept is None


def test_better_is_positive_for_a_figure_of_which_more_is_better(rows: TrainingRows, parcels: Pipeline) -> None:
    by_area = parcels.model_validate({**parcels.model_dump(), "gate": {"metric": "roc_auc"}})
    noise = np.random.default_rng(0).random(len(rows))
    spec, _ = summarize(by_area, rows, [_play("spec", _chance(rows, 1.0)), _play("frozen", noise)])

    assert 0.8 < spec.quality.value < 1
    assert spec.better_than_frozen is not None
    assert spec.better_than_frozen.low > 0.2


def test_seeds_are_averaged_and_their_spread_is_told(rows: TrainingRows, parcels: Pipeline) -> None:
    plays = [_play("spec", _chance(rows, slope), seed) for seed, slope in enumerate((1.0, 1.5))]
    (one,) = summarize(parcels, rows, plays)
    apart = [measure(rows.truth, play.answers, "classification")["log_loss"] for play in plays]

    assert one.seeds == 2
    assert one.quality.value == pytest.approx(np.mean(apart))
    assert one.seed_spread == pytest.approx(abs(apart[0] - apart[1]))


def test_quality_over_time_is_that_of_the_trailing_days(rows: TrainingRows, parcels: Pipeline) -> None:
    said = _chance(rows, 1.0)
    found = quality_over_time(parcels, rows, [_play("spec", said)], PartitionRange(DAYS[0], DAYS[-1]), window=14)
    last = rows.days.isin([str(day) for day in DAYS[-14:]]).to_numpy()

    assert len(found) == 30
    assert np.isnan(found[:6]).all()
    assert found[-1] == pytest.approx(measure(rows.truth[last], said[last], "classification")["log_loss"])


def test_quality_over_time_has_a_value_for_days_without_rows_too(
    make_history: Callable[..., History], parcels: Pipeline
) -> None:
    played = PartitionRange(DAYS[0], DAYS[-1])
    history = make_history(days=30, closed=lambda day: day.weekday() >= 5)
    rows = history.taken(history.days_of(played))
    said = _chance(rows, 1.0)
    found = quality_over_time(parcels, rows, [_play("spec", said)], played, window=14)
    sunday = 27
    until = (rows.days >= str(DAYS[sunday - 13])) & (rows.days <= str(DAYS[sunday]))

    assert DAYS[sunday].weekday() == 6
    assert len(found) == 30
    expected = measure(rows.truth[until], said[until], "classification")["log_loss"]
    assert found[sunday] == pytest.approx(expected)


def _chance(rows: TrainingRows, slope: float) -> Array:
    return np.asarray(1 / (1 + np.exp(-slope * rows.frame["weight"].to_numpy())))


def _play(policy: str, answers: Array, seed: int = 0) -> Simulation:
    return Simulation(policy, seed, (), (), dict.fromkeys(DAYS, "1"), answers, 0.0)
