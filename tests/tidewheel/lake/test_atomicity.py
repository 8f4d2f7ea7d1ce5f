"""A reader sees whole batches only, whatever happens to the writer."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tidewheel.lake import Lake, Store

DAY = "2026-11-21"
WRITER = """
import sys
import pyarrow as pa
from tidewheel.lake import Lake, Store

lake = Lake("shop", Store(sys.argv[1], {}))
n = int(sys.argv[2])
print("ready", flush=True)
while True:
    n += 1
    table = pa.table({"batch": pa.array([n] * 5000, pa.int64()), "row": pa.array(range(5000), pa.int64())})
    lake.publish(lake.write_table("landing", "2026-11-21", table, {}, str(n)))
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake("shop", Store(f"file://{tmp_path}", {}))


def start_writer(lake: Lake, first: int) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, lake.store.root, str(first)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def assert_whole(lake: Lake) -> int | None:
    """Read what is published now; it must be one batch, all of it."""
    manifest = lake.published("landing", DAY)
    if manifest is None:
        return None
    table = lake.read(manifest)
    assert table.num_rows == manifest.rows == 5000
    batches = set(table["batch"].to_pylist())
    assert len(batches) == 1
    assert manifest.code_version == str(batches.copy().pop())
    return batches.pop()


def test_a_reader_never_sees_half_a_batch_while_a_writer_publishes_and_is_killed(lake: Lake) -> None:
    for life in range(5):
        seen: set[int] = set()
        deadline = time.monotonic() + 60
        with start_writer(lake, 100_000 * life) as writer:
            while len(seen) < 5:
                assert time.monotonic() < deadline, "the writer publishes nothing"
                batch = assert_whole(lake)
                if batch is not None and batch > 100_000 * life:
                    seen.add(batch)
            # Wherever it is in its work now.
            writer.kill()

        last = assert_whole(lake)
        assert last is not None
        assert last >= max(seen)
    assert lake.partitions("landing") == [DAY]


def test_a_killed_writer_leaves_nothing_that_a_listing_shows(lake: Lake) -> None:
    (Path(lake.store.local("shop/landing/2026-11-22"))).mkdir(parents=True)
    Path(lake.store.local("shop/landing/2026-11-22/manifest.json.0123.tmp")).write_text('{"half": ')

    assert lake.partitions("landing") == []
    assert lake.published("landing", "2026-11-22") is None


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.store.replace("shop/landing/x", b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        lake.store.replace("shop/landing/x", b"new")

    assert lake.store.read("shop/landing/x") == b"old"
    assert lake.store.list_folder("shop/landing") == ["x"]
