"""Run records: what a job leaves for whoever started it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.errors import LakeError, UsageError
from tidewheel.lake import Lake, Store
from tidewheel.runs import BatchReference, JobRecord, read_record, run_folder, verify_outputs, write_record
from tidewheel.settings import Settings

RUN = "manual__2026-11-22T05:18:00.123456+00:00_AbC"


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake.open("shop", settings)


def record(**fields: object) -> JobRecord:
    return JobRecord.model_validate(
        {"pipeline": "shop", "job": "land", "run_id": RUN, "partition": "2026-11-21", **fields}
    )


def test_a_record_comes_back_as_it_was_written(lake: Lake) -> None:
    output = {"dataset": "landing", "partition": "2026-11-21", "content_hash": "ab", "rows": 3}
    written = record(
        inputs={"landing/2026-11-20": "cd"},
        outputs=[output],
        figures={"rows": 3, "share": 0.5, "ok": True, "why": None, "kind": "csv"},
        links={"result page": "shop/reports/x.html"},
        sentence="3 rows landed",
    )

    path = write_record(lake, written)

    assert path == "shop/runs/manual__2026-11-22T05-18-00.123456+00-00_AbC/land.json"
    assert read_record(lake, RUN, "land") == written


def test_a_job_that_has_not_finished_is_named(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"train\.json is missing: job train of run run-1 has not finished"):
        read_record(lake, "run-1", "train")


def test_outputs_are_verified_against_the_lake(lake: Lake) -> None:
    manifest = lake.write_table("landing", "2026-11-21", pa.table({"id": [1, 2]}), {}, "code")
    true = BatchReference(dataset="landing", partition="2026-11-21", content_hash=manifest.content_hash, rows=2)

    verify_outputs(lake, record(outputs=[true]))

    with pytest.raises(LakeError, match="the record names 3 rows, the manifest 2"):
        verify_outputs(lake, record(outputs=[true.model_copy(update={"rows": 3})]))
    with pytest.raises(LakeError, match="never had content 0000"):
        verify_outputs(lake, record(outputs=[true.model_copy(update={"content_hash": "0000"})]))


@given(st.text(min_size=1, max_size=40))
def test_any_run_id_names_one_plain_folder_or_is_refused(run_id: str) -> None:
    if not run_id.strip("."):
        with pytest.raises(UsageError, match="cannot name a folder"):
            run_folder(run_id)
        return
    folder = run_folder(run_id)
    assert "/" not in folder
    assert folder not in {".", ".."}
    assert folder.isascii()
    assert len(folder) == len(run_id)


@pytest.mark.parametrize("length", [250, 251, 300, 5000])
def test_the_longest_run_id_that_airflow_makes_names_a_folder_and_a_longer_one_is_refused(
    tmp_path: Path, length: int
) -> None:
    lake, run_id = Lake("o" * 63, Store(f"file://{tmp_path}", {})), "r" * length
    record = JobRecord(pipeline=lake.pipeline, job="validate-predictions", run_id=run_id, partition="2026-01-05")
    if length <= 250:
        write_record(lake, record)
        assert read_record(lake, run_id, "validate-predictions") == record
    else:
        with pytest.raises(UsageError, match=f"has {length} characters; expected 250 at most"):
            write_record(lake, record)
