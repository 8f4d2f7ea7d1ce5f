"""What is known on a day, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from jobs.replay.history import History
from tests.jobs.replay.conftest import FIRST
from tidewheel.partitions import PartitionRange, consecutive


def test_a_label_is_known_when_its_delay_is_over_and_not_before(make_history: Callable[..., History]) -> None:
    evening = make_history().on(date(2024, 1, 20))

    assert evening.matured_until == date(2024, 1, 18)
    assert len(evening.labelled([date(2024, 1, 18)])) == 60
    with pytest.raises(ValueError, match="labels of 2024-01-19 are not known on 2024-01-20"):
        evening.labelled([date(2024, 1, 19)])


def test_tomorrows_features_are_not_known(make_history: Callable[..., History]) -> None:
    evening = make_history().on(date(2024, 1, 20))

    assert len(evening.frame(date(2024, 1, 20))) == 60
    with pytest.raises(ValueError, match="2024-01-21 is not known"):
        evening.frame(date(2024, 1, 21))


def test_a_training_sees_matured_days_only_and_keeps_the_newest_for_the_gate(
    make_history: Callable[..., History],
) -> None:
    history = make_history()
    chosen = history.on(date(2024, 1, 20)).training_data(history.pipeline)

    assert chosen.training[0].day == FIRST
    assert chosen.training[-1].day == date(2024, 1, 15)
    assert [day.day for day in chosen.holdout] == [date(2024, 1, 16), date(2024, 1, 17), date(2024, 1, 18)]


def test_rows_of_days_are_those_of_these_days_in_order(make_history: Callable[..., History]) -> None:
    history = make_history()
    apart = [FIRST, FIRST + timedelta(days=1), FIRST + timedelta(days=9)]

    assert list(history.taken(apart).days.unique()) == [str(day) for day in apart]
    assert history.taken([]).truth.size == 0


def test_days_in_order_are_named_as_ranges() -> None:
    days = [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 5)]

    assert [str(span) for span in consecutive(days)] == ["2024-01-01..2024-01-02", "2024-01-05"]
    assert consecutive([]) == list[PartitionRange]()
