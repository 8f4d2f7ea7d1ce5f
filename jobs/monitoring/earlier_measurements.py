"""Which days that were measured before have to be measured again: those whose batches changed since."""

from __future__ import annotations

import io
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.monitoring.labelled_answers import LABELS, label_key_hashes
from jobs.monitoring.labelled_day import day_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.job import Job
    from jobs.monitoring.labelled_predictions import LabelledPredictions


class EarlierMeasurements:
    """What performance reports in the lake say of earlier nights.

    Where nothing is scored in batches, each new day of labels may hold some for answers of the weeks before. Those days
    are read again only if it does: beside the report of a day lie hashes of the keys that it has no label for.

    Args:
        job: names pipeline and lake.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._keys_of = cache(self._label_keys)

    def outdated(self, day: str, until: str) -> bool:
        """Whether a day that can be measured was not, or was from other batches than those of now.

        Args:
            day: the day, YYYY-MM-DD.
            until: the last day whose labels are known.
        """
        inputs = day_inputs(self._job, day, until)
        if not inputs:
            return False
        report = self._read(report_path(self._job, day))
        before = report.get("inputs", {})
        if any(inputs.get(key) != value for key, value in before.items()) or not before:
            return True
        new = [key for key in inputs if key not in before]
        if not new:
            return False
        missing = self._unlabelled(day)
        if missing is None or not all(key.startswith(f"{LABELS}/") for key in new):
            return True
        if any(np.isin(missing, self._keys_of(key.partition("/")[2])).any() for key in new):
            return True
        self._write(report_path(self._job, day), json.dumps({**report, "inputs": inputs}, indent=2).encode())
        return False

    def keep_unlabelled(self, rows: LabelledPredictions) -> None:
        """Remember which keys of a day have no label, as far as one may come on a later day."""
        if not self._job.pipeline.scoring.enabled and not rows.missing:
            content = io.BytesIO()
            np.save(content, rows.unlabelled)
            self._write(_unlabelled_path(self._job, rows.day), content.getvalue())

    def _label_keys(self, day: str) -> NDArray[np.uint64]:
        return label_key_hashes(self._job.lake, self._job.pipeline, self._job.lake.need(LABELS, day))

    def _unlabelled(self, day: str) -> NDArray[np.uint64] | None:
        content = self._job.lake.store.read(_unlabelled_path(self._job, day))
        try:
            return None if content is None else np.asarray(np.load(io.BytesIO(content)), np.uint64)
        except (ValueError, EOFError):  # cut off or changed: the day is measured again
            return None

    def _read(self, path: str) -> dict[str, Any]:
        content = self._job.lake.store.read(path)
        try:
            document = json.loads(content or b"{}")
        except ValueError:  # cut off or changed: the day is measured again
            return {}
        return document if isinstance(document, dict) and isinstance(document.get("inputs", {}), dict) else {}

    def _write(self, path: str, content: bytes) -> None:
        self._job.lake.store.replace(path, content)


def report_path(job: Job, day: str) -> str:
    """Where the figures of a day's performance lie, relative to the lake's root."""
    return f"{job.pipeline.name}/reports/{day}/performance.json"


def _unlabelled_path(job: Job, day: str) -> str:
    return f"{job.pipeline.name}/reports/{day}/unlabelled.npy"
