"""The gate: may a challenger take the champion's place?

Non-inferiority on the same later rows: the challenger passes when, with the asked confidence, it is worse by no more
than a small share of the champion's figure. Asking it to be *better* with confidence would refuse nearly every
retraining of a healthy model, and let the model grow old.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tidewheel.policies.verdict import Kind, Outcome, Verdict

NAMES = {"log_loss": "log-loss", "brier": "Brier score", "roc_auc": "AUC", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}


@dataclass(frozen=True)
class Comparison:
    """Challenger against champion on the same rows. Losses: positive means that the challenger is worse."""

    champion_version: str
    champion: Mapping[str, float]
    loss_difference: float
    upper_bound: float


@dataclass(frozen=True)
class GateMeasurement:
    """What was measured on rows that neither model was trained on."""

    challenger_version: str
    challenger: Mapping[str, float]
    rows: int
    days: int
    comparison: Comparison | None = None
    """None: there is no champion, or it could not be judged on these rows (then `incomparable` says why)."""
    incomparable: str = ""


@dataclass(frozen=True)
class GatePolicy:
    """Floors and ceilings, then non-inferiority to the champion."""

    metric: str
    lower_is_better: bool
    margin: float = 0.02
    confidence: float = 0.95
    minimum_days: int = 3
    floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)

    def decide(self, measured: GateMeasurement) -> Verdict:
        """Judge a challenger.

        Args:
            measured: figures of both models on the same rows, and the confident bound of their difference.

        Returns:
            passed, refused (with the rule that was broken), or inconclusive (the champion stays).
        """
        on = f"on {measured.rows:,} rows of {measured.days} day{'s' if measured.days != 1 else ''}"
        if measured.days < self.minimum_days:
            return self._verdict(
                measured,
                Outcome.INCONCLUSIVE,
                f"inconclusive: only {measured.days} days to compare on, {self.minimum_days} are needed; "
                "the champion stays",
            )
        if unknown := [name for name in self._judged if math.isnan(measured.challenger.get(name, math.nan))]:
            return self._verdict(
                measured, Outcome.INCONCLUSIVE, f"inconclusive: {_listed(unknown)} cannot be computed {on}"
            )
        if broken := list(self._broken(measured.challenger)):
            sentence = f"refused: version {measured.challenger_version} has {' and '.join(broken)}, {on}"
            return self._verdict(measured, Outcome.REFUSED, sentence)
        if measured.incomparable:
            return self._verdict(measured, Outcome.INCONCLUSIVE, f"inconclusive: {measured.incomparable}")
        if measured.comparison is None:
            return self._verdict(measured, Outcome.PASSED, self._first_sentence(measured, on))
        return self._against_champion(measured, measured.comparison, on)

    def allowed(self, comparison: Comparison) -> float:
        """How much worse the challenger may be, in the metric's own unit."""
        return self.margin * abs(comparison.champion[self.metric])

    @property
    def _judged(self) -> list[str]:
        return sorted({self.metric, *self.floors, *self.ceilings})

    def _broken(self, figures: Mapping[str, float]) -> Iterator[str]:
        for name, floor in sorted(self.floors.items()):
            if figures[name] < floor:
                yield f"{NAMES[name]} {figures[name]:.4g}, below the floor of {floor:g}"
        for name, ceiling in sorted(self.ceilings.items()):
            if figures[name] > ceiling:
                yield f"{NAMES[name]} {figures[name]:.4g}, above the ceiling of {ceiling:g}"

    def _first_sentence(self, measured: GateMeasurement, on: str) -> str:
        limits = "; there is no champion to compare with, floors and ceilings hold"
        if not self.floors and not self.ceilings:
            limits = "; there is no champion to compare with, and no floor or ceiling is set"
        return (
            f"passed: version {measured.challenger_version} has {NAMES[self.metric]} "
            f"{measured.challenger[self.metric]:.4g} {on}{limits}"
        )

    def _against_champion(self, measured: GateMeasurement, comparison: Comparison, on: str) -> Verdict:
        allowed = self.allowed(comparison)
        if math.isnan(comparison.upper_bound):
            return self._verdict(
                measured,
                Outcome.INCONCLUSIVE,
                f"inconclusive: the difference cannot be bounded {on}; the champion stays",
            )
        passed = comparison.upper_bound <= allowed
        sign, side, relation = (1, "upper", "at most") if self.lower_is_better else (-1, "lower", "at least")
        sentence = (
            f"{'passed' if passed else 'refused'}: version {measured.challenger_version} has {NAMES[self.metric]} "
            f"{measured.challenger[self.metric]:.4f} against {comparison.champion[self.metric]:.4f} "
            f"of version {comparison.champion_version} (difference {sign * comparison.loss_difference:+.4f}, "
            f"{self.confidence:.0%} {side} bound {sign * comparison.upper_bound:+.4f}, "
            f"{relation} {sign * allowed:+.4f} is asked) {on}"
        )
        return self._verdict(measured, Outcome.PASSED if passed else Outcome.REFUSED, sentence)

    def _verdict(self, measured: GateMeasurement, outcome: Outcome, sentence: str) -> Verdict:
        inputs: dict[str, object] = {
            "version": measured.challenger_version,
            "rows": measured.rows,
            "days": measured.days,
            "challenger": _known(measured.challenger),
        }
        thresholds: dict[str, object] = {
            "metric": self.metric,
            "margin": self.margin,
            "confidence": self.confidence,
            "minimum_days": self.minimum_days,
            "floors": dict(self.floors),
            "ceilings": dict(self.ceilings),
        }
        if comparison := measured.comparison:
            inputs |= {
                "champion_version": comparison.champion_version,
                "champion": _known(comparison.champion),
                **_known({"loss_difference": comparison.loss_difference, "upper_bound": comparison.upper_bound}),
            }
            thresholds |= _known({"allowed": self.allowed(comparison)})
        return Verdict(Kind.GATE, outcome, sentence, inputs, thresholds)


def _known(figures: Mapping[str, float]) -> dict[str, float]:
    """NaN is unknown, and JSON has no word for it."""
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _listed(names: list[str]) -> str:
    return ", ".join(NAMES[name] for name in names)
