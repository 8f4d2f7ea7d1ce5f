"""The section `retention` of a pipeline file: how long nightly data stays that no decision and no model needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from tidewheel.partitions import DAY, Partitioning
from tidewheel.quantities import quantity
from tidewheel.spec.mistake import Mistake
from tidewheel.spec.sections import Section

if TYPE_CHECKING:
    from tidewheel.spec.pipeline import Pipeline

YEAR, AROUND, WEEK = 365, 14, 7
LONG = {DAY: 400, Partitioning.WEEK: 58}
"""Partitions that stay by default: more than a year, for a night that compares with the year before."""
_DAYS = "days, counted from the pipeline's newest day; null: for ever"


class Retention(Section):
    """How many days `tidewheel gc` leaves alone. A day whose labels are not known yet stays longer."""

    requests_days: int | None = Field(default=LONG[DAY], ge=1, description=f"logged requests and their counts: {_DAYS}")
    predictions_days: int | None = Field(default=LONG[DAY], ge=1, description=f"predictions of batch scoring: {_DAYS}")
    reports_days: int | None = Field(
        default=LONG[DAY],
        ge=1,
        description=f"reports of monitoring, such as drift.html, and what they were made from: {_DAYS}",
    )

    @property
    def given(self) -> dict[str, int | None]:
        """What the pipeline file itself says."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


def needed_days(pipeline: Pipeline) -> int:
    """How many of its newest days a night may read again: for labels that come late, for drift, and for the trigger."""
    monitoring, drift = pipeline.monitoring, pipeline.monitoring.drift
    compared = drift.history_days + 2 * drift.checks + drift.block_days
    compared += {
        "none": drift.reference_days,
        "week": WEEK * math.ceil(2 * drift.reference_days / WEEK),
        "year": max(drift.reference_days, math.ceil((YEAR + AROUND) / pipeline.block.days)),
    }[drift.season]
    performance = pipeline.triggers.performance
    pooled = performance.window_days if performance is not None else 0
    return pipeline.labels.delay_days + max(monitoring.catch_up_days, compared, pooled)


def retained_days(pipeline: Pipeline, key: str) -> int | None:
    """How many days stay under a key of the section, never fewer than are needed; None: all."""
    days: int | None = getattr(pipeline.retention, key)
    return None if days is None else max(days, needed_days(pipeline))


def retention_mistakes(pipeline: Pipeline) -> Iterator[Mistake]:
    """Keys of the file that would delete what a night still reads."""
    needed, delay = needed_days(pipeline), quantity(pipeline.labels.delay_days, pipeline.block)
    for key, days in pipeline.retention.given.items():
        # The default may be written down: it deletes nothing that is needed, see `retained_days`.
        if days is not None and days < needed and days != LONG[pipeline.block]:
            why = (
                f"expected at least {needed}: labels come after {delay}, and monitoring "
                f"compares each {pipeline.block} with earlier ones (labels.delay_days, monitoring, triggers)"
            )
            yield Mistake(("retention", key), f"found {days}", why)
