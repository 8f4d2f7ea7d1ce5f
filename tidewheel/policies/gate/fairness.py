"""The gate's limits between groups of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidewheel.policies.gate.finding import Finding
from tidewheel.policies.gate.measurement import GroupGap
from tidewheel.policies.verdict import Outcome

NAMED = 3
"""Groups that a sentence names; all of them are in the verdict's inputs."""


@dataclass(frozen=True)
class FairnessRule:
    """How far apart the groups of a column may be in one figure."""

    column: str
    figure: str
    maximum_gap: float


def unfair(rule: FairnessRule, gaps: Sequence[GroupGap]) -> Iterator[Finding]:
    """What a limit between groups says of the gap that was measured; nothing where the gap is within it."""
    gap = next((g for g in gaps if (g.column, g.figure) == (rule.column, rule.figure)), None)
    if gap and gap.missing:
        yield Finding(
            Outcome.INCONCLUSIVE,
            f"gate.fairness names the column {gap.missing}, which neither the features nor the landed rows have",
        )
    elif gap is None or len(gap.groups) < 2:
        yield Finding(
            Outcome.INCONCLUSIVE, f"fewer than two groups of {rule.column} have rows enough to compare {rule.figure}"
        )
    elif gap.gap > rule.maximum_gap:
        yield Finding(
            Outcome.REFUSED,
            f"has a gap in {rule.figure} of {gap.gap:.4g} between {rule.column} {gap.lowest} "
            f"({gap.groups[gap.lowest]:.4g}) and {gap.highest} ({gap.groups[gap.highest]:.4g})"
            f"{_interval(gap)}, {rule.maximum_gap:g} is allowed",
        )


def _interval(gap: GroupGap) -> str:
    return "" if math.isnan(gap.low) else f", interval {gap.low:.4g} to {gap.high:.4g}"


def small_groups(gaps: Sequence[GroupGap]) -> Iterator[str]:
    """A note for each figure that could not be compared in some groups, since they have too few rows."""
    for gap in gaps:
        if gap.left_out:
            others = len(gap.left_out) - NAMED + gap.more_left_out
            more = f" and {others:,} more" if others > 0 else ""
            yield f"too few rows to compare {gap.figure} where {gap.column} is {', '.join(gap.left_out[:NAMED])}{more}"
