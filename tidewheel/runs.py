"""What a job leaves behind: `runs/<run-id>/<job>.json`, read and verified by the operator that started it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from tidewheel.errors import LakeError, UsageError
from tidewheel.lake import Lake
from tidewheel.lake.verified import read_document

_RUN_ID = re.compile(r"[^A-Za-z0-9._+-]")

LONGEST_RUN_ID = 250
"""Characters, as in Airflow and in the ledger; a folder's name may have a few more."""
SKIPPED, OUTCOME, VERSION, CHAMPION_VERSION, REQUEST = "skipped", "outcome", "version", "champion_version", "wish"
"""Figures of a record that another process reads again: whether there was nothing to do, what was decided, about which
version and against which, and the number of the request for a training."""
Figure = bool | int | float | str | None


class BatchReference(BaseModel):
    """A batch by content."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    partition: str
    content_hash: str
    rows: int


class JobRecord(BaseModel):
    """The record of one finished job."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    job: str
    run_id: str
    partition: str = Field(description="day or range of the job")
    inputs: Mapping[str, str] = Field(
        default_factory=dict, description="`dataset/partition` or `model` to content hash"
    )
    outputs: tuple[BatchReference, ...] = Field(default=(), description="batches written")
    figures: Mapping[str, Figure] = Field(default_factory=dict, description="what the job measured, by name")
    links: Mapping[str, str] = Field(default_factory=dict, description="title to URL of reports a person may open")
    sentence: str = Field(default="", description="what happened, for a person")
    warnings: tuple[str, ...] = Field(default=(), description="what failed without ending the job, in sentences")
    refused: str | None = Field(default=None, description="why the data was refused, where it was")
    code_version: str = ""
    seconds: float = 0
    import_seconds: float = Field(default=0, description="spent before the job's own work began, beyond `seconds`")
    cpu_seconds: float = Field(
        default=0, description="computed by the process, its imports included, and by the children it waited for"
    )
    peak_memory_bytes: int = 0


def run_folder(run_id: str) -> str:
    """A run id as a folder name: Airflow's `manual__2026-11-22T05:18:00+00:00` holds characters that URLs do not like.

    Raises:
        UsageError: the run id is empty, or too long for a folder and for the ledger.
    """
    if not run_id.strip("."):
        raise UsageError(f"run id {run_id!r} cannot name a folder")
    if len(run_id) > LONGEST_RUN_ID:
        raise UsageError(f"run id {run_id[:40]}... has {len(run_id)} characters; expected {LONGEST_RUN_ID} at most")
    return _RUN_ID.sub("-", run_id)


def record_path(lake: Lake, run_id: str, job: str) -> str:
    """Path of a job's record, relative to the lake's root."""
    return f"{lake.pipeline}/runs/{run_folder(run_id)}/{job}.json"


def write_record(lake: Lake, record: JobRecord) -> str:
    """Keep a record; returns its path relative to the lake's root."""
    path = record_path(lake, record.run_id, record.job)
    lake.store.replace(path, record.model_dump_json(indent=2).encode())
    return path


def read_record(lake: Lake, run_id: str, job: str) -> JobRecord:
    """Read the record of a job of a run.

    Raises:
        LakeError: the job has left none, so it did not finish; or it is cut off, or another's.
    """
    path = record_path(lake, run_id, job)
    content = lake.store.read(path)
    if content is None:
        raise LakeError(f"{lake.store.url(path)} is missing: job {job} of run {run_id} has not finished")
    remedy = f"run the job {job} of run {run_id} again (in Airflow: clear its task)"
    record = read_document(JobRecord, content, lake.store.url(path), "the record of a job", remedy)
    if (record.pipeline, run_folder(record.run_id)) != (lake.pipeline, run_folder(run_id)):
        raise LakeError(
            f"{lake.store.url(path)} is the record of run {record.run_id} of {record.pipeline}, in the wrong place; "
            f"{remedy}"
        )
    return record


def verify_outputs(lake: Lake, record: JobRecord) -> None:
    """Check that every batch a record names is in the lake with that content.

    Raises:
        LakeError: a batch is not there, or has other rows.
    """
    for output in record.outputs:
        manifest = lake.manifest(output.dataset, output.partition, output.content_hash)
        if manifest.rows != output.rows:
            raise LakeError(f"{manifest.key}: the record names {output.rows} rows, the manifest {manifest.rows}")
