"""How the days of predictions turned out, from the figures that were measured of them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING

from jobs.data.training_data import matured_until
from jobs.monitoring.day_quality import FIGURES, day_quality
from tidewheel.partitions import day_of
from tidewheel.policies.change import LOOK_BACK_DAYS

if TYPE_CHECKING:
    from jobs.monitoring.figure_source import FigureSource
    from tidewheel.policies.trigger.quality import DayQuality
    from tidewheel.spec import Pipeline


def day_qualities(
    figures: FigureSource, pipeline: Pipeline, day: date, days: int | None = None
) -> tuple[DayQuality, ...]:
    """How the predictions of the days turned out whose labels had matured by a day.

    Args:
        figures: of measured days.
        pipeline: its declaration.
        day: the partition.
        days: the newest that are looked at; None: as many as any reason looks back to.
    """
    matured = matured_until(pipeline, day)
    first = pipeline.block.before(matured, (days or max(pooled_days(pipeline), LOOK_BACK_DAYS)) - 1)
    found: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in figures.figures_of_days(pipeline.name, str(first), str(matured), set(FIGURES[pipeline.task])):
        if not row.slice:
            found[row.partition, row.version][row.name] = row.value
    qualities = (
        day_quality(pipeline.task, day_of(partition), version, measured)
        for (partition, version), measured in found.items()
    )
    return tuple(quality for quality in qualities if quality)


def pooled_days(pipeline: Pipeline) -> int:
    """Days that the longest of the reasons pools."""
    triggers = pipeline.triggers
    return max((part.window_days for part in (triggers.performance, triggers.concept_drift) if part), default=14)
