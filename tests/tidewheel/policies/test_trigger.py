"""When monitoring asks for a training, and when it says why not."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipelines import PIPELINE_FILE
from tidewheel.policies.trigger.attempts import Attempt, Ended, best_gain, undecided
from tidewheel.policies.trigger.measurement import FeatureDrift, TriggerMeasurement
from tidewheel.policies.trigger.policy import TriggerPolicy
from tidewheel.policies.trigger.quality import DayQuality, bias, excess_loss, mean_over_days
from tidewheel.policies.trigger.reasons import Calendar, Every, Staleness
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.spec import load_pipeline

TODAY = date(2024, 3, 1)  # a Friday


def before(days: int) -> date:
    return TODAY - timedelta(days=days)


def quality(excess: float, *, days: int = 10, off: float = 0.0, version: str = "3") -> tuple[DayQuality, ...]:
    """Days with a given excess loss and bias on average, each a little off."""
    return tuple(
        DayQuality(before(n), version, 900, 0.5 + excess + 0.004 * (-1) ** n, 0.5, off + 0.004 * (-1) ** n, 0.17)
        for n in range(2, 2 + days)
    )


CALM = TriggerMeasurement(TODAY, "3", before(12), known_rows=50_000, new_rows=2_000, quality=quality(0.001))


def declared(triggers: str, tmp_path: Path) -> TriggerPolicy:
    file = tmp_path / "orders.yaml"
    file.write_text(f"{PIPELINE_FILE}\ntriggers: {triggers}\n")
    return TriggerPolicy.of(load_pipeline(file))


@pytest.fixture
def default(tmp_path: Path) -> TriggerPolicy:
    """What a pipeline file without a word about triggers gets."""
    return declared("{}", tmp_path)


def fires_after(policy: TriggerPolicy, measured: TriggerMeasurement) -> int:
    """Days from the measurement's until the policy first fires, with nothing else changed."""
    days = (day for day in range(400) if fires(policy, replace(measured, today=TODAY + timedelta(days=day))))
    return next(days)


def fires(policy: TriggerPolicy, measured: TriggerMeasurement) -> bool:
    return policy.decide(measured).outcome is Outcome.FIRED


def sentence(policy: TriggerPolicy, measured: TriggerMeasurement) -> str:
    return policy.decide(measured).sentence


def test_nothing_to_say_is_a_decision_too_with_all_that_was_seen(default: TriggerPolicy) -> None:
    verdict = default.decide(CALM)
    assert (verdict.kind, verdict.outcome) == (Kind.TRIGGER, Outcome.NO_ACTION)
    assert verdict.sentence == (
        "no action: nothing calls for a training (excess log-loss +0.001, t 0.7 over 10 days, as sure as 0.7 over "
        "many; bias +0.000, t 0.0 over 10 days, as sure as 0.0 over many; 4% more labelled data (2,000 rows on 50,000; "
        "50% is enough); version 3 was trained as of 2024-02-18, 12 of at most 21 days ago)"
    )
    assert verdict.inputs["excess_loss"] == pytest.approx(0.001)
    assert verdict.thresholds["cool-down"] == {"days": 7}


def test_a_fall_during_the_cool_down_is_told_and_waits(default: TriggerPolicy) -> None:
    fallen = replace(CALM, quality=quality(0.031), champion_as_of=before(3))
    assert sentence(default, fallen) == (
        "suppressed: performance fell (excess log-loss +0.031, t 23.2 over 10 days, as sure as 5.9 over many) "
        "but the last training was 3 of 7 cool-down days ago"
    )
    assert sentence(default, replace(fallen, champion_as_of=before(7))).startswith("fired: performance fell (excess")


