"""What must not make monitoring train: nights out of order, a platform that catches up, trainings that are lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipelines import PIPELINE_FILE
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.trigger.budget import TokenBucket
from tidewheel.policies.trigger.measurement import FeatureDrift, TriggerMeasurement
from tidewheel.policies.trigger.patience import Patience
from tidewheel.policies.trigger.policy import TriggerPolicy
from tidewheel.policies.trigger.quality import DayQuality
from tidewheel.policies.trigger.reasons import Calendar, Every, Staleness
from tidewheel.policies.trigger.restraints import NewestDay, SingleFlight
from tidewheel.policies.verdict import Outcome
from tidewheel.spec import load_pipeline

TODAY = date(2024, 3, 1)  # a Friday
OLD = TriggerMeasurement(TODAY, "3", TODAY - timedelta(days=90), known_rows=50_000)


def later(days: int) -> date:
    return TODAY + timedelta(days=days)


def days_of(loss: float, bias: float = 0.0, *, end: date = TODAY, days: int = 10) -> tuple[DayQuality, ...]:
    """Days of the champion with a loss, where it expects 0.5."""
    return tuple(
        DayQuality(end - timedelta(days=n), "3", 900, loss + 0.004 * (-1) ** n, 0.5, bias + 0.004 * (-1) ** n, 0.17)
        for n in range(days)
    )


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TriggerPolicy]:
    """The policy of a pipeline file with some `triggers`."""
    folder: Path = tmp_path_factory.mktemp("dags")

    def make(triggers: str) -> TriggerPolicy:
        file = folder / "orders.yaml"
        file.write_text(f"{PIPELINE_FILE}\ntriggers: {triggers}\n")
        return TriggerPolicy.of(load_pipeline(file))

    return make


def fires(policy: TriggerPolicy, measured: TriggerMeasurement) -> bool:
    return policy.decide(measured).outcome is Outcome.FIRED


def test_an_older_day_that_is_monitored_again_says_what_it_sees_and_asks_for_nothing(
    declared: Callable[[str], TriggerPolicy],
) -> None:
    policy = declared("{drift: {minimum_weight: 0.3}}")
    alarmed = replace(
        OLD,
        quality=days_of(0.6, 0.1),
        drift=FeatureDrift(("price",), 0.9),
        concept_alarms=("origin=LGA: excess log-loss +0.310",),
        new_rows=80_000,
        request="please",
    )
    assert fires(policy, alarmed)
    verdict = policy.decide(replace(alarmed, monitored_since=later(5)))
    assert (verdict.outcome, verdict.inputs["held_by"]) == (Outcome.SUPPRESSED, "newest day")
    assert verdict.sentence.endswith("but 2024-03-06 was monitored before, and the newest day decides")
    first = TriggerMeasurement(TODAY, None, None, new_rows=10**6, monitored_since=later(1))
    assert not fires(policy, first)


def test_three_weeks_that_are_caught_up_in_an_hour_ask_for_one_training(
    declared: Callable[[str], TriggerPolicy],
) -> None:
    policy, asked = declared("{budget: null}"), list[Attempt]()
    for night in range(21):
        measured = replace(OLD, today=later(night), attempts=tuple(asked), quality=days_of(0.6, end=later(night)))
        if fires(policy, measured):
            asked.append(Attempt(measured.today, Ended.RUNNING, waited_days=0))
    assert [attempt.as_of for attempt in asked] == [TODAY]


def test_a_training_that_is_slow_is_lost_only_when_nights_and_days_by_the_clock_have_passed() -> None:
    policy = TriggerPolicy((Staleness(28),), (SingleFlight(2),))

    def asked(nights: int, waited: int | None) -> bool:
        return fires(policy, replace(OLD, attempts=(Attempt(later(-nights), Ended.RUNNING, waited_days=waited),)))

    assert [asked(*how) for how in ((9, 0), (9, 1), (1, 9), (2, 2), (2, None), (1, None))] == [
        *[False] * 3,
        True,
        True,
        False,
    ]


def test_what_a_training_knew_counts_and_not_the_night_that_asked_for_it(
    declared: Callable[[str], TriggerPolicy],
) -> None:
    policy = declared("{}")
    refused = Attempt(later(5), Ended.REJECTED)  # asked for today, begun when five more days were there
    nights = [night for night in range(20) if fires(policy, replace(OLD, today=later(night), attempts=(refused,)))]
    assert nights[0] == 5 + 7
    verdict = policy.decide(replace(OLD, attempts=(refused,)))
    assert verdict.sentence.endswith("but the last training knew the days until 2024-03-06 already")


def test_fits_of_a_training_that_knows_later_days_are_spent() -> None:
    policy, first = TriggerPolicy((Staleness(28),), (TokenBucket(2, 30, burst=2),)), Attempt(later(-90), Ended.PROMOTED)
    assert not fires(policy, replace(OLD, attempts=(first, Attempt(later(3), Ended.PROMOTED, fits=2))))
    assert fires(policy, replace(OLD, attempts=(first, Attempt(later(3), Ended.PROMOTED))))


def test_a_champion_that_knows_later_days_is_not_old_and_has_no_negative_age_in_words(
    declared: Callable[[str], TriggerPolicy],
) -> None:
    verdict = declared("{}").decide(replace(OLD, champion_as_of=later(3)))
    assert verdict.outcome is Outcome.NO_ACTION
    assert "version 3 was trained as of 2024-03-04, later than 2024-03-01" in verdict.sentence


@pytest.mark.parametrize("reason", [Calendar("0 6 1 * *"), Every(28)], ids=["calendar", "every"])
def test_a_training_that_was_lost_or_refused_by_data_has_not_answered_the_calendar(reason: Calendar | Every) -> None:
    policy = TriggerPolicy((reason,), (SingleFlight(2),))
    lost = Attempt(TODAY, Ended.RUNNING)
    assert not fires(policy, replace(OLD, today=later(1), attempts=(lost,)))
    assert fires(policy, replace(OLD, today=later(2), attempts=(lost,)))
    assert fires(policy, replace(OLD, today=later(1), attempts=(Attempt(TODAY, Ended.FAILED),)))
    assert not fires(policy, replace(OLD, today=later(1), attempts=(Attempt(TODAY, Ended.REJECTED),)))


def test_a_training_by_hand_does_not_hide_one_that_still_runs() -> None:
    policy = TriggerPolicy(restraints=(SingleFlight(2),))
    running = (Attempt(later(-1), Ended.RUNNING), Attempt(later(-1), Ended.PROMOTED))
    verdict = policy.decide(replace(OLD, request="please", attempts=running))
    assert verdict.inputs["held_by"] == "single flight"


def test_years_of_trainings_that_did_not_pay_are_no_number_too_large() -> None:
    vain = tuple(Attempt(later(n - 3000), Ended.REJECTED, best_gain=-0.1) for n in range(2000))
    assert Patience(0.01, 4.0).factor(replace(OLD, attempts=vain)) == 4.0


@pytest.mark.parametrize(
    ("waited", "best_gain", "factor"),
    [(21, 0.009, 2), (40, 0.009, 2), (7, 0.009, 1), (7, 0.003, 2), (7, -0.02, 2), (0, 0.009, 1), (21, 0.02, 1)],
)
def test_a_challenger_before_its_time_shows_what_a_part_of_the_wait_was_worth(
    waited: int, best_gain: float, factor: float
) -> None:
    paid = Attempt(later(-90), Ended.PROMOTED, best_gain=0.05)
    newest = Attempt(later(waited - 90), Ended.PROMOTED, best_gain=best_gain)
    assert Patience(0.01, 4.0, 21).factor(replace(OLD, attempts=(paid, newest))) == factor


def test_a_refused_challenger_leaves_the_champion_its_age() -> None:
    paid, refused = (
        Attempt(later(-90), Ended.PROMOTED, best_gain=0.05),
        Attempt(later(-83), Ended.REJECTED, best_gain=0),
    )
    newest = Attempt(later(-69), Ended.REJECTED, best_gain=0.009)
    assert Patience(0.01, 4.0, 21).factor(replace(OLD, attempts=(paid, refused, newest))) == 4


def test_the_window_holds_so_many_days_and_no_day_more() -> None:
    days = [q.day for q in replace(OLD, quality=days_of(0.5, days=40)).champion_days(14)]
    assert (len(days), days[0], days[-1]) == (14, later(-13), TODAY)


def test_figures_that_are_no_numbers_call_for_nothing(declared: Callable[[str], TriggerPolicy]) -> None:
    policy = declared("{data: null, maximum_age_days: null}")
    for loss, bias in ((math.nan, math.nan), (math.inf, 0.0), (0.6, math.nan)):
        broken = (*days_of(0.5), replace(days_of(0.5)[0], day=later(1), loss=loss, bias=bias))
        verdict = policy.decide(replace(OLD, today=later(2), quality=broken))
        assert verdict.outcome is Outcome.NO_ACTION, (loss, bias)


ENDS = st.sampled_from([Ended.PROMOTED, Ended.REJECTED, Ended.FAILED])


@settings(deadline=None)
@given(
    ends=st.lists(st.tuples(ENDS, st.integers(1, 2)), min_size=1, max_size=40),
    wrong=st.lists(st.booleans(), min_size=60, max_size=60),
    gap=st.integers(0, 25),
)
def test_however_trainings_end_they_keep_their_distance_and_the_budget(
    declared: Callable[[str], TriggerPolicy], ends: list[tuple[Ended, int]], wrong: list[bool], gap: int
) -> None:
    policy = declared(
        "{maximum_age_days: 7, cool_down_days: 4, patience_days: 2, budget: {fits: 12, days: 84, burst: 3}}"
    )
    asked, champion = list[Attempt](), OLD.champion_as_of
    for night, alarm in enumerate(wrong):
        today = later(night + (gap if night > 20 else 0))  # nights are missing in the middle
        measured = replace(
            OLD, today=today, champion_as_of=champion, attempts=tuple(asked), concept_alarms=("x",) if alarm else ()
        )
        verdict = policy.decide(measured)
        if verdict.outcome is not Outcome.FIRED:
            continue
        ended, fits = ends[len(asked) % len(ends)]
        if asked:
            assert (today - asked[-1].as_of).days >= (2 if asked[-1].ended is Ended.FAILED else 4)
        asked.append(Attempt(today, ended, verdict.inputs["role"] == "alarm", fits))
        champion = today if ended is Ended.PROMOTED else champion
    first = next((n for n, a in enumerate(asked) if a.ended is Ended.PROMOTED), len(asked))
    paid = asked[first + 1 :]
    for n, begun in enumerate(paid):
        for m, done in enumerate(paid[n:], n):
            spent, days = sum(a.fits for a in paid[n : m + 1]), (done.as_of - begun.as_of).days
            assert spent <= 3 + days * 12 / 84 + 1  # the last one may be fitted again through the newest day


@given(monitored_since=st.none() | st.just(later(3)), request=st.none() | st.just("please"), new=st.integers(0, 10**6))
def test_nothing_fires_where_a_later_day_was_monitored(
    monitored_since: date | None, request: str | None, new: int
) -> None:
    policy = TriggerPolicy((Staleness(28), Every(1)), (NewestDay(),))
    measured = replace(OLD, monitored_since=monitored_since, request=request, new_rows=new)
    assert fires(policy, measured) is (monitored_since is None)
