"""The ledger's tables of probation: versions that serve while they are judged, and the days that judge them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tidewheel.ledger.tables import Table

_Id = BigInteger().with_variant(Integer, "sqlite")
_IS_OPEN = text("closed_at IS NULL")


class ProbationRow(Table):
    """A version that was promoted and is judged by its predecessor; a pipeline has at most one open row.

    `as_of` is the day that its training looked back from: the days after it are judged. `outcome` is empty while it is
    open; `best_gain` is how much better than its predecessor it can be at best, as a share of the loss.
    """

    __tablename__ = "probation"
    __table_args__ = (
        Index("one_open_probation", "pipeline", unique=True, postgresql_where=_IS_OPEN, sqlite_where=_IS_OPEN),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63), index=True)
    version: Mapped[str] = mapped_column(String(20))
    predecessor: Mapped[str] = mapped_column(String(20))
    as_of: Mapped[str] = mapped_column(String(10))
    run_id: Mapped[str] = mapped_column(String(250))
    outcome: Mapped[str] = mapped_column(String(20), default="", server_default="")
    sentence: Mapped[str] = mapped_column(Text, default="", server_default="")
    best_gain: Mapped[float | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class PairedDayRow(Table):
    """Two versions on the same labelled rows of a day; measured again, it is replaced."""

    __tablename__ = "paired_day"

    pipeline: Mapped[str] = mapped_column(String(63), primary_key=True)
    version: Mapped[str] = mapped_column(String(20), primary_key=True)
    predecessor: Mapped[str] = mapped_column(String(20), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    rows: Mapped[int] = mapped_column(BigInteger)
    loss: Mapped[float]
    predecessor_loss: Mapped[float]
    row_error: Mapped[float]
    measured_at: Mapped[datetime]
