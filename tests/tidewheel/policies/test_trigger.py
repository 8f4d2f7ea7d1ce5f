"""When monitoring asks for a training, and when it says why not."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tidewheel.policies.trigger import TriggerMeasurement, TriggerPolicy
from tidewheel.policies.verdict import Outcome

TODAY = date(2024, 3, 1)


def after(days: int, request: str | None = None) -> TriggerMeasurement:
    return TriggerMeasurement(TODAY, "3", TODAY - timedelta(days=days), request)


def test_a_champion_that_is_too_old_fires() -> None:
    verdict = TriggerPolicy(maximum_age_days=21).decide(after(22))
    assert verdict.outcome is Outcome.FIRED
    assert verdict.sentence == ("fired: version 3 was trained as of 2024-02-08, 22 days ago; at most 21 are allowed")


@given(age=st.integers(0, 400), limits=st.tuples(st.integers(1, 400), st.integers(1, 400)))
def test_what_fires_under_a_limit_fires_under_a_shorter_one(age: int, limits: tuple[int, int]) -> None:
    short, long = (TriggerPolicy(maximum_age_days=limit).decide(after(age)).outcome for limit in sorted(limits))
    if long is Outcome.FIRED:
        assert short is Outcome.FIRED


@given(age=st.integers(0, 400))
def test_without_a_largest_age_nothing_fires_by_itself(age: int) -> None:
    verdict = TriggerPolicy().decide(after(age))
    assert verdict.outcome is Outcome.SUPPRESSED
    assert "no largest age is set" in verdict.sentence


def test_an_open_wish_fires_and_its_reason_is_told() -> None:
    verdict = TriggerPolicy().decide(after(0, "new data source"))
    assert (verdict.outcome, verdict.sentence) == (Outcome.FIRED, "fired: training was asked for: new data source")


def test_without_a_champion_nobody_is_surprised_by_a_first_training() -> None:
    verdict = TriggerPolicy(maximum_age_days=1).decide(TriggerMeasurement(TODAY, None, None))
    assert verdict.outcome is Outcome.SUPPRESSED


def test_a_champion_whose_training_day_is_unknown_is_not_called_old() -> None:
    verdict = TriggerPolicy(maximum_age_days=1).decide(TriggerMeasurement(TODAY, "3", None))
    assert verdict.outcome is Outcome.SUPPRESSED
