"""When a figure that moves every day has moved too far: effect and significance against its own history, confirmed.

Days are the units, however many rows they have: with a million rows every difference is significant, and weather moves
every night. So each series is held against how far *it* has moved from day to day before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from tidewheel.policies.significance import correct, student_quantile, student_upper_tail

LEAST_HISTORY = 5
"""With fewer days nobody knows how far a series usually moves."""


@dataclass(frozen=True)
class Series:
    """One figure over days.

    Attributes:
        name: whose figure it is.
        history: days before the checks, oldest first; NaN where a day was not measured. What is not finite says
            nothing of how far the series usually moves.
        checks: the newest days, oldest first; all series of a family have equally many.
        least: the smallest effect that matters: the rise above the mean of the history, in the series' own unit.
        certain: by check, whether it is beyond doubt without a comparison (a category that is always there is gone).
    """

    name: str
    history: tuple[float, ...]
    checks: tuple[float, ...]
    least: float = 0.0
    certain: tuple[bool, ...] = ()


@dataclass(frozen=True)
class SeriesFinding:
    """What was found of one series.

    Attributes:
        name: whose figure it is.
        value: at the newest check; NaN where it was not measured.
        limit: what the newest check must exceed to stand out, as if it were tested alone with its share of the level.
        probability: of so large a value under the series' own history, corrected over the family; 1 where unknown.
        beyond: by check, oldest first, whether it stands out in effect and significance.
        confirmed: whether enough of the checks do, the newest or the one before among them.
    """

    name: str
    value: float
    limit: float
    probability: float
    beyond: tuple[bool, ...]
    confirmed: bool


@dataclass(frozen=True)
class AlarmPolicy:
    """Judges a family of series at once.

    Attributes:
        level: of a check, after correction over the family.
        confirmations: checks that must stand out.
        correction: holm bounds the chance of any false finding a check, benjamini_hochberg the false share.
    """

    level: float = 0.05
    confirmations: int = 3
    correction: Literal["holm", "benjamini_hochberg"] = "holm"

    def judge(self, family: Sequence[Series]) -> tuple[SeriesFinding, ...]:
        """Judge each check of each series against the history before the first check.

        Args:
            family: series that are corrected for together; those with too little history find nothing.

        Returns:
            One finding a series, in their order.
        """
        usual = {one.name: self._usual(one) for one in family}
        known = [one for one in family if usual[one.name] is not None]
        checks = max((len(one.checks) for one in family), default=0)
        corrected: list[dict[str, float]] = []
        for n in range(checks):
            raw = {one.name: self._probability(one.checks[n], usual[one.name]) for one in known}
            corrected.append(correct({k: p for k, p in raw.items() if not math.isnan(p)}, self.correction))
        return tuple(self._finding(one, usual[one.name], corrected, len(known)) for one in family)

    def _usual(self, one: Series) -> _Usual | None:
        values = [value for value in one.history if math.isfinite(value)]
        return _Usual(fmean(values), stdev(values), len(values)) if len(values) >= LEAST_HISTORY else None

    def _probability(self, value: float, usual: _Usual | None) -> float:
        return math.nan if usual is None or math.isnan(value) else usual.upper_tail(value)

    def _finding(
        self, one: Series, usual: _Usual | None, corrected: Sequence[Mapping[str, float]], size: int
    ) -> SeriesFinding:
        beyond = tuple(
            (bool(one.certain) and one.certain[n])
            or (self._effect(value, usual) >= one.least and by_name.get(one.name, 1.0) <= self.level)
            for n, (value, by_name) in enumerate(zip(one.checks, corrected, strict=False))
        )
        confirmed = sum(beyond) >= self.confirmations and any(beyond[-2:])
        value = one.checks[-1] if one.checks else math.nan
        probability = corrected[-1].get(one.name, 1.0) if corrected else 1.0
        return SeriesFinding(one.name, value, self._limit(one, usual, size), probability, beyond, confirmed)

    def _effect(self, value: float, usual: _Usual | None) -> float:
        return -math.inf if usual is None or math.isnan(value) else value - usual.mean

    def _limit(self, one: Series, usual: _Usual | None, size: int) -> float:
        if usual is None:
            return math.inf
        return max(usual.mean + one.least, usual.quantile(1 - self.level / max(size, 1)))


@dataclass(frozen=True)
class _Usual:
    """How a series usually is: a further day is then Student-t distributed around the mean of the days before."""

    mean: float
    spread: float
    days: int

    @property
    def error(self) -> float:
        return self.spread * math.sqrt(1 + 1 / self.days)

    def upper_tail(self, value: float) -> float:
        if self.error == 0:
            return 0.0 if value > self.mean else 1.0
        return student_upper_tail((value - self.mean) / self.error, self.days - 1)

    def quantile(self, probability: float) -> float:
        return self.mean + self.error * student_quantile(probability, self.days - 1)
