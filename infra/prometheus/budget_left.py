"""What is left of the budgets of trainings, as the newest decisions of the trigger say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select, tuple_

from tidewheel.ledger.tables import VerdictRow
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

INPUTS = ("fits_saved", "cpu_seconds_saved", "cpu_seconds_a_training")


class BudgetLeft(NamedTuple):
    """What a decision says of the budget; None: the budget is of the other unit, or nothing is known.

    Attributes:
        fits: that were saved.
        cpu_seconds: that were saved.
        each: CPU seconds that the next training is expected to take.
    """

    fits: float | None = None
    cpu_seconds: float | None = None
    each: float | None = None


def budget_left(session: Session, newest: Mapping[str, str]) -> dict[str, BudgetLeft]:
    """What the trigger's decision on a day says of the budget, by pipeline.

    Args:
        session: of the ledger.
        newest: the day of each pipeline's newest decision.
    """
    values = [VerdictRow.inputs[name].as_float() for name in INPUTS]
    query = select(VerdictRow.pipeline, *values).where(
        VerdictRow.kind == str(Kind.TRIGGER),
        VerdictRow.pipeline.in_(newest),
        tuple_(VerdictRow.pipeline, VerdictRow.subject).in_(newest.items()),
    )
    rows = session.execute(query.order_by(VerdictRow.decided_at, VerdictRow.id))
    return {name: BudgetLeft(*found) for name, *found in rows if any(value is not None for value in found)}
