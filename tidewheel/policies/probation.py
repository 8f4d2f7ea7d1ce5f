"""Probation: a version that was promoted unseen is held against its predecessor on the same rows, every night.

The days are the units, however many rows they have, and what a day of this pair of models usually differs by is known
from days before the promotion. The test may be looked at every night: it is the one-sided normal mixture of Robbins
(Annals of Mathematical Statistics 41, 1970), as in equation (14) of Howard, Ramdas, McAuliffe and Sekhon
("Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49, 2021), over standardised
day means whose scale is estimated, which makes it asymptotic (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52, 2024). That few days
estimate the scale is made up for by Student's distribution, and `benchmarks/probation.py` shows what is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from statistics import NormalDist, fmean

from tidewheel.partitions import DAY, Partitioning
from tidewheel.policies.change import divided_at
from tidewheel.policies.significance import normal_equivalent
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.quantities import quantity

GAIN_CONFIDENCE = 0.975
"""One-sided, of the far end of what a version may save."""
LEAST_FREEDOM = 3
"""Degrees of freedom of the scale below which nothing is decided: nobody knows then how far the days differ."""
PER_DIFFERENCE = 2 / 3
"""Degrees of freedom of a mean square of successive differences, for each of them (von Neumann, 1941)."""
FARTHEST_END, END_STEPS = 100.0, 40
"""How far an end of the interval is looked for, in standard deviations of a day, and by how many bisections."""
MIXING_DAYS = 0.25
"""Days at which the test is sharpest: the variance of the mixture is that of one over so many days."""


@dataclass(frozen=True)
class PairedDay:
    """Two versions on the same labelled rows of a day.

    Attributes:
        day: the day of the rows.
        rows: how many have a label.
        loss: mean loss of the version on probation.
        predecessor_loss: mean loss of its predecessor.
        row_error: standard error of the difference of the two means, if rows were independent.
    """

    day: date
    rows: int
    loss: float
    predecessor_loss: float
    row_error: float

    @property
    def difference(self) -> float:
        """How much more the version on probation lost."""
        return self.loss - self.predecessor_loss


@dataclass(frozen=True)
class ProbationMeasurement:
    """What is known of a version on probation.

    Attributes:
        version: on probation.
        predecessor: whose place it took.
        days: labelled days since the promotion, oldest first.
        usual: the same two versions on days before the promotion, oldest first. Their level says nothing, since one of
            them or both have learned these rows; how it moves from day to day does.
        nights: partitions that have passed since the promotion.
        unit: what a partition holds; each is one block of the test.
    """

    version: str
    predecessor: str
    days: tuple[PairedDay, ...]
    usual: tuple[PairedDay, ...] = ()
    nights: int = 0
    unit: Partitioning = DAY


@dataclass(frozen=True)
class Evidence:
    """What the days say of the difference.

    Attributes:
        days: how many there are.
        difference: mean of the days' differences; positive: the version on probation is worse.
        predecessor_loss: mean of the predecessor's loss.
        scale: standard deviation of one day's difference.
        freedom: degrees of freedom of that estimate.
    """

    days: int
    difference: float
    predecessor_loss: float
    scale: float
    freedom: float

    @property
    def known(self) -> bool:
        """Whether anything can be said of it."""
        return self.days > 0 and self.freedom >= LEAST_FREEDOM and self.scale > 0


@dataclass(frozen=True)
class ProbationPolicy:
    """Worse: the predecessor returns. No worse, or no longer a question: probation ends. Else it continues.

    Attributes:
        margin: share of the predecessor's loss that a version must be shown to be worse by.
        tolerance: share that it must be shown not to be worse by, for probation to end early.
        level: chance that a version as good as its predecessor is sent back in one probation, however often it is
            looked at.
        minimum_days: days that probation lasts at least, unless it is shown worse before.
        days: labelled days after which it ends.
        maximum_nights: nights after which it ends, labels or not.
        clip: standard deviations that one day counts for at most where days differ by more than their rows explain: a
            few very bad days say little there.
        row_clip: the same where rows explain all of it.
        abrupt: share of the predecessor's loss that one day must be worse by to send a version back at once.
        abrupt_t: standard deviations of a day, and of its rows, that this day must lie beyond.
    """

    margin: float = 0.0
    tolerance: float = 0.02
    level: float = 0.012
    minimum_days: int = 5
    days: int = 14
    maximum_nights: int = 28
    clip: float = 2.0
    row_clip: float = 5.0
    abrupt: float = 0.5
    abrupt_t: float = 8.0

    def decide(self, measured: ProbationMeasurement) -> Verdict:
        """Judge the days so far.

        Args:
            measured: losses of both versions on the same rows.

        Returns:
            rolled back (the predecessor answers again), passed (probation ends), or no action (it continues).
        """
        so_far = evidence(measured)
        ours = f"version {measured.version}"
        pair = f"{ours} against version {measured.predecessor}"
        if day := self._abrupt(measured.days, so_far):
            share = day.difference / abs(day.predecessor_loss)
            rows, unit = quantity(day.rows, "row"), measured.unit
            words = (
                f"{pair}: {share:+.0%} loss on {day.day} ({rows}), beyond what {unit}s differ by; "
                f"version {measured.predecessor} becomes champion again"
            )
            return self._verdict(measured, so_far, Outcome.ROLLED_BACK, words)
        said = (
            f"{pair}: {_share(so_far):+.1%} loss over {quantity(so_far.days, measured.unit)}"
            if so_far.days
            else f"{pair}: no labels yet"
        )
        if self._worse(measured.days, so_far):
            by = f" by more than {self.margin:.0%}" if self.margin else ""
            words = f"{said}, shown to be worse{by}; version {measured.predecessor} becomes champion again"
            return self._verdict(measured, so_far, Outcome.ROLLED_BACK, words)
        if so_far.days >= self.minimum_days and self._no_worse(measured.days, so_far):
            words = f"{said}, worse by no more than {self.tolerance:.0%}; probation ends, and {ours} stays champion"
            return self._verdict(measured, so_far, Outcome.PASSED, words)
        if so_far.days >= self.days or measured.nights >= self.maximum_nights:
            words = f"{said}; not shown to be worse in time, so probation ends, and {ours} stays champion"
            return self._verdict(measured, so_far, Outcome.PASSED, words, undecided=True)
        return self._verdict(
            measured, so_far, Outcome.NO_ACTION, f"{said}; probation continues {self._until(measured, so_far)}"
        )

    def _until(self, measured: ProbationMeasurement, found: Evidence) -> str:
        """When probation ends at the latest."""
        days, nights = self.days - found.days, self.maximum_nights - measured.nights
        each = "night" if measured.unit is DAY else measured.unit
        return f"for at most {quantity(days, f'labelled {measured.unit}')} or {quantity(nights, each)} more"

    def _abrupt(self, days: Sequence[PairedDay], so_far: Evidence) -> PairedDay | None:
        """The newest day, where one day is enough."""
        if not days or not so_far.known:
            return None
        day = days[-1]
        beyond = self.abrupt_t * max(so_far.scale, day.row_error)
        return day if day.difference > max(beyond, self.abrupt * abs(day.predecessor_loss)) else None

    def _worse(self, days: Sequence[PairedDay], so_far: Evidence) -> bool:
        return so_far.known and self._e_value(days, so_far, 1, self.margin) >= 1 / self.level

    def _no_worse(self, days: Sequence[PairedDay], so_far: Evidence) -> bool:
        return so_far.known and self._e_value(days, so_far, -1, self.tolerance) >= 1 / self.level

    def interval(self, measured: ProbationMeasurement) -> tuple[float, float]:
        """By how much the version may be worse than its predecessor, as shares of the predecessor's loss.

        It holds what the test has not excluded at `level` on each side, and may be looked at every night: the
        predecessor returns where all of it lies above `margin`, and probation ends early where all of it lies below
        `tolerance`.

        Args:
            measured: losses of both versions on the same rows.

        Returns:
            Its ends; infinite where the days exclude nothing yet.
        """
        so_far = evidence(measured)
        if not so_far.known or not so_far.predecessor_loss:
            return -math.inf, math.inf
        return self._end(measured.days, so_far, 1), self._end(measured.days, so_far, -1)

    def _end(self, days: Sequence[PairedDay], so_far: Evidence, side: int) -> float:
        """The largest share (side 1) or the smallest (side -1) that the test excludes by the days."""
        far = side * FARTHEST_END * so_far.scale / abs(so_far.predecessor_loss)
        excluded, possible = _share(so_far) - far, _share(so_far) + far
        if self._e_value(days, so_far, side, excluded) < 1 / self.level:
            return -side * math.inf
        for _ in range(END_STEPS):
            share = (excluded + possible) / 2
            if self._e_value(days, so_far, side, share) >= 1 / self.level:
                excluded = share
            else:
                possible = share
        return excluded

    def _e_value(self, days: Sequence[PairedDay], so_far: Evidence, side: int, bound: float) -> float:
        """Evidence that the difference is beyond a share of the predecessor's loss (side 1), or below it (side -1)."""
        total = 0.0
        for day in days:
            scale = max(so_far.scale, day.row_error)
            step = side * (day.difference - bound * abs(so_far.predecessor_loss)) / scale
            clip = self.clip + (self.row_clip - self.clip) * (day.row_error / scale) ** 2
            total += max(-clip, min(step, clip))
        return e_value(
            normal_equivalent(total / math.sqrt(len(days)), so_far.freedom) * math.sqrt(len(days)), len(days)
        )

    def _verdict(
        self,
        measured: ProbationMeasurement,
        so_far: Evidence,
        outcome: Outcome,
        words: str,
        *,
        undecided: bool = False,
    ) -> Verdict:
        inputs: dict[str, object] = {
            "version": measured.version,
            "predecessor": measured.predecessor,
            "days": so_far.days,
            "nights": measured.nights,
            "usual_days": len(measured.usual),
            "undecided": undecided,
        }
        if so_far.days:
            inputs |= {"difference": so_far.difference, "predecessor_loss": so_far.predecessor_loss}
        if so_far.known:
            inputs |= {"day_deviation": so_far.scale, "evidence": self._e_value(measured.days, so_far, 1, self.margin)}
        return Verdict(Kind.PROBATION, outcome, f"{outcome.words}: {words}", inputs, dict(vars(self)))


