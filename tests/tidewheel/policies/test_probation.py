"""Probation: what sends a version back, what ends it, and what it waits for."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.policies.probation import PairedDay, ProbationMeasurement, ProbationPolicy, best_gain
from tidewheel.policies.verdict import Kind, Outcome

BEGIN = date(2024, 3, 1)
POLICY = ProbationPolicy()


def days(*differences: float, first: int = 0, loss: float = 0.5, row_error: float = 0.01) -> tuple[PairedDay, ...]:
    return tuple(
        PairedDay(BEGIN + timedelta(days=first + n), 900, loss + difference, loss, row_error)
        for n, difference in enumerate(differences)
    )


USUAL = days(*[0.01 * (-1) ** n for n in range(42)], first=-60)


def measured(*differences: float, usual: tuple[PairedDay, ...] = USUAL, nights: int = 1) -> ProbationMeasurement:
    return ProbationMeasurement("2", "1", days(*differences), usual, nights)


def test_a_version_that_is_clearly_worse_is_sent_back_on_its_second_night() -> None:
    first, second = (POLICY.decide(measured(*[0.08] * nights, nights=nights)) for nights in (1, 2))
    assert first.outcome is Outcome.NO_ACTION
    assert second.outcome is Outcome.ROLLED_BACK
    assert second.kind is Kind.PROBATION
    assert "+16.0% loss over 2 days" in second.sentence


def test_one_day_is_enough_where_it_is_far_beyond_what_days_differ_by() -> None:
    verdict = POLICY.decide(measured(0.4))
    assert verdict.outcome is Outcome.ROLLED_BACK
    assert "+80% loss on 2024-03-01" in verdict.sentence
    assert verdict.sentence.endswith("; version 1 becomes champion again")


def test_one_bad_day_sends_nothing_back_where_days_differ_by_as_much() -> None:
    usual = days(*[0.3 * (n % 10 == 0) for n in range(42)], first=-60)
    assert POLICY.decide(measured(0.4, usual=usual)).outcome is Outcome.NO_ACTION


def test_a_turn_before_the_promotion_is_not_what_days_usually_differ_by() -> None:
    turned = tuple(
        PairedDay(day.day, day.rows, day.loss - 0.6 * (n >= 30), day.predecessor_loss, day.row_error)
        for n, day in enumerate(USUAL)
    )
    verdict = POLICY.decide(measured(0.5, usual=turned))
    assert verdict.outcome is Outcome.ROLLED_BACK
    assert verdict.inputs["day_deviation"] == pytest.approx(POLICY.decide(measured(0.5)).inputs["day_deviation"])


def test_a_version_that_is_no_worse_ends_its_probation_early() -> None:
    verdict = POLICY.decide(measured(*[-0.02] * 6))
    assert verdict.outcome is Outcome.PASSED
    assert verdict.sentence.endswith("worse by no more than 2%; probation ends, and version 2 stays champion")
    assert verdict.inputs["undecided"] is False


def test_a_better_one_stays_on_probation_for_some_days_all_the_same() -> None:
    assert POLICY.decide(measured(*[-0.2] * 3)).outcome is Outcome.NO_ACTION


def test_probation_ends_after_two_weeks_of_days_that_show_nothing() -> None:
    restless = [0.05 * (-1) ** n for n in range(14)]
    verdict = POLICY.decide(measured(*restless, usual=days(*restless * 3, first=-60)))
    assert verdict.outcome is Outcome.PASSED
    assert verdict.sentence.endswith("not shown to be worse in time, so probation ends, and version 2 stays champion")
    assert verdict.inputs["undecided"] is True


@pytest.mark.parametrize(("nights", "outcome"), [(27, Outcome.NO_ACTION), (28, Outcome.PASSED)])
def test_labels_that_never_come_end_probation_after_four_weeks(nights: int, outcome: Outcome) -> None:
    verdict = POLICY.decide(measured(nights=nights))
    assert verdict.outcome is outcome
    assert "no labels yet" in verdict.sentence


@given(
    st.lists(st.floats(-0.2, 0.2), min_size=5, max_size=12),
    st.floats(0.001, 0.1),
)
def test_the_interval_says_what_the_test_decides(differences: list[float], row_error: float) -> None:
    known = ProbationMeasurement("2", "1", days(*differences, row_error=row_error), USUAL, 6)
    low, high = POLICY.interval(known)
    outcome = POLICY.decide(known).outcome
    assert low <= high
    if low > POLICY.margin + 1e-9:
        assert outcome is Outcome.ROLLED_BACK
    elif outcome is Outcome.PASSED:
        assert high <= POLICY.tolerance + 1e-9
    elif outcome is Outcome.NO_ACTION:
        assert high >= POLICY.tolerance - 1e-9


def test_the_interval_narrows_as_days_come_and_has_no_end_before() -> None:
    assert POLICY.interval(measured()) == (-math.inf, math.inf)
    assert POLICY.interval(measured(0.01, 0.01, usual=())) == (-math.inf, math.inf), "how far days differ is unknown"
    (few_low, few_high), (low, high) = (POLICY.interval(measured(*[0.004] * count)) for count in (3, 14))
    assert few_low < low < 0.008 < high < few_high


def test_nothing_is_shown_while_nobody_knows_how_far_days_differ() -> None:
    assert POLICY.decide(measured(0.2, 0.2, usual=())).outcome is Outcome.NO_ACTION


def test_a_day_that_is_corrected_is_judged_anew() -> None:
    assert POLICY.decide(measured(0.08, 0.08)).outcome is Outcome.ROLLED_BACK
    assert POLICY.decide(measured(0.08, 0.0)).outcome is Outcome.NO_ACTION


def test_what_a_version_gains_at_best_is_the_far_end_of_its_interval() -> None:
    gain = best_gain(measured(*[-0.05] * 8))
    assert gain is not None
    assert 0.1 < gain < 0.15
    assert best_gain(measured(usual=())) is None


@given(st.lists(st.floats(-0.3, 0.3), max_size=14), st.floats(0.01, 0.2))
def test_a_day_more_that_is_worse_never_speaks_for_a_version(found: list[float], worse: float) -> None:
    before, after = (POLICY.decide(measured(*those)) for those in ([*found, -worse], [*found, worse]))
    ranks = [Outcome.PASSED, Outcome.NO_ACTION, Outcome.ROLLED_BACK]
    if len(found) + 1 < POLICY.minimum_days:
        assert ranks.index(after.outcome) >= ranks.index(before.outcome)