def test_a_fall_must_be_both_large_and_significant(tmp_path: Path) -> None:
    policy = declared("{data: null, concept_drift: null}", tmp_path)
    noisy = tuple(replace(q, loss=q.loss + 0.5 * (-1) ** n) for n, q in enumerate(quality(0.03)))
    assert policy.decide(replace(CALM, quality=quality(0.005))).outcome is Outcome.NO_ACTION  # small
    assert policy.decide(replace(CALM, quality=noisy)).outcome is Outcome.NO_ACTION  # chance
    assert policy.decide(replace(CALM, quality=quality(0.03, days=4))).outcome is Outcome.NO_ACTION  # too few days
    assert policy.decide(replace(CALM, quality=quality(0.03, version="2"))).outcome is Outcome.NO_ACTION
    assert policy.decide(replace(CALM, quality=quality(0.03))).outcome is Outcome.FIRED


@pytest.mark.parametrize("off", [-0.08, 0.08])
def test_labels_that_are_not_what_is_predicted_fire_either_way(default: TriggerPolicy, off: float) -> None:
    verdict = default.decide(replace(CALM, quality=quality(-0.01, off=off)))
    assert verdict.outcome is Outcome.FIRED
    assert f"labels are not what is predicted (bias {off:+.3f}" in verdict.sentence


def test_an_alarm_of_a_slice_fires(default: TriggerPolicy) -> None:
    alarm = "origin=LGA: excess log-loss +0.310"
    assert alarm in sentence(default, replace(CALM, concept_alarms=(alarm,)))


def test_drift_trains_only_where_the_file_says_so(default: TriggerPolicy, tmp_path: Path) -> None:
    moved = replace(CALM, drift=FeatureDrift(("price", "channel"), 0.4))
    assert default.decide(moved).outcome is Outcome.NO_ACTION
    asked = declared("{drift: {minimum_weight: 0.35}}", tmp_path)
    assert sentence(asked, moved) == ("fired: features with 40% of the importance have drifted (price, channel)")
    assert asked.decide(replace(moved, drift=FeatureDrift(("price",), 0.3))).outcome is Outcome.NO_ACTION


def test_new_data_fires_by_its_share_or_by_its_rows(default: TriggerPolicy, tmp_path: Path) -> None:
    assert default.decide(replace(CALM, new_rows=24_999)).outcome is Outcome.NO_ACTION
    assert "50% more labelled data (25,000 rows on 50,000" in sentence(default, replace(CALM, new_rows=25_000))
    by_rows = declared("{data: {growth: null, rows: 3000}}", tmp_path)
    assert sentence(by_rows, replace(CALM, new_rows=3000)) == "fired: 3,000 new labelled rows (3,000 are enough)"


def test_a_champion_that_is_too_old_fires() -> None:
    policy = TriggerPolicy((Staleness(21),))
    assert sentence(policy, replace(CALM, champion_as_of=before(22))) == (
        "fired: version 3 was trained as of 2024-02-08, 22 days ago; at most 21 are allowed"
    )
    assert policy.decide(replace(CALM, champion_as_of=None)).outcome is Outcome.NO_ACTION


def test_the_calendar_is_due_until_it_was_answered_also_after_a_missed_night() -> None:
    policy = TriggerPolicy((Calendar("0 6 * * 1"),))  # Mondays; the last was on 26 February
    assert sentence(policy, CALM) == "fired: the calendar (0 6 * * 1) calls for one since 2024-02-26"
    tried = replace(CALM, attempts=(Attempt(date(2024, 2, 26), Ended.REJECTED),))
    assert policy.decide(tried).outcome is Outcome.NO_ACTION


def test_every_so_many_days_counts_from_the_last_training_whatever_came_of_it() -> None:
    policy = TriggerPolicy((Every(7),))
    attempts = (Attempt(before(12), Ended.PROMOTED), Attempt(before(6), Ended.REJECTED))
    assert policy.decide(replace(CALM, attempts=attempts)).outcome is Outcome.NO_ACTION
    assert policy.decide(replace(CALM, today=TODAY + timedelta(days=1), attempts=attempts)).outcome is Outcome.FIRED


def test_the_first_model_is_trained_when_there_are_rows_enough(default: TriggerPolicy) -> None:
    none = TriggerMeasurement(TODAY, None, None, new_rows=999)
    assert default.decide(none).outcome is Outcome.NO_ACTION
    assert sentence(default, replace(none, new_rows=1000)) == (
        "fired: no champion yet, and 1,000 labelled rows to train on (1,000 are needed)"
    )


