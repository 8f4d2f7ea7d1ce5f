"""What callers sent on the newest day: skew, drift of live input and refusals, column by column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidewheel.policies.verdict import clause

if TYPE_CHECKING:
    from plugins.web.fleet_rows import NewestFigure
    from tidewheel.ledger.tables import VerdictRow

OF_DAY = ("answers", "skew_rows", "skew_row_share", "refused_share", "unusual_share", "counted_requests")
OF_COLUMN = ("skew_share", "skew_size", "live_drift", "live_drift_limit", "refused_share", "unusual_share")
SHOWN = 20


@dataclass(frozen=True)
class SentColumn:
    """One column of the contract; a figure that nobody measured is None.

    Attributes:
        name: of the column.
        skew_share: share of compared rows that differ from what the night has computed.
        skew_size: by how much, in standard deviations.
        live_drift: distance to what the model learns from.
        live_drift_limit: beyond it the column has moved.
        refused_share: share of requests that were refused for it.
        unusual_share: share of answered rows with a value that training never had.
    """

    name: str
    skew_share: float | None = None
    skew_size: float | None = None
    live_drift: float | None = None
    live_drift_limit: float | None = None
    refused_share: float | None = None
    unusual_share: float | None = None

    @property
    def beyond(self) -> bool:
        """Whether its drift is beyond its limit."""
        if self.live_drift is None or self.live_drift_limit is None:
            return False
        return self.live_drift > self.live_drift_limit


@dataclass(frozen=True)
class Callers:
    """The newest day's requests.

    Attributes:
        day: YYYY-MM-DD; empty where no day has been looked at.
        sentence: the verdict's.
        figures: of all requests, by name.
        columns: the worst first, at most `SHOWN`.
        left_out: how many more have a figure.
    """

    day: str = ""
    sentence: str = ""
    figures: dict[str, float] | None = None
    columns: Sequence[SentColumn] = ()
    left_out: int = 0


def callers(verdict: VerdictRow | None, figures: Iterable[NewestFigure]) -> Callers:
    """Put the newest day together.

    Args:
        verdict: on its requests.
        figures: those of `OF_DAY` and `OF_COLUMN`, of that day.
    """
    if verdict is None:
        return Callers()
    by_column: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for figure in figures:
        if figure.partition == verdict.subject:
            by_column[figure.slice][figure.name] = figure.value
    whole = by_column.pop("", {})
    columns = [
        SentColumn(name, **{figure: value for figure, value in values.items() if figure in OF_COLUMN})
        for name, values in by_column.items()
    ]
    columns.sort(key=_rank)
    sentence = clause(verdict.sentence, verdict.outcome)
    return Callers(verdict.subject, sentence, whole, columns[:SHOWN], max(len(columns) - SHOWN, 0))


def _rank(column: SentColumn) -> tuple[float, bool, float, str]:
    wrong = max(column.skew_share or 0.0, column.refused_share or 0.0)
    return -wrong, not column.beyond, -(column.live_drift or 0.0), column.name
