"""The page a reviewer reads: challenger and champion side by side. One HTML file without anything to load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.pages.rendering import render_page
from tidewheel.policies.gate.measurement import NAMES
from tidewheel.spec import LOWER_IS_BETTER
from tidewheel.unknown import known_or_none

if TYPE_CHECKING:
    from tidewheel.policies.gate.measurement import GateMeasurement
    from tidewheel.policies.verdict import Verdict

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class DayLosses:
    """The compared figure of one day."""

    day: str
    rows: int
    challenger: float
    champion: float | None


def comparison_page(
    pipeline: str,
    metric: str,
    measured: GateMeasurement,
    verdict: Verdict,
    days: Sequence[DayLosses],
    failures: Sequence[str] = (),
) -> str:
    """Write the page.

    Args:
        pipeline: its name.
        metric: the figure the gate compares.
        measured: figures of both versions.
        verdict: what the gate said.
        days: the compared figure for each day, oldest first.
        failures: what could not be computed, in sentences.

    Returns:
        HTML.
    """
    worse = _worse(days, metric not in LOWER_IS_BETTER)
    return render_page(
        TEMPLATES,
        "comparison.html",
        pipeline=pipeline,
        metric=NAMES[metric],
        measured=measured,
        theirs=measured.comparison.champion if measured.comparison else {},
        verdict=verdict,
        days=list(zip(days, worse, strict=True)),
        widest=max((abs(by) for by in worse if by is not None), default=0) or 1,
        slices=verdict.inputs.get("slices") or [],
        thresholds={name.replace("_", " "): _words(name, value) for name, value in verdict.thresholds.items()},
        names=NAMES,
        failures=failures,
    )


def _worse(days: Sequence[DayLosses], higher_is_better: bool) -> list[float | None]:
    """How much worse the challenger was on each day; None where there is no champion, or a figure is unknown."""
    differences = [
        None if day.champion is None else (day.challenger - day.champion) * (-1 if higher_is_better else 1)
        for day in days
    ]
    return [known_or_none(difference) for difference in differences]


def _words(name: str, value: object) -> str:
    if name == "margin":
        return f"{value:.1%} of the champion's figure"
    if isinstance(value, dict):
        return ", ".join(f"{NAMES.get(name, name)} {limit:g}" for name, limit in value.items()) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(NAMES.get(str(value), value))
