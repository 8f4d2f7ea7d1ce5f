"""A lake that is thrown away, with what the real one has published: jobs run in it and leave nothing behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from jobs.job import Job, OptionsT, Result
from tidewheel.errors import DataRefused
from tidewheel.lake import Lake, Manifest
from tidewheel.runs import BatchReference, JobRecord, write_record

if TYPE_CHECKING:
    from tidewheel.settings import Settings


@contextmanager
def scratch_settings(settings: Settings) -> Iterator[Settings]:
    """The settings of the project, with a lake and a home of their own, and neither ledger nor registry."""
    with TemporaryDirectory(prefix="tidewheel-validate-", ignore_cleanup_errors=True) as folder:
        elsewhere = {"home": Path(folder), "lake_url": "", "lake_options": {}, "database_url": None, "mlflow_url": ""}
        yield settings.model_copy(update=elsewhere)


def borrow(lake: Lake, scratch: Lake, manifest: Manifest) -> None:
    """Publish a batch of the real lake in the scratch one. Files are linked where they lie on this machine's disk.

    Raises:
        LakeError: a file is gone.
    """
    for file in manifest.files:
        path = f"{manifest.pipeline}/{manifest.dataset}/{file.path}"
        target = Path(scratch.store.local(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        if lake.store.is_folder and _linked(Path(lake.store.local(path)), target):
            continue
        with lake.store.open(path) as found, target.open("wb") as written:
            shutil.copyfileobj(found, written)
    scratch.publish(manifest)


def _linked(found: Path, target: Path) -> bool:
    try:
        os.link(found, target)
    except OSError:  # another disk, or a file system without links
        return False
    return True


def carried_out(job: Job[OptionsT], work: Callable[[Job[OptionsT]], Result]) -> Result:
    """Run a job's work in this process and leave its record, which the next job reads.

    Args:
        job: whose lake is a scratch one.
        work: of the job's module.

    Returns:
        What it handed back; data that it refused is `refused` there.
    """
    try:
        result = work(job)
    except DataRefused as error:
        result = Result(refused=str(error), sentence=str(error))
    outputs = tuple(
        BatchReference(dataset=m.dataset, partition=m.partition, content_hash=m.content_hash, rows=m.rows)
        for m in result.outputs
    )
    record = JobRecord(
        pipeline=job.pipeline.name,
        job=job.name,
        run_id=job.run_id,
        partition=str(job.partitions),
        outputs=outputs,
        figures=dict(result.figures),
        sentence=result.sentence,
        refused=result.refused,
    )
    write_record(job.lake, record)
    return result
