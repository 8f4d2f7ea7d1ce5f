"""What fitting costs, measured in the process that does it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job import cpu_seconds
from tidewheel.ledger.trainings import FitCost

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class Meter:
    """Counts from when it was started.

    Attributes:
        started: seconds of a steady clock.
        cpu: seconds that the process and its children had computed by then.
    """

    started: float
    cpu: float

    @classmethod
    def start(cls) -> Meter:
        """One that counts from now on."""
        return cls(time.monotonic(), cpu_seconds())

    def read(self, pipeline: Pipeline, fits: int) -> FitCost:
        """What it has counted.

        Args:
            pipeline: its `resources.train.gpu` says how many GPUs the job holds.
            fits: models that were fitted.
        """
        seconds, resources = time.monotonic() - self.started, pipeline.resources_of("train")
        return FitCost(
            fits=fits,
            seconds=round(seconds, 3),
            cpu_seconds=round(cpu_seconds() - self.cpu, 3),
            gpu_seconds=round(seconds * (resources.gpu if resources else 0), 3),
        )
