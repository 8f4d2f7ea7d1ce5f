"""What the gate decided: the verdict for the ledger, and the findings that it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tidewheel.policies.gate.finding import Finding
from tidewheel.policies.gate.measurement import GateMeasurement, GroupGap, SliceComparison, Unsteady
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from tidewheel.policies.gate.policy import GatePolicy


@dataclass(frozen=True)
class GateVerdict(Verdict):
    """The gate's verdict.

    Attributes:
        findings: what each rule says; empty where the rows could judge nothing.
    """

    findings: tuple[Finding, ...] = ()


def gate_verdict(
    policy: GatePolicy, measured: GateMeasurement, outcome: Outcome, sentence: str, findings: tuple[Finding, ...]
) -> GateVerdict:
    """Write a decision down, with all that was measured and the limits it was held to."""
    judged = policy.slices.judge(measured.slices) if policy.slices else {}
    inputs: dict[str, object] = {
        "version": measured.challenger_version,
        "rows": measured.rows,
        "days": measured.days,
        "holdout": list(measured.holdout),
        "holdout_uses": measured.holdout_uses,
        "challenger": _known(measured.challenger),
        **_known({"constant": measured.constant}),
    }
    thresholds: dict[str, object] = {
        "metric": policy.metric,
        "rule": "superior" if policy.superior else "non_inferior",
        "margin": policy.margin,
        "confidence": policy.confidence,
        "minimum_days": policy.minimum_days,
        "floors": dict(policy.floors),
        "ceilings": dict(policy.ceilings),
    }
    if policy.learned:
        thresholds["learned"] = True
    if comparison := measured.comparison:
        inputs |= {
            "champion_version": comparison.champion_version,
            "champion": _known(comparison.champion),
            **_known({"loss_difference": comparison.loss_difference, "upper_bound": comparison.upper_bound}),
        }
        thresholds |= _known({"allowed": policy.allowed(comparison)})
    if measured.unsteady:
        inputs["unsteady"] = _plain(measured.unsteady)
    if measured.footprint:
        inputs |= _known(asdict(measured.footprint))
    if policy.slices:
        inputs["slices"] = [{**_plain(part), "outcome": str(judged[part.name])} for part in measured.slices]
        thresholds |= {f"slice_{name}": value for name, value in asdict(policy.slices).items()}
    if policy.fairness:
        inputs["gaps"] = [_plain(gap) for gap in measured.gaps]
        thresholds["fairness"] = {f"{r.figure} by {r.column}": r.maximum_gap for r in policy.fairness}
    limits = ("maximum_latency_ms", "maximum_size_mb", "maximum_holdout_uses")
    thresholds |= {name: value for name in limits if (value := getattr(policy, name)) is not None}
    return GateVerdict(Kind.GATE, outcome, sentence, inputs, thresholds, findings)


def _plain(found: SliceComparison | GroupGap | Unsteady) -> dict[str, object]:
    """As JSON: NaN is unknown, and left out."""
    return {n: v for n, v in asdict(found).items() if not (isinstance(v, float) and math.isnan(v))}


def _known(figures: Mapping[str, float]) -> dict[str, float]:
    """NaN is unknown, and JSON has no word for it."""
    return {name: value for name, value in figures.items() if not math.isnan(value)}
