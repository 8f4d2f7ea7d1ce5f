"""Probation: how the version that serves does against its predecessor, what ends it, and how earlier ones ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from plugins.web.scheduled_runs import how_often
from tidewheel.partitions import DAY, Partitioning, day_of
from tidewheel.policies.probation import ProbationMeasurement, ProbationPolicy
from tidewheel.policies.verdict import clause
from tidewheel.quantities import quantity

if TYPE_CHECKING:
    from tidewheel.ledger.probation_tables import ProbationRow
    from tidewheel.ledger.probations import RunningProbation
    from tidewheel.policies.probation import PairedDay
    from tidewheel.spec import Pipeline

POLICY = ProbationPolicy()
"""What the nights decide by."""
SHOWN = 12
"""Probations that have ended, in the table."""


@dataclass(frozen=True)
class JudgedDay:
    """A labelled day of probation. Losses are shares of the predecessor's: 0.01 is 1% more than it lost.

    Attributes:
        day: YYYY-MM-DD.
        rows: with labels, that both versions have predicted.
        difference: how much more the version on probation lost on this day.
        mean: likewise, over the days up to this one.
        interval: what the test has not excluded by then; its ends may be infinite.
    """

    day: str
    rows: int
    difference: float
    mean: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Ending:
    """One way in which probation ends.

    Attributes:
        when: the night, by the day that it monitors.
        words: what happens then, and on what it depends.
    """

    when: str
    words: str


@dataclass(frozen=True)
class ProbationChart:
    """One probation, day by day.

    Attributes:
        row: of the ledger.
        nights: that have passed since it began.
        days: those with labels, oldest first.
        endings: how it may end; none where it has ended.
        unit: what a partition holds.
    """

    row: ProbationRow
    nights: int
    days: Sequence[JudgedDay]
    endings: Sequence[Ending] = ()
    unit: Partitioning = DAY

    def summary(self) -> str:
        """The chart in a sentence, for those who do not see it."""
        row = self.row
        if row.closed_at is not None:
            words = clause(row.sentence, row.outcome)
            return f"{words[:1].upper()}{words[1:]}."
        pair = (
            f"Version {row.version} serves, and is compared every {how_often(self.unit)} with version "
            f"{row.predecessor} on the same rows"
        )
        if not self.days:
            return f"{pair}. No {self.unit} since {row.as_of} has labels yet."
        last = self.days[-1]
        return (
            f"{pair}: {last.mean:+.1%} loss over {quantity(len(self.days), self.unit)}, "
            f"{interval_words(last.interval, self.unit)}. "
            f"{how_often(self.unit).capitalize()} {self.nights} of {POLICY.maximum_nights} at most."
        )

    def drawn(self) -> dict[str, Any]:
        """What the script of the page draws, in percent: parallel lists, one entry a day of the calendar.

        The axis reaches as far as the day that ends a probation whose days all have labels.
        """
        by_day = {one.day: one for one in self.days}
        began = day_of(self.row.as_of)
        last = max(self.row.as_of, *by_day) if by_day else self.row.as_of
        length = max(self.unit.between(began, day_of(last)), POLICY.days)
        days = [str(self.unit.after(began, number)) for number in range(1, length + 1)]
        of = [by_day.get(day) for day in days]
        return {
            "days": days,
            "rows": [one.rows if one else None for one in of],
            "difference": [_percent(one.difference) if one else None for one in of],
            "mean": [_percent(one.mean) if one else None for one in of],
            "low": [_percent(one.interval[0]) if one else None for one in of],
            "high": [_percent(one.interval[1]) if one else None for one in of],
            "margin": _percent(POLICY.margin),
            "tolerance": _percent(POLICY.tolerance),
        }


@dataclass(frozen=True)
class ProbationView:
    """All that the page shows of it.

    Attributes:
        newest: the one that runs, or else the one that ended last; None where there was none.
        ended: those that have ended, newest first.
    """

    newest: ProbationChart | None = None
    ended: Sequence[ProbationRow] = ()


def probation(
    pipeline: Pipeline, rows: Sequence[ProbationRow], days: Sequence[PairedDay], monitored: str
) -> ProbationView:
    """Put a pipeline's probations together.

    Args:
        pipeline: its file.
        rows: all of them, oldest first.
        days: of the newest one, also those before the promotion.
        monitored: the newest day that was monitored; empty where there is none.
    """
    ended = [row for row in reversed(rows) if row.closed_at is not None][:SHOWN]
    if not rows:
        return ProbationView()
    row = rows[-1]
    nights = _nights(pipeline.block, row, monitored)
    measured = ProbationMeasurement(
        row.version,
        row.predecessor,
        tuple(day for day in days if str(day.day) > row.as_of),
        tuple(day for day in days if str(day.day) <= row.as_of),
        nights,
        pipeline.block,
    )
    endings = _endings(pipeline, row) if row.closed_at is None else ()
    return ProbationView(ProbationChart(row, nights, _judged(measured), endings, pipeline.block), ended)


def title(running: RunningProbation, unit: Partitioning) -> str:
    """How far a probation has come, in four words."""
    return f"on probation, {unit} {running.days} of {POLICY.days}"


def sentence(running: RunningProbation, unit: Partitioning) -> str:
    """The same in a sentence."""
    pair = f"Version {running.version} serves and is compared with version {running.predecessor}, whose place it took"
    if running.loss is None or not running.predecessor_loss:
        return f"{pair}: no {unit} since {running.as_of} has labels yet."
    share = (running.loss - running.predecessor_loss) / abs(running.predecessor_loss)
    return f"{pair}: {share:+.1%} loss over {quantity(running.days, f'labelled {unit}')}."


def share_words(share: float) -> str:
    """A share with its sign, in percent."""
    return f"{share:+.1%}" if math.isfinite(share) else "unknown"


def interval_words(interval: tuple[float, float], unit: Partitioning) -> str:
    """An interval of shares in words; its ends may be infinite."""
    low, high = interval
    if math.isinf(low) and math.isinf(high):
        return f"too few {unit}s for an interval"
    if math.isinf(low):
        return f"at most {high:+.1%}"
    if math.isinf(high):
        return f"at least {low:+.1%}"
    return f"between {low:+.1%} and {high:+.1%}"


def _judged(measured: ProbationMeasurement) -> list[JudgedDay]:
    judged = []
    for number, day in enumerate(measured.days, start=1):
        so_far = measured.days[:number]
        loss = sum(one.predecessor_loss for one in so_far)
        judged.append(
            JudgedDay(
                str(day.day),
                day.rows,
                _share(day.difference, day.predecessor_loss),
                _share(sum(one.difference for one in so_far), loss),
                POLICY.interval(replace(measured, days=so_far)),
            )
        )
    return judged


def _nights(unit: Partitioning, row: ProbationRow, monitored: str) -> int:
    try:
        newest = day_of(monitored)
    except ValueError:  # nothing is monitored yet, or by no day
        return 0
    return max(unit.between(day_of(row.as_of), newest), 0)


def _endings(pipeline: Pipeline, row: ProbationRow) -> list[Ending]:
    began, delay, unit = day_of(row.as_of), pipeline.labels.delay_days, pipeline.block
    early, late = (unit.after(began, count + delay) for count in (POLICY.minimum_days, POLICY.days))
    last = unit.after(began, POLICY.maximum_nights)
    return [
        Ending(
            f"any {how_often(unit)}",
            f"Version {row.predecessor} returns as soon as all of the interval lies above {POLICY.margin:.0%}, or one "
            f"{unit} is worse by {POLICY.abrupt:.0%} and by {POLICY.abrupt_t:g} standard deviations.",
        ),
        Ending(
            f"from {early} on",
            f"Version {row.version} has passed as soon as all of the interval lies below {POLICY.tolerance:.0%}: "
            f"{POLICY.minimum_days} {unit}s have labels by then, unless labels are late.",
        ),
        Ending(
            f"{late}, or {last} at the latest",
            f"Version {row.version} has passed where nothing has shown it worse: after {POLICY.days} {unit}s with "
            f"labels, or {POLICY.maximum_nights} {how_often(unit)}s.",
        ),
    ]


def _share(difference: float, loss: float) -> float:
    return difference / abs(loss) if loss else math.nan


def _percent(share: float) -> float | None:
    """What JSON can say of it."""
    return round(100 * share, 3) if math.isfinite(share) else None
