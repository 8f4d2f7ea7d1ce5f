"""Since when predictions turn out worse."""

from __future__ import annotations

from datetime import date, timedelta

from tidewheel.policies.change import changed_since
from tidewheel.policies.trigger.quality import DayQuality

BEGIN = date(2024, 1, 1)


def quality(*losses: float, expected: float | None = 0.5) -> list[DayQuality]:
    return [DayQuality(BEGIN + timedelta(days=n), "3", 900, loss, expected, 0.0, 0.2) for n, loss in enumerate(losses)]


def restless(count: int, level: float = 0.5) -> list[float]:
    return [level + 0.01 * (-1) ** n for n in range(count)]


def test_the_first_day_of_a_higher_loss_is_found() -> None:
    assert changed_since(quality(*restless(20), *restless(3, 0.7))) == date(2024, 1, 21)


def test_days_that_only_differ_from_one_to_the_next_show_no_change() -> None:
    assert changed_since(quality(*restless(30))) is None


def test_a_lower_loss_is_no_reason_to_forget_older_days() -> None:
    assert changed_since(quality(*restless(20), *restless(5, 0.3))) is None


def test_a_single_day_is_no_change() -> None:
    assert changed_since(quality(*restless(20), 0.9)) is None


def test_days_without_an_expectation_are_judged_by_their_loss() -> None:
    assert changed_since(quality(*restless(20), *restless(4, 0.8), expected=None)) == date(2024, 1, 21)


def test_without_days_nothing_has_changed() -> None:
    assert changed_since([]) is None