def test_a_fall_waits_for_no_cool_down_and_for_no_budget(default: TriggerPolicy) -> None:
    calm = quality(0.0, days=20)
    fallen = tuple(replace(q, loss=q.loss + 0.3) if q.day >= before(4) else q for q in calm)
    spent = (Attempt(before(90), Ended.PROMOTED), *[Attempt(before(5), Ended.PROMOTED)] * 3)
    measured = replace(CALM, champion_as_of=before(5), attempts=spent, quality=fallen)
    verdict = default.decide(measured)
    assert verdict.outcome is Outcome.FIRED
    assert verdict.inputs["role"] == "fall"
    assert verdict.sentence.startswith(
        "fired: something is badly wrong (log-loss rose by at least 59% on each of the last 3 days, compared with the "
    )
    in_debt = replace(measured, attempts=(*spent, *[Attempt(before(5), Ended.PROMOTED)] * 3))
    assert "the budget is used up" in sentence(default, in_debt)
    assert not fires(default, replace(measured, quality=(*calm[3:], *fallen[:2])))  # two days are no fall


def test_the_routine_waits_twice_as_long_for_each_challenger_in_a_row_that_was_shown_not_to_pay(
    default: TriggerPolicy,
) -> None:
    def waits(*gains: float | None) -> int:
        tried = tuple(Attempt(before(200 - 22 * n), Ended.PROMOTED, best_gain=gain) for n, gain in enumerate(gains))
        return next(
            age
            for age in range(1, 200)
            if default.decide(replace(CALM, champion_as_of=before(age), attempts=tried)).outcome is Outcome.FIRED
        )

    assert [waits(*gains) for gains in ([], [0.002], [0.002, -0.001], [0.002] * 3)] == [22, 43, 85, 85]
    assert waits(0.002, 0.03) == 22  # the last one may well have paid
    assert waits(0.002, None) == 22  # nothing is known of it
    tried = (Attempt(before(60), Ended.PROMOTED, best_gain=0.002),)
    old = replace(CALM, champion_as_of=before(60), attempts=tried)
    assert sentence(default, old).endswith(
        "60 days ago; at most 42 are allowed, 2 times the usual since the last challenger was at best 0.2% better"
    )
    fallen = replace(CALM, attempts=tried, quality=quality(0.1))
    assert default.decide(fallen).outcome is Outcome.FIRED  # an alarm waits for nothing


def test_few_days_must_agree_more_than_many(tmp_path: Path) -> None:
    policy = declared("{data: null, concept_drift: null}", tmp_path)

    def days(count: int) -> tuple[DayQuality, ...]:
        # the same t, 3.0, over any number of days
        spread = 0.03 / 3.0 * math.sqrt(count - 1)
        return tuple(replace(q, loss=0.53 + spread * (-1) ** n) for n, q in enumerate(quality(0, days=count)))

    assert policy.decide(replace(CALM, quality=days(6))).outcome is Outcome.NO_ACTION
    assert policy.decide(replace(CALM, quality=days(14))).outcome is Outcome.FIRED
    many = mean_over_days([0.01 + 0.1 * (-1) ** n for n in range(1000)], [1] * 1000)
    assert many.surety == pytest.approx(many.t, rel=0.01)


def test_what_a_challenger_can_save_at_best_is_the_far_end_of_its_interval() -> None:
    assert best_gain(-0.01, -0.002, 0.5) == pytest.approx(0.036)
    assert best_gain(0.004, 0.005, 0.5) == pytest.approx(-0.006)
    assert best_gain(0.004, math.nan, 0.5) is None


def test_challengers_are_undecided_while_they_are_refused_and_may_have_been_better() -> None:
    better, worse = (
        Attempt(before(3), Ended.REJECTED, best_gain=0.2),
        Attempt(before(2), Ended.REJECTED, best_gain=-0.1),
    )
    promoted, failed = Attempt(before(9), Ended.PROMOTED, best_gain=0.2), Attempt(before(1), Ended.FAILED)
    rows = [[], [promoted], [better], [better, better], [better, promoted, better], [better, worse], [better, failed]]
    assert [undecided(row) for row in rows] == [0, 0, 1, 2, 1, 0, 1]
    assert undecided([Attempt(before(1), Ended.REJECTED)]) == 0  # it was not compared


