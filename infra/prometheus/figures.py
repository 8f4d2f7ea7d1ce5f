"""Figures of the newest days of many pipelines, in one query each; see `tidewheel.ledger.newest_days`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import String, and_, case, column, func, select, values

from tidewheel.ledger.tables import FigureRow

if TYPE_CHECKING:
    from sqlalchemy import CTE
    from sqlalchemy.orm import Session

DRIFT, DRIFTED = "feature_drift", "drifted_columns"
OF_REQUESTS = (
    "skew_row_share",
    "skewed_columns",
    "live_drifted_columns",
    "refused_share",
    "unusual_share",
    "skew_share",
)
"""Figures of a day's requests."""


class QualityFigure(NamedTuple):
    """A figure of all rows of a day that a version answered."""

    version: str
    name: str
    value: float


class DriftedColumns(NamedTuple):
    """Columns that had drifted on a day, of how many that were compared."""

    drifted: float
    compared: int


class RequestFigure(NamedTuple):
    """A figure of a day's requests; `slice` names the column, and is empty for that of all."""

    name: str
    slice: str
    value: float


def newest_quality(session: Session, days: Mapping[str, str]) -> Mapping[str, Sequence[QualityFigure]]:
    """Figures of all rows, by pipeline.

    Args:
        session: of the ledger.
        days: by pipeline, the newest day whose labels are in.
    """
    figures: defaultdict[str, list[QualityFigure]] = defaultdict(list)
    for pipeline, *figure in _of_days(
        session,
        days,
        FigureRow.version,
        FigureRow.name,
        FigureRow.value,
        where=and_(FigureRow.slice == "", FigureRow.version != ""),
    ):
        figures[pipeline].append(QualityFigure(*figure))
    return figures


def newest_drift(session: Session, days: Mapping[str, str]) -> dict[str, DriftedColumns]:
    """How many columns had drifted, by pipeline; without those where drift was not measured.

    Args:
        session: of the ledger.
        days: by pipeline, the newest monitored day.
    """
    drifted = func.max(case((FigureRow.name == DRIFTED, FigureRow.value)))
    compared = func.count(case((FigureRow.name == DRIFT, 1)))
    rows = _of_days(session, days, drifted, compared, where=FigureRow.name.in_([DRIFT, DRIFTED]), grouped=True)
    return {pipeline: DriftedColumns(drifted, compared) for pipeline, drifted, compared in rows if drifted is not None}


def newest_requests(session: Session, days: Mapping[str, str]) -> Mapping[str, Sequence[RequestFigure]]:
    """Figures of requests, by pipeline.

    Args:
        session: of the ledger.
        days: by pipeline, the newest monitored day.
    """
    figures: defaultdict[str, list[RequestFigure]] = defaultdict(list)
    columns = FigureRow.name, FigureRow.slice, FigureRow.value
    for pipeline, *figure in _of_days(session, days, *columns, where=FigureRow.name.in_(OF_REQUESTS)):
        figures[pipeline].append(RequestFigure(*figure))
    return figures


def _of_days(
    session: Session, days: Mapping[str, str], *columns: Any, where: Any, grouped: bool = False
) -> Sequence[Any]:
    known = {pipeline: day for pipeline, day in days.items() if day}
    if not known:
        return []
    pairs_of_days = _pairs(known, "day")
    same = (FigureRow.pipeline == pairs_of_days.c.pipeline) & (FigureRow.partition == pairs_of_days.c.day)
    query = select(pairs_of_days.c.pipeline, *columns).join_from(pairs_of_days, FigureRow, same).where(where)
    return session.execute(query.group_by(pairs_of_days.c.pipeline) if grouped else query).all()


def _pairs(pairs: Mapping[str, str], second: str) -> CTE:
    names = column("pipeline", String), column(second, String)
    return values(*names, name="pairs_of_days").data(list(pairs.items())).cte()
