"""What fitting costs is measured in the process that fits."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from jobs.training.cost import Meter
from tests.pipelines import PIPELINE_FILE
from tidewheel.spec import Pipeline, load_pipeline

if TYPE_CHECKING:
    import pytest

BUSY = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass"


def pipeline(folder: Path, more: str = "") -> Pipeline:
    path = folder / "orders.yaml"
    path.write_text(PIPELINE_FILE + more)
    return load_pipeline(path)


def test_cpu_seconds_are_those_of_the_process_and_its_children_since_the_meter_started(tmp_path: Path) -> None:
    meter, end = Meter.start(), time.process_time() + 0.2
    while time.process_time() < end:
        pass
    own = meter.read(pipeline(tmp_path), 1).cpu_seconds
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    both = meter.read(pipeline(tmp_path), 2)

    assert own > 0.15
    assert both.cpu_seconds > own + 0.15
    assert (both.fits, both.gpu_seconds) == (2, 0.0)


def test_waiting_takes_time_and_no_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter([100.0, 160.0])
    monkeypatch.setattr("jobs.training.cost.time", SimpleNamespace(monotonic=lambda: next(clock)))
    cost = Meter.start().read(pipeline(tmp_path), 1)

    assert cost.seconds == 60.0
    assert cost.cpu_seconds < 60.0


def test_gpu_seconds_are_those_of_all_gpus_that_the_pod_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter([100.0, 160.0])
    monkeypatch.setattr("jobs.training.cost.time", SimpleNamespace(monotonic=lambda: next(clock)))
    two = pipeline(tmp_path, "resources: {train: {gpu: 2}}\n")

    assert Meter.start().read(two, 1).gpu_seconds == 120.0
