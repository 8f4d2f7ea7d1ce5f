"""Logged requests become batches of the lake: nothing twice, nothing lost, whatever is published when."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bentos.segments import BlockHeader, SegmentWriter, log_schema
from jobs.data.request_log import RequestLog
from jobs.data.segment_reader import read_segment
from jobs.job import Job
from jobs.requests import work
from tests import small_models
from tidewheel.lake import Lake
from tidewheel.options import RequestsOptions
from tidewheel.partitions import Partitioning, PartitionRange
from tidewheel.settings import Settings

Writers = Callable[..., SegmentWriter]
SCHEMA = log_schema(["weight"], ["carrier"], ["order_id"])
DAY = datetime.now(UTC).date().isoformat()
NOON = datetime.fromisoformat(f"{DAY}T12:00Z")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    settings = Settings(home=tmp_path / "home")
    pipeline = small_models.pipeline(tmp_path)
    lake, days = Lake.open("orders", settings), PartitionRange.parse(DAY)
    return Job("requests", pipeline, days, "run", settings, lake, RequestsOptions(), "code")


def append(
    writer: SegmentWriter,
    names: Sequence[str],
    at: datetime = NOON,
    *,
    weights: Sequence[float | None] | None = None,
    said: float = 0.5,
) -> None:
    """Log requests that were answered at one moment; the first five minutes of an hour are one file's."""
    count = len(names)
    values = [names, range(count), [at] * count, ["1"] * count, ["blue"] * count, [False] * count]
    values += [[said] * count, names, weights or [1.5] * count, ["fast"] * count]
    arrays = [pa.array(column, field.type) for column, field in zip(values, SCHEMA, strict=True)]
    writer.write(at.replace(minute=0), pa.record_batch(arrays, schema=SCHEMA))


@pytest.fixture
def writer(job: Job) -> Iterator[Writers]:
    """Makes writers of the pipeline's log."""
    made: list[SegmentWriter] = []

    def make() -> SegmentWriter:
        made.append(SegmentWriter(RequestLog(job.settings, "orders").folder, "blue-1"))
        return made[-1]

    yield make
    for each in made:
        each.close()


def logged(job: Job) -> list[str]:
    found = RequestLog(job.settings, "orders").between(NOON - timedelta(hours=1), NOON + timedelta(hours=1))
    return found["request_id"].tolist()


def test_published_or_not_a_request_is_read_once(job: Job, writer: Writers) -> None:
    files = writer()
    append(files, ["a", "b"])
    assert logged(job) == ["a", "b"]
    assert work(job).figures["rows"] == 2
    assert logged(job) == ["a", "b"]
    append(files, ["c"])
    assert logged(job) == ["a", "b", "c"], "the file that is still written to is read, the batch of its rows is not"
    assert work(job).figures["rows"] == 3
    assert logged(job) == ["a", "b", "c"]


def test_a_file_is_dropped_when_it_is_finished_and_published(job: Job, writer: Writers) -> None:
    log = RequestLog(job.settings, "orders")
    append(writer(), ["a"])
    [old] = log.segments(DAY)
    hours_ago = time.time() - 7200
    os.utime(old.path, (hours_ago, hours_ago))
    append(writer(), ["b"])
    work(job)
    assert not old.path.exists()
    assert len(log.segments(DAY)) == 1, "the other was appended to just now: somebody may do so again"
    assert logged(job) == ["a", "b"]
    assert work(job).figures["rows"] == 2, "what is published stays, although its file is gone"
    assert logged(job) == ["a", "b"]


def test_the_same_requests_are_the_same_batch(job: Job, writer: Writers) -> None:
    append(writer(), ["a", "b"])
    first, second = work(job).outputs[0], work(job).outputs[0]
    assert first.content_hash == second.content_hash


def test_a_file_can_be_read_wherever_its_writer_died(
    job: Job, writer: Writers, caplog: pytest.LogCaptureFixture
) -> None:
    files = writer()
    append(files, ["a"])
    append(files, ["b"])
    [segment] = RequestLog(job.settings, "orders").segments(DAY)
    whole = segment.path.read_bytes()
    counts = []
    for cut in range(0, len(whole), 11):
        segment.path.write_bytes(whole[:cut])
        counts.append(len(logged(job)))
    assert sorted(counts) == counts
    assert set(counts) == {0, 1}
    assert caplog.text == "", "an end that is missing is no damage"


