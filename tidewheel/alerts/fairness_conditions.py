"""The rule about gaps between groups: one noisy day is no alarm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidewheel.quantities import listing
from tidewheel.spec.alerts import Event
from tidewheel.spec.groups import group_name

if TYPE_CHECKING:
    from tidewheel.alerts.facts import Facts
    from tidewheel.alerts.request_conditions import Found

DAYS = 3
"""Newest labelled days that must all be over the limit, for a gap whose interval is not known."""


def fairness_events(facts: Facts) -> Iterator[Found]:
    """Which gaps are larger than the gate allows.

    The gap of a rate has an interval: all of it must lie beyond the limit. That of a mean has none: the newest days, as
    many as `DAYS`, must each be beyond it.

    Args:
        facts: what the ledger knows.
    """
    for limit in facts.pipeline.gate.fairness:
        groups, name = group_name(limit.column), f"gap_{limit.figure}"
        if said := _beyond(facts, name, groups, limit.maximum_gap):
            yield (
                Event.FAIRNESS,
                f"{limit.figure} of {groups}",
                f"{limit.figure} differs between groups of {groups}: by {said}; at most {limit.maximum_gap:g} is "
                "allowed.",
                "Look at the groups' figures in the report of that day, and decide whether the model may go on "
                f"answering; `tidewheel rollback {facts.pipeline.name}` returns to the version before.",
                "monitoring",
            )


def _beyond(facts: Facts, name: str, groups: str, limit: float) -> str:
    """How large a gap is, in words; empty where it is not surely beyond the limit."""
    newest = facts.series.get((name, groups), ())[:DAYS]
    if not newest:
        return ""
    day, gap = newest[0]
    ends = [dict(facts.series.get((f"{name}_{end}", groups), ())).get(day) for end in ("low", "high")]
    if ends[0] is not None and ends[1] is not None:
        low, high = ends
        return f"{gap:.4g} on {day} (95% interval {low:.4g} to {high:.4g})" if ends[0] > limit else ""
    if len(newest) < DAYS or not all(gap > limit for _, gap in newest):
        return ""
    return f"{listing([f'{gap:.4g} on {day}' for day, gap in newest], DAYS, rest='')} (this gap has no interval)"
