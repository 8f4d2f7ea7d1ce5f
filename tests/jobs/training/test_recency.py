"""Which days a challenger learns from after an alarm: all, or those since something changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from jobs.data.training_data import LabelledDay
from jobs.models.prediction import Array
from jobs.training.recency import Chosen, DaysTrial, LearnedModel, choose_days, is_better
from tidewheel.runs import BatchReference

BEGIN, CHANGED, ROWS = date(2024, 1, 1), date(2024, 2, 20), 400
NOISE = np.random.default_rng(0).normal(scale=0.2, size=ROWS)


def days(count: int = 60) -> list[LabelledDay]:
    found = []
    for n in range(count):
        day = BEGIN + timedelta(days=n)
        batches = [
            BatchReference(dataset=name, partition=str(day), content_hash="", rows=ROWS)
            for name in ("features", "labels")
        ]
        found.append(LabelledDay(day=day, features=batches[0], labels=batches[1]))
    return found


def share_of_new(learned: Sequence[LabelledDay]) -> float:
    """A model here is the share of days since the change that it has learned from."""
    return float(np.mean([day.day >= CHANGED for day in learned]))


def trial(*, useful: float = 0.5, day_luck: float = 0.0, minimum_rows: int = 1000) -> DaysTrial[float]:
    """Models lose less, the more of the new days they know, by `useful`."""

    def losses(model: float, held: Sequence[LabelledDay]) -> list[Array]:
        return [1 - useful * model + NOISE * (1 + 0.1 * model) + day_luck * (n % 2) * model for n, _ in enumerate(held)]

    return DaysTrial(share_of_new, losses, minimum_rows)


def chosen(
    tried: DaysTrial[float],
    *,
    changed: date | None = CHANGED,
    current: date | None = None,
    fallen: bool = False,
    count: int = 60,
) -> Chosen[float]:
    return choose_days(tried, days(count), LearnedModel(0.0, current, date(2024, 2, 15)), changed, fallen)


def test_days_before_a_change_are_left_out_where_those_since_teach_more() -> None:
    found = chosen(trial())
    assert found.first == CHANGED
    assert len(found.fits) == 2  # one of the days since, one of all days
    assert "learns from the days since 2024-02-20" in found.words


def test_where_the_days_since_teach_no_more_than_the_champion_knows_only_the_small_model_is_fitted() -> None:
    found = chosen(trial(useful=0.0))
    assert found.first is None
    assert len(found.fits) == 1
    assert found.cost(60 * ROWS, 60 * ROWS) == 1


def test_without_a_change_nothing_is_tried() -> None:
    assert chosen(trial(), changed=None) == Chosen(None)


def test_too_few_rows_make_no_model() -> None:
    assert chosen(trial(minimum_rows=5_000)) == Chosen(None)


def test_one_day_tells_only_after_a_fall() -> None:
    newest = 54  # four days since the change: three held are too many to leave 1,000 rows
    assert chosen(trial(), count=newest).first is None
    assert chosen(trial(), count=newest, fallen=True).first == CHANGED


def test_a_champion_of_few_days_is_followed_by_one_of_all_where_that_does_better() -> None:
    tried = trial(useful=-0.5)  # the world has turned back: what knows the new days loses more
    found = choose_days(tried, days(), LearnedModel(1.0, CHANGED, date(2024, 2, 15)), None, fallen=False)
    assert found.first is None
    assert len(found.fits) == 1


def test_days_that_were_learned_from_tell_nothing() -> None:
    found = choose_days(trial(), days(), LearnedModel(0.0, None, date(2024, 2, 29)), CHANGED, fallen=False)
    assert found == Chosen(None)


def test_what_is_better_on_some_days_only_is_not_clearly_better() -> None:
    rows = np.ones(ROWS)
    theirs = [rows] * 4
    assert is_better([rows * 0.9, rows * 0.8, rows * 0.85, rows * 0.9], theirs)
    assert not is_better([rows * 0.2, rows * 1.1, rows * 1.1, rows * 1.1], theirs)
    assert not is_better([rows * 0.99] * 4, theirs)