def evidence(measured: ProbationMeasurement) -> Evidence:
    """What the days say, each a block.

    The scale comes from how the difference moves from one day to the next, before the promotion and since: a level
    that the models have learned, or that changes slowly, does not widen it. Nor does the one step of a relation that
    turned before the promotion, which is why most versions on probation were trained.
    """
    turned = divided_at([day.difference for day in measured.usual])
    parts = (measured.usual[:turned], measured.usual[turned:]) if turned else (measured.usual,)
    steps = [b.difference - a.difference for part in (*parts, measured.days) for a, b in pairwise(part)]
    scale = math.sqrt(fmean(step**2 for step in steps) / 2) if steps else math.nan
    freedom = PER_DIFFERENCE * len(steps)
    days = measured.days
    if not days:
        return Evidence(0, math.nan, math.nan, scale, freedom)
    loss = fmean(day.predecessor_loss for day in days)
    return Evidence(len(days), fmean(day.difference for day in days), loss, scale, freedom)


def e_value(total: float, days: int) -> float:
    """E-value of the one-sided normal mixture for a sum of `days` standard normal steps, whose mean is 0 or below."""
    rho = MIXING_DAYS
    exponent = total**2 / (2 * (days + rho))
    if total <= 0:
        return math.sqrt(rho / (days + rho)) * 2 * NormalDist().cdf(total / math.sqrt(days + rho)) * math.exp(exponent)
    size = 0.5 * math.log(rho / (days + rho)) + exponent + math.log(2 * NormalDist().cdf(total / math.sqrt(days + rho)))
    return math.exp(min(size, 700.0))


def _share(so_far: Evidence) -> float:
    return so_far.difference / abs(so_far.predecessor_loss) if so_far.predecessor_loss else math.nan


def best_gain(measured: ProbationMeasurement) -> float | None:
    """How much better than its predecessor the version can be at best, as a share of its loss; None: unknown."""
    so_far = evidence(measured)
    if not so_far.known or not so_far.predecessor_loss:
        return None
    near = NormalDist().inv_cdf(GAIN_CONFIDENCE) * so_far.scale / math.sqrt(so_far.days)
    return (near - so_far.difference) / abs(so_far.predecessor_loss)