def test_a_flipped_bit_anywhere_is_named_and_costs_the_rows_of_its_block_alone(job: Job, writer: Writers) -> None:
    files = writer()
    for name in "abc":
        append(files, [f"{name}1", f"{name}2"])
    [segment] = RequestLog(job.settings, "orders").segments(DAY)
    whole = segment.path.read_bytes()
    size = len(whole) // 3
    for place in range(0, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        segment.path.write_bytes(damaged)
        content = read_segment(segment)
        left = [f"{name}{n}" for block, name in enumerate("abc") if block != place // size for n in (1, 2)]
        assert content.rows is not None
        assert content.rows["request_id"].to_pylist() == left, place
        assert f"{segment.path} was changed after it was written: " in content.damage
        count = "an unknown number" if place % size < BlockHeader.SIZE else "2"
        lost = f"of the predictions of 12:00-12:04:59 UTC {count} cannot be read (bytes {place // size * size:,} to"
        assert lost in content.damage


def test_the_rest_of_a_damaged_file_is_published_and_the_file_is_kept(
    job: Job, writer: Writers, caplog: pytest.LogCaptureFixture
) -> None:
    log = RequestLog(job.settings, "orders")
    files = writer()
    for name in ("first", "second", "third"):
        append(files, [name], datetime(2026, 3, 1, tzinfo=UTC))
    [segment] = log.segments("2026-03-01")
    append(writer(), ["d"])
    content = bytearray(segment.path.read_bytes())
    content[content.index(b"second")] = ord("x")
    segment.path.write_bytes(content)
    assert work(job).figures["rows"] == 3, "the other day, too"
    assert segment.path.exists(), "somebody may still append to it"
    os.utime(segment.path, (0, 0))
    caplog.clear()
    [warning] = work(job).warnings
    assert f"{segment.path} was changed after it was written: " in warning
    assert "of the predictions of 00:00-00:04:59 UTC 1 cannot be read" in warning
    assert warning.endswith(f"it is set aside as {segment.path.name}.damaged")
    assert segment.path.name in caplog.text
    assert segment.path.with_name(f"{segment.path.name}.damaged").read_bytes() == content
    assert work(job).warnings == []
    published = log.between(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
    assert published["request_id"].tolist() == ["first", "third"]


def test_what_was_published_of_a_file_stays_when_the_file_is_damaged_later(job: Job, writer: Writers) -> None:
    log, files = RequestLog(job.settings, "orders"), writer()
    for name in ("first", "second", "third"):
        append(files, [name])
    assert work(job).figures["rows"] == 3
    append(files, ["fourth"])
    [segment] = log.segments(DAY)
    content = bytearray(segment.path.read_bytes())
    content[content.index(b"second")] = ord("x")
    segment.path.write_bytes(content)
    work(job)
    assert sorted(logged(job)) == ["first", "fourth", "second", "third"]


def test_a_file_without_one_undamaged_block_is_kept_too(job: Job, writer: Writers) -> None:
    log = RequestLog(job.settings, "orders")
    append(writer(), ["a"], datetime(2026, 3, 1, tzinfo=UTC))
    [segment] = log.segments("2026-03-01")
    segment.path.write_bytes(bytes(len(segment.path.read_bytes())))
    os.utime(segment.path, (0, 0))
    result = work(job)
    assert (result.outputs, len(result.warnings)) == ([], 1)
    assert "an unknown number cannot be read" in result.warnings[0]
    assert [path.name for path in segment.path.parent.iterdir()] == [f"{segment.path.name}.damaged"]


def without_checksums(job: Job, names: Sequence[str]) -> tuple[Path, list[int]]:
    """A file as it was written before there were blocks, and where its messages begin."""
    file = RequestLog(job.settings, "orders").folder / DAY / f"{NOON:%Y%m%dT%H%M}-blue-1-0a.arrows"
    file.parent.mkdir(parents=True)
    values = [[0.5], ["k"], [1.5], ["fast"]]
    with file.open("wb") as stream, pa.ipc.new_stream(stream, SCHEMA) as opened:
        begins = [0]
        for n, name in enumerate(names):
            arrays = [[name], [n], [NOON], ["1"], ["blue"], [False], *values]
            arrays = [pa.array(column, field.type) for column, field in zip(arrays, SCHEMA, strict=True)]
            begins.append(stream.tell())
            opened.write_batch(pa.record_batch(arrays, schema=SCHEMA))
    return file, begins


def test_a_file_from_before_checksums_is_read_beside_the_new_ones(job: Job, writer: Writers) -> None:
    without_checksums(job, "ab")
    append(writer(), ["c"], NOON + timedelta(seconds=1))
    assert logged(job) == ["a", "b", "c"]
    assert work(job).figures["rows"] == 3


@pytest.mark.parametrize("message", [0, 1, 2])
@pytest.mark.parametrize("where", [0, 4, 8])
def test_a_file_from_before_checksums_whose_messages_were_changed_is_named(job: Job, message: int, where: int) -> None:
    file, begins = without_checksums(job, "abcd")
    content = bytearray(file.read_bytes())
    first = begins[message] + where  # marker, length, header
    content[first : first + 4] = bytes(byte ^ 0x55 for byte in content[first : first + 4])
    file.write_bytes(content)
    result = work(job)
    assert f"{file} was changed after it was written: what lies at byte " in result.warnings[0]
    assert result.figures["rows"] == max(message - 1, 0)
    assert file.exists()


def test_a_day_without_requests_publishes_nothing(job: Job) -> None:
    result = work(job)
    assert (result.outputs, result.sentence) == ([], "no requests were logged")


def test_a_day_that_was_missed_is_published_with_the_next(job: Job, writer: Writers) -> None:
    log = RequestLog(job.settings, "orders")
    append(writer(), ["a"], datetime(2026, 3, 1, tzinfo=UTC))
    [segment] = log.segments("2026-03-01")
    os.utime(segment.path, (0, 0))
    append(writer(), ["b"])
    result = work(job)
    assert [manifest.partition for manifest in result.outputs] == ["2026-03-01", DAY]
    assert log.days() == [DAY], "what is published and over leaves nothing behind"
    assert not (log.folder / "2026-03-01").exists()


def test_a_file_that_its_writer_left_without_a_whole_block_is_dropped_when_its_day_is_long_over(
    job: Job, writer: Writers
) -> None:
    log = RequestLog(job.settings, "orders")
    for at in (datetime(2026, 3, 1, tzinfo=UTC), NOON):
        append(writer(), ["a"], at)
        [segment] = log.segments(at.date().isoformat())
        os.truncate(segment.path, 10)
        os.utime(segment.path, (0, 0))
    assert work(job).outputs == []
    assert log.days() == [DAY], "of a day that is not over nothing goes"
    assert not (log.folder / "2026-03-01").exists()


def test_a_window_opens_only_the_files_of_its_time(job: Job, writer: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    files, opened = writer(), set()
    for hour in (10, 11, 12):
        append(files, [f"at-{hour}"], NOON.replace(hour=hour))

    def memory_map(path: str) -> pa.MemoryMappedFile:
        opened.add(Path(path).name[9:11])
        return pa.OSFile(path)

    monkeypatch.setattr("jobs.data.request_log.pa.memory_map", memory_map)
    log, eleven = RequestLog(job.settings, "orders"), NOON.replace(hour=11)
    assert log.between(eleven, eleven + timedelta(seconds=1))["request_id"].tolist() == ["at-11"]
    assert log.between(eleven - timedelta(seconds=1), eleven).empty
    assert opened == {"11"}
    work(job)
    for segment in log.segments(DAY):
        segment.path.unlink()
    assert log.between(eleven, eleven + timedelta(seconds=1))["request_id"].tolist() == ["at-11"], "as published"


def test_models_with_other_columns_share_a_day(job: Job, writer: Writers) -> None:
    append(writer(), ["a"])
    other = log_schema(["weight", "height"], [], ["order_id"])
    values = [["b"], [0], [NOON], ["2"], ["green"], [True], [0.25], [None], [1.0], [2.0]]
    arrays = [pa.array(column, field.type) for column, field in zip(values, other, strict=True)]
    log = RequestLog(job.settings, "orders")
    writer().write(NOON, pa.record_batch(arrays, schema=other))
    work(job)
    found = log.between(NOON, NOON + timedelta(seconds=1), ["colour", "features.height", "features.carrier"])
    assert found["colour"].tolist() == ["blue", "green"]
    assert found["features.height"].isna().tolist() == [True, False]
    assert list(found.columns) == ["colour", "features.height", "features.carrier"]


def test_a_row_that_is_asked_for_again_and_again_has_one_score(job: Job, writer: Writers) -> None:
    files, log = writer(), RequestLog(job.settings, "orders")
    append(files, ["a", "b", "c"], weights=[1.0, 2.0, None], said=0.2)
    append(files, [f"health-{n}" for n in range(20)], NOON + timedelta(minutes=1), weights=[None] * 20, said=0.3)
    window = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
    assert log.scores("1", *window) == [0.2, 0.2, 0.3]
    assert log.scores("2", *window) == []


def test_a_week_of_requests_is_one_batch_named_by_its_monday(job: Job, writer: Writers) -> None:
    pipeline = job.pipeline.model_copy(update={"partition": Partitioning.WEEK})
    monday = Partitioning.WEEK.holding(NOON.date())
    weekly = replace(job, pipeline=pipeline, partitions=PartitionRange(monday, monday, Partitioning.WEEK))
    log = RequestLog(job.settings, "orders", unit=Partitioning.WEEK)
    begin = datetime(monday.year, monday.month, monday.day, tzinfo=UTC)
    files = writer()
    append(files, ["monday"], begin)
    append(files, ["sunday"], begin + timedelta(days=6, hours=23, minutes=59))
    append(files, ["next"], begin + timedelta(days=7))
    assert log.days() == [str(monday), str(monday + timedelta(days=7))]
    first, second = work(weekly).outputs
    assert [(batch.partition, batch.rows) for batch in (first, second)] == [
        (str(monday), 2),
        (str(monday + timedelta(days=7)), 1),
    ]
    found = log.between(begin, begin + timedelta(days=7))
    assert found["request_id"].tolist() == ["monday", "sunday"], "published and still in files: each once"
