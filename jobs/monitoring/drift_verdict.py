"""The pipeline's verdict on a day's drift: how much of what the model leans on has moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.models import standing
from jobs.monitoring.daily_rows import PREDICTION
from tidewheel.policies.trigger.measurement import FeatureDrift
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.quantities import listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.monitoring.drift import DayDrift
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

NAMED = 3


def feature_drift(drift: DayDrift, importances: Mapping[str, float], columns: list[str]) -> FeatureDrift | None:
    """What the trigger gets.

    Args:
        drift: what was found.
        importances: of the champion's features; empty: all weigh the same.
        columns: all features.

    Returns:
        Confirmed features and their share of the importances; None where drift is unknown.
    """
    if drift.missing:
        return None
    weights = {name: max(importances.get(name, 0.0), 0.0) for name in columns}
    if not sum(weights.values()):
        weights = dict.fromkeys(columns, 1.0)
    moved = tuple(name for name in drift.drifted if name != PREDICTION)
    return FeatureDrift(moved, sum(weights[name] for name in moved) / sum(weights.values()))


def drift_verdict(pipeline: Pipeline, drift: DayDrift, found: FeatureDrift | None) -> Verdict:
    """Fired where confirmed drift weighs enough, or the predictions themselves have drifted; reported every day."""
    least = pipeline.monitoring.drift.minimum_weight
    alarmed = found is not None and (found.weight >= least or PREDICTION in drift.drifted)
    outcome = Outcome.INCONCLUSIVE if found is None else Outcome.FIRED if alarmed else Outcome.NO_ACTION
    words = drift_words(drift)
    if found is not None and found.columns:
        words = f"{words}, with {found.weight:.0%} of the importance ({least:.0%} is an alarm)"
    values = {name: finding.value for name, finding in drift.findings.items()}
    unexplained = {name: finding.value for name, finding in drift.unexplained.items()}
    return Verdict(
        Kind.DRIFT,
        outcome,
        f"{outcome.words}: {words}",
        {
            "distances": values,
            "unexplained": unexplained,
            "drifted": drift.drifted,
            "suspected": drift.suspected,
            "weight": found.weight if found else None,
            "gone": {name: list(categories) for name, categories in drift.gone.items()},
        },
        {
            "limits": {name: finding.limit for name, finding in drift.findings.items()},
            "unexplained_limits": {name: finding.limit for name, finding in drift.unexplained.items()},
            **pipeline.monitoring.drift.model_dump(),
        },
    )


def drift_words(drift: DayDrift) -> str:
    """What was found, in a clause."""
    if drift.missing:
        return f"drift unknown: {drift.missing}"
    words = f"{len(drift.drifted)} of {len(drift.findings)} columns drifted"
    if drift.drifted:
        words = f"{words} ({_named(drift, drift.drifted)})"
    if drift.suspected:
        words = f"{words}, {_named(drift, drift.suspected)} stands out for the first time"
    unseen = [f"{name} ({why})" for name, why in drift.left_out.items() if name != PREDICTION]
    return f"{words}, not compared: {', '.join(unseen)}" if unseen else words


def champion_importances(settings: Settings, pipeline: Pipeline) -> dict[str, float]:
    """How much each feature matters to the champion, as its evaluation measured it; empty where nobody has."""
    champion = standing.standing(settings, pipeline).champion
    return {str(name): float(value) for name, value in champion.importances.items()} if champion else {}


def _named(drift: DayDrift, names: list[str]) -> str:
    shifts = [
        _told(drift, name) + (f", {'/'.join(drift.gone[name])} gone" if drift.gone.get(name) else "") for name in names
    ]
    return listing(shifts, NAMED, rest=", ...")


def _told(drift: DayDrift, name: str) -> str:
    distance, unexplained = drift.findings[name], drift.unexplained.get(name)
    if unexplained is not None and sum(unexplained.beyond) > sum(distance.beyond):
        return f"{name} {unexplained.value:.2f} unlike the other columns"
    return f"{name} {distance.value:.2f}"
