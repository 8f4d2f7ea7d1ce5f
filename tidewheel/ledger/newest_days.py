"""The newest days of many pipelines, in one query.

PostgreSQL looks each up by the primary key of the figures, (pipeline, partition, …), read backwards: what it costs does
not grow with the years.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import String, column, select, values

from tidewheel.hours import is_hour
from tidewheel.ledger.tables import FigureRow, VerdictRow
from tidewheel.policies.verdict import Kind, Outcome

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

RAW = "raw/"
"""What the subject of a verdict on landed rows begins with."""
LOOKED_AT = 400
"""Newest verdicts on raw data: a verdict on an old range of days may be the newest."""


class NewestDays(NamedTuple):
    """The newest day with any figure, and the newest one whose labels are in; empty where there is none."""

    monitored: str = ""
    labelled: str = ""


def newest_days(session: Session, metrics: Mapping[str, str]) -> dict[str, NewestDays]:
    """Look up the newest days of pipelines.

    Args:
        session: of the ledger.
        metrics: by pipeline, the figure that a day has once its labels are in; empty where that is unknown.

    Returns:
        An entry for each of them.
    """
    if not metrics:
        return {}
    names = column("pipeline", String), column("metric", String)
    listed = values(*names, name="listed").data(list(metrics.items())).cte()
    newest = (
        select(FigureRow.partition)
        .where(FigureRow.pipeline == listed.c.pipeline)
        .order_by(FigureRow.partition.desc())
        .limit(1)
        .correlate(listed)
    )
    labelled = newest.where(listed.c.metric != "", FigureRow.name == listed.c.metric, FigureRow.slice == "")
    query = select(listed.c.pipeline, newest.scalar_subquery(), labelled.scalar_subquery())
    return {name: NewestDays(day or "", of_labels or "") for name, day, of_labels in session.execute(query)}


def validated_partition(session: Session, pipeline: str) -> str:
    """Key of the newest day, week or hour whose landed rows passed; empty without one. A verdict may be on a range."""
    passed = (VerdictRow.kind == str(Kind.VALIDATION), VerdictRow.outcome == str(Outcome.PASSED))
    query = select(VerdictRow.subject).where(
        VerdictRow.pipeline == pipeline, *passed, VerdictRow.subject.startswith(RAW, autoescape=True)
    )
    newest = session.scalars(query.order_by(VerdictRow.id.desc()).limit(LOOKED_AT))
    keys = (subject.removeprefix(RAW).split("..")[-1] for subject in newest)
    # A whole day ends after each of its hours.
    return max(keys, key=lambda key: key if is_hour(key) else f"{key}T24", default="")
