"""A weekly pipeline decides as a daily one would whose days are its weeks, and says weeks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.pipelines import PIPELINE_FILE
from tidewheel.partitions import Partitioning
from tidewheel.policies.change import changed_since
from tidewheel.policies.gate.measurement import GateMeasurement
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.lateness import expected_day, expected_labels
from tidewheel.policies.probation import PairedDay, ProbationMeasurement, ProbationPolicy
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.trigger.measurement import TriggerMeasurement
from tidewheel.policies.trigger.policy import TriggerPolicy
from tidewheel.policies.trigger.quality import DayQuality
from tidewheel.spec import Pipeline
from tidewheel.spec.triggers import Triggers

TODAY = date(2024, 3, 4)  # a Monday
WEEK = Partitioning.WEEK
DAILY = Pipeline.model_validate(YAML(typ="safe").load(PIPELINE_FILE) | {"triggers": {"every_days": 30}})
WEEKLY = DAILY.model_copy(update={"partition": WEEK, "schedule": "0 3 * * 1"})
POLICY = TriggerPolicy.of(DAILY)


def stretched(day: date) -> date:
    """The week that is as many weeks from the present one as the day is days."""
    return TODAY + 7 * (day - TODAY)


def before(days: int) -> date:
    return TODAY - timedelta(days=days)


@st.composite
def measurements(draw: st.DrawFn) -> TriggerMeasurement:
    loss = st.floats(min_value=0.3, max_value=0.9)
    quality = tuple(
        DayQuality(before(n), draw(st.sampled_from("34")), 900, draw(loss), 0.5, draw(st.floats(-0.1, 0.1)), 0.2)
        for n in range(2, draw(st.integers(2, 50)))
    )
    ages = draw(st.lists(st.integers(0, 120), max_size=6))
    attempts = tuple(
        Attempt(before(age), draw(st.sampled_from(Ended)), fits=draw(st.integers(1, 2)))
        for age in sorted(ages, reverse=True)
    )
    return TriggerMeasurement(
        TODAY,
        "3",
        before(draw(st.integers(0, 60))),
        known_rows=50_000,
        new_rows=draw(st.integers(0, 60_000)),
        quality=quality,
        attempts=attempts,
    )


@given(measurements())
def test_a_world_that_is_seven_times_slower_is_judged_alike(daily: TriggerMeasurement) -> None:
    assert daily.champion_as_of is not None
    weekly = replace(
        daily,
        unit=WEEK,
        champion_as_of=stretched(daily.champion_as_of),
        quality=tuple(replace(q, day=stretched(q.day)) for q in daily.quality),
        attempts=tuple(replace(a, as_of=stretched(a.as_of)) for a in daily.attempts),
    )
    ours, theirs = POLICY.decide(weekly), POLICY.decide(daily)
    assert (ours.outcome, ours.role, ours.inputs["held_by"], ours.inputs["due"]) == (
        theirs.outcome,
        theirs.role,
        theirs.inputs["held_by"],
        theirs.inputs["due"],
    )
    assert "day" not in ours.sentence.replace("days are", "")
    turned, before_it = changed_since(weekly.quality, WEEK), changed_since(daily.quality)
    assert turned == (stretched(before_it) if before_it else None)


def test_a_training_that_runs_is_waited_for_by_the_clock_in_weeks() -> None:
    policy = TriggerPolicy.of(DAILY.model_copy(update={"triggers": Triggers(patience_days=1, maximum_age_days=3)}))
    running = Attempt(TODAY - timedelta(weeks=2), Ended.RUNNING, waited_days=6)
    measured = TriggerMeasurement(TODAY, "3", TODAY - timedelta(weeks=5), attempts=(running,), unit=WEEK)
    assert "is not judged yet" in policy.decide(measured).sentence
    late = replace(measured, attempts=(replace(running, waited_days=7),))
    assert "is not judged yet" not in policy.decide(late).sentence


def test_the_gate_and_probation_count_weeks() -> None:
    measured = GateMeasurement("2", {"log_loss": 0.5}, 900, 2, unit=WEEK)
    assert "2 weeks" in GatePolicy("log_loss", True, 0.02).decide(measured).sentence
    days = tuple(PairedDay(TODAY + timedelta(weeks=n), 900, 0.5, 0.52 + 0.001 * (-1) ** n, 0.01) for n in range(1, 4))
    running = ProbationMeasurement("2", "1", days, (), 4, WEEK)
    assert "over 3 weeks" in ProbationPolicy().decide(running).sentence


def test_a_week_is_late_after_the_run_that_was_due_for_it() -> None:
    due = datetime(2024, 3, 4, 3, tzinfo=UTC)
    patient = timedelta(hours=WEEKLY.alerts.data_late_hours)
    assert expected_day(WEEKLY, due + patient - timedelta(minutes=1)) == date(2024, 2, 19)
    assert expected_day(WEEKLY, due + patient + timedelta(minutes=1)) == date(2024, 2, 26)
    assert expected_labels(WEEKLY, TODAY) == TODAY - timedelta(weeks=1 + WEEKLY.alerts.labels_late_days)