def test_a_rejection_waits_for_the_cool_down_and_more_in_a_row_double_it_up_to_the_maximum(tmp_path: Path) -> None:
    policy = declared("{maximum_age_days: 5, budget: null}", tmp_path)

    def waits(rejections: int) -> int:
        tried = tuple(Attempt(TODAY - timedelta(days=n), Ended.REJECTED) for n in reversed(range(rejections)))
        days = (
            n
            for n in range(60)
            if policy.decide(replace(CALM, today=TODAY + timedelta(days=n), attempts=tried)).outcome is Outcome.FIRED
        )
        return next(days)

    assert [waits(n) for n in (1, 2, 3, 4)] == [7, 14, 28, 28]


def test_one_training_at_a_time_and_a_lost_one_is_requested_again(tmp_path: Path) -> None:
    policy = declared("{maximum_age_days: 5}", tmp_path)
    running = replace(CALM, attempts=(Attempt(before(1), Ended.RUNNING),))
    assert "but the training requested on 2024-02-29 is not judged yet" in sentence(policy, running)
    assert policy.decide(replace(running, today=TODAY + timedelta(days=1))).outcome is Outcome.FIRED


def test_a_person_waits_for_good_data_and_for_a_running_training_but_for_nothing_else(default: TriggerPolicy) -> None:
    requested = replace(
        CALM, champion_as_of=before(1), request="new source", attempts=(Attempt(before(1), Ended.REJECTED),) * 4
    )
    assert sentence(default, requested) == "fired: a training was requested: new source"
    refused = replace(requested, data_refused="labels of 2024-02-29 were refused (late is 7)")
    assert sentence(default, refused) == (
        "suppressed: a training was requested: new source but labels of 2024-02-29 were refused (late is 7)"
    )


def test_rows_of_one_day_are_not_independent() -> None:
    few_days = mean_over_days([0.1, -0.1], [10**6, 10**6])
    assert (few_days.value, few_days.standard_error) == (0.0, pytest.approx(0.1))
    assert excess_loss([replace(q, expected_loss=None) for q in quality(0.1)]).days == 0
    assert bias(quality(0.0, off=0.05)).value == pytest.approx(0.05)


measurements = st.builds(
    TriggerMeasurement,
    today=st.just(TODAY),
    champion_version=st.just("3"),
    champion_as_of=st.integers(0, 200).map(before),
    known_rows=st.integers(0, 10**6),
    new_rows=st.integers(0, 10**6),
    quality=st.builds(quality, st.floats(-0.5, 0.5), days=st.integers(0, 20), off=st.floats(-0.5, 0.5)),
    attempts=st.lists(st.builds(Attempt, st.integers(1, 100).map(before), st.sampled_from(Ended)), max_size=6).map(
        lambda found: tuple(sorted(found, key=lambda a: a.as_of))
    ),
    request=st.none() | st.just("please"),
    data_refused=st.none() | st.just("labels were refused"),
)


@given(measured=measurements)
def test_whatever_is_measured_the_sentence_says_what_was_decided(measured: TriggerMeasurement) -> None:
    policy = TriggerPolicy((Staleness(30),), ())
    verdict = policy.decide(measured)
    assert verdict.sentence.startswith(f"{verdict.outcome.words}: ")


@given(measured=measurements, limits=st.tuples(st.integers(1, 200), st.integers(1, 200)))
def test_what_fires_under_a_limit_fires_under_a_shorter_one(
    measured: TriggerMeasurement, limits: tuple[int, int]
) -> None:
    short, long = (TriggerPolicy((Staleness(limit),)).decide(measured).outcome for limit in sorted(limits))
    if long is Outcome.FIRED:
        assert short is Outcome.FIRED
