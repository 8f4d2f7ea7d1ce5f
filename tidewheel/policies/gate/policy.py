"""The gate: may a challenger take the champion's place?

By default non-inferiority on the same later rows: the challenger passes when, with the required confidence, it is worse
by no more than a small share of the champion's figure. Asking it to be *better* with confidence would refuse nearly
every retraining of a healthy model, and let the model grow old; a pipeline can require that all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidewheel.policies.gate.fairness import FairnessRule, small_groups, unfair
from tidewheel.policies.gate.finding import Finding
from tidewheel.policies.gate.limits import Limits
from tidewheel.policies.gate.measurement import (
    NAMES,
    Comparison,
    Footprint,
    GateMeasurement,
    SliceComparison,
)
from tidewheel.policies.gate.slices import SlicePolicy
from tidewheel.policies.gate.verdict import GateVerdict, gate_verdict
from tidewheel.policies.verdict import Outcome
from tidewheel.quantities import quantity
from tidewheel.spec.groups import group_name
from tidewheel.spec.pipeline import LOWER_IS_BETTER

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline

NAMED = 3
"""Slices and groups that a sentence names; all of them stand in the verdict's inputs."""


@dataclass(frozen=True)
class GatePolicy:
    """Absolute limits first, then the comparison with the champion, on all rows and slice by slice.

    Attributes:
        metric: the figure compared.
        lower_is_better: whether that figure is a loss.
        superior: ask for a better challenger instead of one that is not worse.
        margin: share of the champion's figure by which the challenger may be worse; not for `superior`.
        confidence: one-sided, of the comparison.
        minimum_days: fewer days are inconclusive.
        floors: figures that must be at least this, unless the champion misses them on the same rows as well.
        ceilings: figures that must be at most this, likewise.
        slices: the rule for parts of the rows; None where there is none.
        fairness: the limits between groups.
        maximum_latency_ms: median time of one row; None: any.
        maximum_size_mb: size of the model's file; None: any.
        maximum_holdout_uses: challengers after which the same days judge no more; None: any number.
        learned: whether the challenger has learned from the rows: then it passes unless it is shown to be worse even
            there, and the days that follow judge it.
    """

    metric: str
    lower_is_better: bool
    superior: bool = False
    margin: float = 0.08
    confidence: float = 0.975
    minimum_days: int = 3
    floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    slices: SlicePolicy | None = None
    fairness: tuple[FairnessRule, ...] = ()
    maximum_latency_ms: float | None = None
    maximum_size_mb: float | None = None
    maximum_holdout_uses: int | None = None
    learned: bool = False

    @classmethod
    def of(cls, pipeline: Pipeline) -> GatePolicy:
        """The gate that a pipeline's file declares."""
        gate = pipeline.gate
        slices = None
        if (rules := gate.slices) is not None:
            held = rules.undecided == "hold"
            slices = SlicePolicy(rules.margin, gate.confidence, rules.minimum_rows, undecided_holds=held)
        return cls(
            metric=pipeline.metric,
            lower_is_better=pipeline.metric in LOWER_IS_BETTER,
            superior=gate.rule == "superior",
            margin=gate.margin,
            confidence=gate.confidence,
            minimum_days=gate.minimum_days,
            floors={str(name): value for name, value in gate.floors.items()},
            ceilings={str(name): value for name, value in gate.ceilings.items()},
            slices=slices,
            fairness=tuple(
                FairnessRule(group_name(limit.column), limit.figure, limit.maximum_gap) for limit in gate.fairness
            ),
            maximum_latency_ms=gate.maximum_latency_ms,
            maximum_size_mb=gate.maximum_size_mb,
            maximum_holdout_uses=gate.maximum_holdout_uses,
            learned=pipeline.on_probation,
        )

    def decide(self, measured: GateMeasurement) -> GateVerdict:
        """Judge a challenger.

        Args:
            measured: figures of both models on the same rows, and the confident bound of their difference.

        Returns:
            passed, refused (with every rule that was broken), or inconclusive (the champion stays). A broken rule
            weighs more than one that could not be judged.
        """
        on = f"on {quantity(measured.rows, 'row')} of {quantity(measured.days, measured.unit)}"
        on += " that it has learned from" if self.learned else ""
        if unusable := self._unusable(measured, on):
            return gate_verdict(self, measured, Outcome.INCONCLUSIVE, f"inconclusive: {unusable}", ())
        findings = tuple(self._findings(measured))
        refused = [f.says for f in findings if f.outcome is Outcome.REFUSED]
        undecided = [f.says for f in findings if f.outcome is Outcome.INCONCLUSIVE]
        notes = "".join(f"; {note}" for note in self._notes(measured))
        if refused:
            outcome, said = Outcome.REFUSED, f"version {measured.challenger_version} {' and '.join(refused)}, {on}"
        elif measured.incomparable:
            outcome, said = Outcome.INCONCLUSIVE, measured.incomparable
        elif undecided:
            outcome, said = Outcome.INCONCLUSIVE, f"{'; '.join(undecided)}, {on}; the champion stays"
        else:
            passed = " and ".join(f.says for f in findings)
            outcome, said = Outcome.PASSED, f"version {measured.challenger_version} {passed}, {on}"
        return gate_verdict(self, measured, outcome, f"{outcome}: {said}{notes}", findings)

    def allowed(self, comparison: Comparison) -> float:
        """How much worse the challenger may be, in the metric's own unit."""
        return 0.0 if self.superior else self.margin * abs(comparison.champion[self.metric])

    def _unusable(self, measured: GateMeasurement, on: str) -> str:
        """Why these rows cannot judge anything; empty where they can."""
        if measured.days < self.minimum_days:
            days = quantity(measured.days, measured.unit)
            return f"only {days} to compare on, {self.minimum_days} are needed; the champion stays"
        if self.maximum_holdout_uses is not None and measured.holdout_uses >= self.maximum_holdout_uses:
            return (
                f"these {measured.unit}s have judged {quantity(measured.holdout_uses, 'challenger')} before, and "
                f"{self.maximum_holdout_uses} are allowed; the champion stays until there are newer {measured.unit}s"
            )
        names = sorted({self.metric, *self.floors, *self.ceilings})
        if unknown := [n for n in names if math.isnan(measured.challenger.get(n, math.nan))]:
            return f"{_listed(NAMES[n] for n in unknown)} cannot be computed {on}"
        return ""

    def _findings(self, measured: GateMeasurement) -> Iterator[Finding]:
        missed = self._limits.missed(measured.challenger, measured.comparison)
        yield from (Finding(Outcome.REFUSED, f"has {one.words}") for one in missed if not one.excuse)
        if measured.unsteady:
            yield Finding(Outcome.REFUSED, str(measured.unsteady))
        yield from self._over_budget(measured.footprint)
        for rule in self.fairness:
            yield from unfair(rule, measured.gaps)
        if measured.comparison is not None:
            yield self._against_champion(measured, measured.comparison)
        elif not measured.incomparable:
            yield self._alone(measured)
        if self.slices is not None:
            yield from self._sliced(self.slices, measured.slices)

    @property
    def _limits(self) -> Limits:
        return Limits(self.floors, self.ceilings, self.margin)

    def _over_budget(self, footprint: Footprint | None) -> Iterator[Finding]:
        latency, size = (footprint.latency_ms, footprint.size_mb) if footprint else (math.nan, math.nan)
        for words, unit, most, measured_value in (
            ("needs {:.3g} ms for one row, {:g} ms are allowed", "ms", self.maximum_latency_ms, latency),
            ("is a file of {:.3g} MB, {:g} MB are allowed", "MB", self.maximum_size_mb, size),
        ):
            if most is not None and math.isnan(measured_value):
                yield Finding(Outcome.INCONCLUSIVE, f"nobody measured whether it keeps to {most:g} {unit}")
            elif most is not None and measured_value > most:
                yield Finding(Outcome.REFUSED, words.format(measured_value, most))

    def _alone(self, measured: GateMeasurement) -> Finding:
        limits = "floors and ceilings hold" if self.floors or self.ceilings else "no floor or ceiling is set"
        return Finding(
            Outcome.PASSED,
            f"has {NAMES[self.metric]} {measured.challenger[self.metric]:.4g} (there is no champion to compare with, "
            f"{limits})",
        )

    def _against_champion(self, measured: GateMeasurement, comparison: Comparison) -> Finding:
        allowed, bound = self.allowed(comparison), comparison.upper_bound
        if math.isnan(bound):
            return Finding(Outcome.INCONCLUSIVE, "the difference from the champion cannot be bounded")
        if self.learned:
            return self._not_worse(measured, comparison, allowed)
        passed = bound < 0 if self.superior else bound <= allowed
        sign, side = (1, "upper") if self.lower_is_better else (-1, "lower")
        relation = (
            ("below" if self.lower_is_better else "above")
            if self.superior
            else ("at most" if self.lower_is_better else "at least")
        )
        return Finding(
            Outcome.PASSED if passed else Outcome.REFUSED,
            f"has {NAMES[self.metric]} {measured.challenger[self.metric]:.4f} against "
            f"{comparison.champion[self.metric]:.4f} of version {comparison.champion_version} "
            f"(difference {sign * comparison.loss_difference:+.4f}, {100 * self.confidence:g}% {side} bound "
            f"{sign * bound:+.4f}, {relation} {sign * allowed:+.4f} is required)",
        )

    def _not_worse(self, measured: GateMeasurement, comparison: Comparison, allowed: float) -> Finding:
        """Whether rows that flatter the challenger leave it no worse; they can show nothing else."""
        least = 2 * comparison.loss_difference - comparison.upper_bound
        sign = 1 if self.lower_is_better else -1
        return Finding(
            Outcome.REFUSED if least > allowed else Outcome.PASSED,
            f"has {NAMES[self.metric]} {measured.challenger[self.metric]:.4f} against "
            f"{comparison.champion[self.metric]:.4f} of version {comparison.champion_version} "
            f"(difference {sign * comparison.loss_difference:+.4f}, at least {sign * least:+.4f} with "
            f"{100 * self.confidence:g}% confidence; {sign * allowed:+.4f} is allowed)",
        )

    def _sliced(self, policy: SlicePolicy, slices: Sequence[SliceComparison]) -> Iterator[Finding]:
        judged = policy.judge(slices)
        for part in slices:
            if judged[part.name] is Outcome.REFUSED:
                yield Finding(
                    Outcome.REFUSED,
                    f"is worse where {part.name} ({NAMES[self.metric]} {part.challenger:.4f} against "
                    f"{part.champion:.4f} on {quantity(part.rows, 'row')}, {policy.margin:.0%} is allowed)",
                )
        undecided = [part for part in slices if judged[part.name] is Outcome.INCONCLUSIVE]
        if undecided and policy.undecided_holds:
            yield Finding(Outcome.INCONCLUSIVE, f"nothing can be said of {_slices(undecided)}")

    def _notes(self, measured: GateMeasurement) -> Iterator[str]:
        """What a reader should know, though it decides nothing."""
        for one in self._limits.missed(measured.challenger, measured.comparison):
            if one.excuse:
                yield f"it has {one.words}, but {one.excuse}"
        if self._is_useless(measured):
            best = f"{NAMES[self.metric]} {measured.constant:.4g}"
            yield f"a constant would do as well: the best one has {best} on the same rows"
        if self.slices is not None and measured.slices:
            judged = self.slices.judge(measured.slices)
            undecided = [part for part in measured.slices if judged[part.name] is Outcome.INCONCLUSIVE]
            fine = sum(outcome is Outcome.PASSED for outcome in judged.values())
            yield f"{fine} of {len(judged)} slices are shown to be within {self.slices.margin:.0%}" + (
                f", inconclusive: {_slices(undecided)}" if undecided else ""
            )
        yield from small_groups(measured.gaps)
        if measured.holdout_uses:
            times = "challenger" if measured.holdout_uses == 1 else "challengers"
            yield f"some of these {measured.unit}s have judged {measured.holdout_uses} {times} before"

    def _is_useless(self, measured: GateMeasurement) -> bool:
        model = measured.challenger[self.metric]
        return measured.constant <= model if self.lower_is_better else measured.constant >= model


def _slices(parts: Sequence[SliceComparison]) -> str:
    more = f" and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    return _listed(f"{part.name} ({quantity(part.rows, 'row')})" for part in parts[:NAMED]) + more


def _listed(names: Iterator[str]) -> str:
    return ", ".join(names)
