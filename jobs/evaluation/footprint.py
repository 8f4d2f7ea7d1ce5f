"""What a model costs where it answers: the processor time of one row, and the size of its file."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from jobs.models.prediction import predict
from tidewheel.policies.gate.measurement import Footprint

if TYPE_CHECKING:
    import pandas as pd

    from jobs.models.prediction import FittedModel, Task

TIMED_CALLS, TIMED_SECONDS = 100, 1.0


def footprint(model: FittedModel, size_bytes: int, frame: pd.DataFrame, task: Task) -> Footprint:
    """Measure a model as it was trained; packaging makes most of them faster.

    Processor time, because a clock on the wall would judge whatever else the machine does during the training.

    Args:
        model: the fitted model.
        size_bytes: of its file.
        frame: at least one row of feature columns.
        task: kind of label.

    Returns:
        Median milliseconds of processor time of one row, and megabytes (10^6 bytes).
    """
    one = frame.head(1)
    predict(model, one, task)
    times: list[float] = []
    while len(times) < TIMED_CALLS and sum(times) < TIMED_SECONDS:
        started = time.process_time()
        predict(model, one, task)
        times.append(time.process_time() - started)
    return Footprint(latency_ms=statistics.median(times) * 1000, size_mb=size_bytes / 1e6)
