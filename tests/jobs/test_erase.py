"""A person's rows are erased from all that a pipeline has, and what is left or lost by it is said."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from bentos.segments import SegmentWriter, log_schema
from jobs.data.request_log import RequestLog
from jobs.data.training_data import choose_training_data, keep_training_data, labelled_rows, read_training_data
from jobs.erasure.key_rows import KeyRows
from jobs.erasure.trained import without_erased_rows
from tests.version_rows import version_row
from tidewheel.errors import LakeError, UsageError
from tidewheel.ledger.audit import entries
from tidewheel.ledger.models import Models
from tidewheel.ledger.verification import verify
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
SCHEMA = log_schema(["weight"], ["carrier"], ["parcel"])
TODAY = datetime.now(UTC).date()
PERSON = "2024-01-02-00007"


@pytest.fixture
def parcels(make_parcels: Callable[..., Parcels]) -> Parcels:
    made = make_parcels()
    made.publish_days(12)
    return made


@pytest.fixture
def erase(run_job: RunJob, parcels: Parcels) -> Callable[..., JobRecord]:
    def run(key: str = PERSON, *options: str, run_id: str = "erase-1") -> JobRecord:
        return run_job(parcels, "erase", TODAY, run_id, "--key", key, "--actor", "ada@host", *options)

    return run


def log_requests(parcels: Parcels, keys: Sequence[str], *, finished: bool) -> Path:
    log = RequestLog(parcels.settings, parcels.name)
    writer = SegmentWriter(log.folder, "blue-1")
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for chunk in (keys[:2], keys[2:]):
        n = len(chunk)
        values = [chunk, range(n), [at] * n, ["1"] * n, ["blue"] * n, [False] * n, [0.5] * n, chunk, [1.5] * n]
        values.append(["fast"] * n)
        arrays = [pa.array(column, field.type) for column, field in zip(values, SCHEMA, strict=True)]
        writer.write(at, pa.record_batch(arrays, schema=SCHEMA))
    writer.close()
    [segment] = log.segments(str(at.date()))
    if finished:
        ago = time.time() - 7200
        os.utime(segment.path, (ago, ago))
    return segment.path


def logged(parcels: Parcels) -> list[str]:
    now = datetime.now(UTC)
    found = RequestLog(parcels.settings, parcels.name).between(now - timedelta(days=2), now + timedelta(days=1))
    return sorted(found["key.parcel"])


def on_disk(parcels: Parcels, key: str) -> list[Path]:
    """Files of the home whose bytes name a key; Parquet of so few rows is read."""
    import pyarrow.parquet as pq

    found = []
    for path in parcels.settings.home.rglob("*"):
        if path.suffix == ".parquet":
            if key in str(pq.read_table(path).to_pydict()):
                found.append(path)
        elif path.is_file() and key.encode() in path.read_bytes():
            found.append(path)
    return found


def test_rows_go_from_lake_and_request_log_and_the_audit_log_names_no_key(
    parcels: Parcels, erase: Callable[..., JobRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    log_requests(parcels, [PERSON, "b", "c", PERSON, "d"], finished=True)
    refused = parcels.lake.quarantine_raw("landing", "2024-01-02", "rows.csv", f"x,{PERSON}\n".encode(), "broken")

    record = erase()

    assert (record.figures["rows"], record.figures["left"]) == (4, 0)
    assert on_disk(parcels, PERSON) == []
    assert logged(parcels) == ["b", "c", "d"]
    day = parcels.lake.need("features", "2024-01-02")
    assert day.rows == 119
    assert not Path(refused.removeprefix("file://")).exists()
    begun, done = entries(parcels.ledger, parcels.name)
    assert [(row.kind, row.outcome, row.actor) for row in (begun, done)] == [
        ("erasure", "begun", "ada@host"),
        ("erasure", "erased", "ada@host"),
    ]
    assert begun.subject == f"key sha256:{KeyRows({'parcel': PERSON}).digest}"
    assert PERSON not in f"{begun.sentence}{done.sentence}"
    assert verify(parcels.ledger).findings == ()
    told = capsys.readouterr().out
    assert "4 rows of the key" in told
    assert "features: 1 row in 1 published batch," in told
    assert "What the source still has comes back" in told


def test_rows_that_monitoring_has_drawn_from_the_days_go_too(parcels: Parcels, erase: Callable[..., JobRecord]) -> None:
    names = ("rows-0a1b-none.parquet", "answered-0a1b.parquet", "unlabelled.npy", "performance.json")
    folders = [f"{parcels.name}/reports/{day}" for day in (PERSON[:10], "2024-01-05")]
    for folder in folders:
        for name in names:
            parcels.lake.store.replace(f"{folder}/{name}", b"{}")
    erase()

    touched, other = ({path.rpartition("/")[2] for path in parcels.lake.store.find(place, "")} for place in folders)
    assert touched == {"performance.json"}
    assert other == set(names)


def test_a_dry_run_says_the_same_and_changes_nothing(
    parcels: Parcels, erase: Callable[..., JobRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    log_requests(parcels, [PERSON, "b"], finished=True)
    before = parcels.lake.need("features", "2024-01-02")

    assert erase(PERSON, "--dry-run").figures["rows"] == 3

    assert "3 rows of the key" in capsys.readouterr().out
    assert parcels.lake.need("features", "2024-01-02") == before
    assert logged(parcels) == [PERSON, "b"]
    assert list(entries(parcels.ledger, parcels.name)) == []


def test_a_file_that_is_still_written_to_is_left_and_named(
    parcels: Parcels, erase: Callable[..., JobRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    path = log_requests(parcels, [PERSON, "b", "c"], finished=False)

    assert erase().figures["left"] == 1

    assert f"LEFT {path}: it may still be written to: run this again after" in capsys.readouterr().out
    *_, done = entries(parcels.ledger, parcels.name)
    assert done.outcome == "incomplete"
    ago = time.time() - 7200
    os.utime(path, (ago, ago))
    assert erase(run_id="erase-2").figures == {"rows": 1, "left": 0, "versions": 0}
    assert on_disk(parcels, PERSON) == []


def test_published_requests_lose_the_rows_too(
    parcels: Parcels, erase: Callable[..., JobRecord], run_job: RunJob
) -> None:
    log_requests(parcels, [PERSON, "b", "c"], finished=True)
    run_job(parcels, "requests", TODAY, "night")

    assert erase().figures["rows"] == 3
    assert logged(parcels) == ["b", "c"]
    assert on_disk(parcels, PERSON) == []


def test_versions_that_have_learned_from_the_rows_are_named_and_can_be_trained_again(
    parcels: Parcels, erase: Callable[..., JobRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    chosen = choose_training_data(parcels.lake, pipeline, date(2024, 1, 12))
    keep_training_data(parcels.lake, "train-1", chosen)
    Models(parcels.ledger).add(version_row(parcels.name, "1", run_id="train-1"))
    Models(parcels.ledger).add(version_row(parcels.name, "2", run_id="long-gone"))

    assert erase().figures["versions"] == 1

    told = capsys.readouterr().out
    assert "Versions 1 have learned from these rows" in told
    assert "Versions 2: what they have learned from is not listed any more" in told
    before = read_training_data(parcels.lake, "train-1").training
    with pytest.raises(LakeError, match="rows were erased"):
        labelled_rows(parcels.lake, pipeline, before)
    days, sentences = without_erased_rows(parcels.lake, before)
    again = labelled_rows(parcels.lake, pipeline, days)
    assert len(again) == chosen.training_rows - 1
    assert PERSON not in set(again["parcel"])
    assert [sentence.partition(" were erased")[0] for sentence in sentences] == [
        "features/2024-01-02: 1 of 120 rows",
        "labels/2024-01-02: 1 of 120 rows",
    ]


def test_texts_and_entries_that_name_the_key_are_named(
    parcels: Parcels, erase: Callable[..., JobRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = f"labels are there twice, for example {PERSON}"
    parcels.ledger.record(
        parcels.name, "2024-01-02", "night", Verdict(Kind.VALIDATION, Outcome.REFUSED, sentence), datetime.now(UTC)
    )
    parcels.lake.store.replace(f"{parcels.name}/runs/night/validate.json", sentence.encode())

    erase()

    told = capsys.readouterr().out
    assert f"Texts that name the key; look at them, and delete what may go (1): {parcels.name}/runs/night" in told
    assert "1 entry of the audit log cannot be changed, though the key is in what is said there" in told


@pytest.mark.parametrize(
    ("kind", "values", "text", "found"),
    [
        (pa.int64(), [7, 42, None], "42", [False, True, False]),
        (pa.float64(), [7.5, 42.0, None], "42", [False, True, False]),
        (pa.string(), ["42", "042", "4"], "42", [True, False, False]),
        (pa.string(), ["Zoë O'Hara", "zoë o'hara", ""], "Zoë O'Hara", [True, False, False]),
        (pa.int64(), [1, 2], "nobody", [False, False]),
        (pa.dictionary(pa.int32(), pa.string()), ["a", "b"], "b", [False, True]),
    ],
)
def test_a_key_is_recognised_whatever_its_type(
    kind: pa.DataType, values: list[object], text: str, found: list[bool]
) -> None:
    table = pa.table({"parcel": pa.array(values, kind)})

    assert KeyRows({"parcel": text}).of("landing", table).to_pylist() == found


@pytest.mark.parametrize(
    ("key", "given", "said"),
    [
        (["customer", "order"], ["7"], "names no column, and the key of .* has several; .*customer, order"),
        (["customer", "order"], ["costumer=7"], "'costumer' is no column of the key .*did you mean 'customer'"),
        (["customer", "order"], ["customer=7", "customer=8"], "expected one value for customer"),
        (["customer"], ["customer="], "expected one value for customer"),
    ],
)
def test_a_wrong_key_is_a_sentence(parcels: Parcels, key: list[str], given: list[str], said: str) -> None:
    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    source = pipeline.source.model_copy(update={"entity_key": key})

    with pytest.raises(UsageError, match=said):
        KeyRows.parse(pipeline.model_copy(update={"source": source}), given)


def test_a_part_of_a_key_is_enough(parcels: Parcels) -> None:
    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    source = pipeline.source.model_copy(update={"entity_key": ["customer", "order"]})
    rows = KeyRows.parse(pipeline.model_copy(update={"source": source}), ["customer=a=b"])

    table = pa.table({"customer": ["a=b", "c", "a=b"], "order": [1, 2, 3]})
    assert rows.of("landing", table).to_pylist() == [True, False, True]
