"""A month's trainings, summed by pipeline."""

from __future__ import annotations

from datetime import UTC, date, datetime

from tidewheel.ledger import Ledger
from tidewheel.ledger.training_costs import TrainingCost, month_costs
from tidewheel.ledger.trainings import FitCost, Trainings, Window

WINDOW = Window(date(2026, 11, 20), date(2026, 10, 1), date(2026, 11, 10))


def test_trainings_of_the_month_count_and_those_before_do_not(ledger: Ledger) -> None:
    trainings = Trainings(ledger)
    for pipeline, run, cpu, at in (
        ("orders", "october", 1000.0, datetime(2026, 10, 31, 23, 59, tzinfo=UTC)),
        ("orders", "first", 30.0, datetime(2026, 11, 1, tzinfo=UTC)),
        ("orders", "second", 12.5, datetime(2026, 11, 28, tzinfo=UTC)),
        ("visits", "only", 4.0, datetime(2026, 11, 3, tzinfo=UTC)),
    ):
        trainings.fitted(pipeline, run, WINDOW, FitCost(1, cpu / 2, cpu, 1.0), at)
    trainings.begin("visits", "running", WINDOW, datetime(2026, 11, 28, tzinfo=UTC))
    with ledger.session() as session:
        costs = month_costs(session, datetime(2026, 11, 28, 9, tzinfo=UTC))
    assert costs == {"orders": TrainingCost(2, 42.5, 2.0), "visits": TrainingCost(2, 4.0, 1.0)}
