"""Plays: who predicts which day, and that nothing is known too early."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.replay import simulation
from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.policies import Declared, Fixed, Policy
from jobs.replay.result_cache import ResultCache
from jobs.replay.simulation import Simulation, simulate
from tests.jobs.replay.conftest import FIRST
from tidewheel.errors import DataRefused
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline
from tidewheel.spec.training import Training
from tidewheel.spec.triggers import Triggers

PLAYED = PartitionRange(FIRST + timedelta(days=15), FIRST + timedelta(days=39))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Simulation]:
    """Plays a policy; fits are kept for the test."""

    def played(history: History, policy: Policy, seed: int = 0) -> Simulation:
        return simulate(history, policy, PLAYED, Fitter(policy.pipeline, seed, ResultCache(tmp_path)))

    return played


def test_a_day_is_predicted_by_the_newest_version_promoted_before_it(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    played = run(make_history(), Declared("spec", parcels))

    assert played.promotions >= 3
    for day, version in played.versions.items():
        promoted = [t for t in played.trainings if t.version and t.as_of < day]
        assert version == promoted[-1].version


def test_fits_are_counted_with_those_of_the_gate(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    strict = parcels.model_copy(update={"gate": parcels.gate.model_copy(update={"rule": "superior"})})
    played = run(make_history(), Declared("spec", strict))

    assert played.rejections >= 1
    assert played.fits == sum(training.fits for training in played.trainings)
    assert played.fits >= len(played.trainings)


def test_a_frozen_model_is_fitted_once_and_a_calendar_as_often_as_it_says(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    history, days = make_history(), frozenset({PLAYED.first, PLAYED.first + timedelta(days=9)})

    assert run(history, Fixed("frozen", parcels)).fits == 1
    assert run(history, Fixed("some", parcels, days)).fits == 3


def with_refit(pipeline: Pipeline, refit: str) -> Pipeline:
    return pipeline.model_copy(update={"training": pipeline.training.model_copy(update={"refit": refit})})


def test_a_refit_serves_through_the_newest_matured_day_and_counts_as_a_fit(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    once, twice = (run(make_history(), Declared("spec", with_refit(parcels, refit))) for refit in ("never", "always"))

    assert [training.fits for training in twice.trainings] == [2] * len(twice.trainings)
    assert [training.fits for training in once.trainings] == [2] + [1] * (len(once.trainings) - 1)
    held = parcels.training.holdout_days
    assert twice.trainings[1].rows == once.trainings[1].rows + 60 * held
    # the gate judges the twin that has not seen its days
    assert twice.trainings[1].says.startswith(once.trainings[1].says)
    assert "fitted again through 2024-01-13" in twice.trainings[0].says


def test_a_refit_is_made_while_a_model_is_young(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    trainings = run(make_history(), Declared("spec", parcels)).trainings

    # the holdout is a third of what the first model learned from, and a small share of what later ones do
    assert trainings[0].fits == 2
    assert trainings[-1].fits == 1


def test_what_an_alarm_calls_for_learns_from_newer_days(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    turn = PLAYED.first + timedelta(days=4)
    history = make_history(signal=lambda day: 2.0 if day < turn else -2.0)
    training = Training(estimator="logistic_regression", minimum_rows=300, holdout_days=8, refit="never")
    watched = parcels.model_copy(update={"triggers": Triggers(budget=None), "training": training})
    played = run(history, Declared("spec", watched))

    fired = [decision for decision in played.decisions if decision.fired]
    called = next(t for t, d in zip(played.trainings[1:], fired, strict=True) if d.alarms)
    routine, alarmed = (history.on(called.as_of).training_data(watched, held) for held in (8, 5))
    assert called.rows == alarmed.training_rows
    assert (alarmed.training[-1].day - routine.training[-1].day).days == 3


def test_the_simple_policies_learn_from_every_matured_day(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    played = run(make_history(), Fixed("frozen", parcels))

    matured = (PLAYED.first - timedelta(days=1)) - timedelta(days=parcels.labels.delay_days)
    assert played.trainings[0].rows == 60 * ((matured - FIRST).days + 1)


def test_on_days_without_rows_nobody_decides_but_a_calendar(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    history = make_history(closed=lambda day: day.weekday() >= 5)
    open_days = [day for day in PLAYED.days if day.weekday() < 5]
    sundays = frozenset(day for day in PLAYED.days if day.weekday() == 6)
    played, calendar = run(history, Declared("spec", parcels)), run(history, Fixed("sundays", parcels, sundays))

    assert list(played.versions) == open_days
    assert [decision.day for decision in played.decisions] == [day for day in open_days if day < PLAYED.last]
    assert len(played.answers) == 60 * len(open_days)
    assert {training.as_of for training in calendar.trainings[1:]} == sundays - {PLAYED.last}


def test_what_matured_over_days_without_rows_is_measured_on_the_next_evening(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    watching = parcels.model_validate(
        {**parcels.model_dump(), "triggers": {"data": None, "maximum_age_days": None, "every_days": None}}
    )
    played = run(make_history(closed=lambda day: day.weekday() >= 5), Declared("spec", watching))
    monday = next(decision for decision in played.decisions if decision.day == date(2024, 1, 29))

    # Tuesday 16 to Friday 26 are known on that Monday, 9 days with rows: Thursday and Friday came over the weekend
    assert "over 9 days" in monday.sentence


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(cut=st.integers(15, 38), other=st.integers(1, 1000))
def test_the_future_changes_nothing_before_it(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline, cut: int, other: int
) -> None:
    evening = FIRST + timedelta(days=cut)
    matured = evening - timedelta(days=parcels.labels.delay_days)

    def world(seed: int) -> History:
        # days after the evening are other parcels; those whose labels have not matured have other labels
        return make_history(
            seed=lambda day: seed if day > evening else 0,
            signal=lambda day: 2.0 if day <= matured else 2.0 - seed / 100,
        )

    one, another = (run(world(seed), Declared("spec", parcels)) for seed in (0, other))

    assert _until(evening, one) == _until(evening, another)


def test_a_stationary_stream_hardly_calls_for_a_training_and_an_abrupt_shift_soon_does(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    watching = parcels.model_validate(
        {
            **parcels.model_dump(),
            "triggers": {"data": None, "maximum_age_days": None, "every_days": None, "cool_down_days": 3},
        }
    )
    shift = PLAYED.first + timedelta(days=8)
    calm = run(make_history(rows=300), Declared("spec", watching))
    shifted = run(make_history(rows=300, signal=lambda day: 2.0 if day < shift else -2.0), Declared("spec", watching))

    assert len(calm.trainings) == 1
    first = shifted.trainings[1].as_of
    # the labels of the first shifted day come two days later, and a few days of them are asked for
    assert shift < first <= shift + timedelta(days=2 + watching.triggers.performance.minimum_days)  # type: ignore[union-attr]
    assert shifted.alarms >= 1


@pytest.mark.parametrize("rows", [1, 150], ids=["a day at once", "two days at once"])
def test_how_many_days_are_predicted_at_once_changes_nothing(
    run: Callable[..., Simulation],
    make_history: Callable[..., History],
    parcels: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
) -> None:
    history = make_history()
    together = run(history, Declared("spec", parcels))
    monkeypatch.setattr(simulation, "ROWS_AHEAD", rows)
    apart = run(history, Declared("spec", parcels))

    assert together.versions == apart.versions
    assert len(set(together.versions.values())) > 2, "the version changes among days that were predicted together"
    assert together.answers == pytest.approx(apart.answers, abs=1e-12)


def test_a_replay_without_a_first_model_says_what_the_gate_said(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    impossible = parcels.model_validate({**parcels.model_dump(), "gate": {"floors": {"roc_auc": 0.999}}})

    with pytest.raises(DataRefused, match=r"policy spec has no model to begin with on 2024-01-16: refused: .*AUC"):
        run(make_history(), Declared("spec", impossible))


def test_seeds_are_the_models_own(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    boosted = parcels.model_validate(
        {
            **parcels.model_dump(),
            "training": {
                **parcels.training.model_dump(),
                "estimator": "hist_gradient_boosting",
                "parameters": {"max_iter": 3, "max_features": 0.5},
            },
        }
    )
    history = make_history(boosted)
    one, same, other = (run(history, Fixed("frozen", boosted), seed) for seed in (0, 0, 1))

    assert (one.answers == same.answers).all()
    assert not (one.answers == other.answers).all()


def _until(evening: date, played: Simulation) -> tuple[Sequence[object], ...]:
    """All that was decided, trained and predicted until an evening; what a fit costs differs from run to run."""
    decisions = [decision for decision in played.decisions if decision.day <= evening]
    trainings = [(t.as_of, t.outcome, t.says, t.version, t.rows) for t in played.trainings if t.as_of <= evening]
    days = (evening - PLAYED.first).days + 1
    versions = [version for day, version in played.versions.items() if day <= evening]
    assert not any(math.isnan(answer) for answer in played.answers)
    return decisions, trainings, versions, list(played.answers[: 60 * days])


def test_all_policies_begin_with_the_same_model_also_where_the_gate_judges_before(
    run: Callable[..., Simulation], make_history: Callable[..., History], parcels: Pipeline
) -> None:
    declared = run(make_history(), Declared("spec", with_refit(parcels, "never")))
    frozen = run(make_history(), Fixed("frozen", parcels))
    until = declared.trainings[1].as_of
    alike = 60 * ((until - PLAYED.first).days + 1)
    assert declared.trainings[0].rows == frozen.trainings[0].rows
    assert (declared.answers[:alike] == frozen.answers[:alike]).all()
