"""What the trigger policy is given of a day, gathered from the memory."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from jobs.data.training_data import matured_until
from jobs.monitoring.qualities import day_qualities
from tidewheel.policies.trigger.measurement import TriggerMeasurement
from tidewheel.policies.trigger.policy import TriggerPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.memory.protocol import Memory
    from tidewheel.policies.trigger.measurement import FeatureDrift
    from tidewheel.policies.trigger.verdict import TriggerVerdict


def decide(
    memory: Memory, day: date, drift: FeatureDrift | None = None, concept_alarms: Sequence[str] = ()
) -> TriggerVerdict:
    """Decide whether a training is due.

    Args:
        memory: of the pipeline.
        day: the partition; no later data is looked at.
        drift: the day's drift alarm; None where drift is unknown.
        concept_alarms: sentences of the concept-drift alarms.
    """
    return TriggerPolicy.of(memory.pipeline).decide(trigger_measurement(memory, day, drift, concept_alarms))


def trigger_measurement(
    memory: Memory, day: date, drift: FeatureDrift | None = None, concept_alarms: Sequence[str] = ()
) -> TriggerMeasurement:
    """Gather what is known on a day; the arguments are those of `decide`."""
    champion = memory.champion()
    known, new = _matured_rows(memory, day, champion.as_of if champion else None)
    circumstances = memory.circumstances(day)
    return TriggerMeasurement(
        today=day,
        champion_version=champion.version if champion else None,
        champion_as_of=champion.as_of if champion else None,
        known_rows=known,
        new_rows=new,
        quality=day_qualities(memory.figures, memory.pipeline, day),
        drift=drift,
        concept_alarms=tuple(concept_alarms),
        attempts=tuple(one for one in memory.attempts() if one.as_of != day or not one.running),
        request=circumstances.request,
        data_refused=circumstances.data_refused,
        monitored_since=circumstances.monitored_since,
        unit=memory.pipeline.block,
    )


def _matured_rows(memory: Memory, day: date, as_of: date | None) -> tuple[int, int]:
    """Labelled rows that had matured when the champion was trained (inside its window), and since then."""
    pipeline = memory.pipeline
    unit, window = pipeline.block, pipeline.training.window_days
    first = trained = None
    if as_of is not None:
        trained = matured_until(pipeline, as_of)
        if window is not None:
            # a window's first day lies before its holdout, which is new to no champion
            held = 0 if pipeline.on_probation else pipeline.training.holdout_days
            first = unit.before(trained, held + window - 1)
    known = new = 0
    for labelled, rows in memory.label_rows(first, matured_until(pipeline, day)).items():
        if trained is not None and labelled <= trained:
            known += rows
        else:
            new += rows
    return known, new
