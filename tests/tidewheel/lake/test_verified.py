"""Nothing is read from the lake that is not, byte for byte, what was written there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.compute import field

from tidewheel.errors import LakeError
from tidewheel.lake import Lake, Manifest, Store, open_verified
from tidewheel.runs import JobRecord, read_record, record_path, write_record

DAY, NEXT = "2026-11-21", "2026-11-22"


@pytest.fixture
def shop(tmp_path: Path) -> Lake:
    return Lake("shop", Store(f"file://{tmp_path}/lake", {}))


def published(lake: Lake, first: int, partition: str = DAY, dataset: str = "landing") -> Manifest:
    table = pa.table({"id": pa.array(range(first, first + 50), pa.int64()), "name": [f"order {n}" for n in range(50)]})
    manifest = lake.write_table(dataset, partition, table, {}, "code")
    lake.publish(manifest)
    return manifest


def flip(path: Path, position: int) -> None:
    """Change one bit, as a disk does."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def local(lake: Lake, path: str) -> Path:
    return Path(lake.store.local(path))


@pytest.mark.parametrize("part", [0.0, 0.05, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_flipped_bit_anywhere_in_a_file_is_found_by_every_reader(
    shop: Lake, part: float, in_memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_memory:
        monkeypatch.setattr("tidewheel.lake.verified.LARGEST_IN_MEMORY", 10)
    manifest = published(shop, 1)
    assert shop.read(manifest).num_rows == 50
    [file] = shop.files(manifest)
    flip(local(shop, file.path), int(part * file.bytes))

    said = f"{file.path} is not what the manifest of landing/{DAY} says: its sha256 is .*make the partition again"
    with pytest.raises(LakeError, match=said):
        shop.read(manifest, ["id"])
    with pytest.raises(LakeError, match=said):
        shop.read_all([manifest])
    with pytest.raises(LakeError, match=said):
        shop.verify([manifest])
    with pytest.raises(LakeError, match=said), open_verified(shop.store, file):
        pass


@pytest.mark.parametrize("bytes_more", [-1, 1, 1000])
def test_a_file_of_another_length_is_named_with_both_lengths(shop: Lake, bytes_more: int) -> None:
    manifest = published(shop, 1)
    [file] = shop.files(manifest)
    content = local(shop, file.path).read_bytes()
    local(shop, file.path).write_bytes(content[:bytes_more] if bytes_more < 0 else content + b"x" * bytes_more)
    with pytest.raises(LakeError, match=f"it has .* bytes, not {file.bytes}"):
        shop.read(manifest)


def test_an_error_of_what_is_done_with_a_file_is_not_blamed_on_the_file(shop: Lake) -> None:
    [file] = shop.files(published(shop, 1))
    with pytest.raises(OSError, match="disk is full"), open_verified(shop.store, file):
        raise OSError("disk is full")


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_a_manifest_that_was_cut_off_is_named_with_the_way_back(shop: Lake, part: float) -> None:
    manifest = published(shop, 1)
    path = local(shop, f"shop/landing/{DAY}/manifest.json")
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(LakeError, match=r"manifest\.json is not a manifest: .*copy the batch's own manifest"):
        shop.published("landing", DAY)

    shutil.copy(path.with_name(f"{manifest.content_hash}.json"), path)  # what the message says
    assert shop.need("landing", DAY) == manifest


@pytest.mark.parametrize(
    ("dataset", "partition", "pipeline"),
    [("landing", NEXT, "shop"), ("labels", DAY, "shop"), ("landing", DAY, "other")],
)
def test_a_manifest_in_anothers_place_is_not_taken_for_its_own(
    shop: Lake, dataset: str, partition: str, pipeline: str
) -> None:
    published(shop, 1)
    other = Lake(pipeline, shop.store)
    published(other, 2, partition, dataset)
    shutil.copy(
        local(shop, f"{pipeline}/{dataset}/{partition}/manifest.json"), local(shop, f"shop/landing/{DAY}/manifest.json")
    )
    said = f"is the manifest of {dataset}/{partition} of {pipeline}, in the wrong place"
    with pytest.raises(LakeError, match=said):
        shop.need("landing", DAY)


def test_a_manifest_under_the_hash_of_another_batch_is_not_taken_for_it(shop: Lake) -> None:
    first, second = published(shop, 1), published(shop, 2)
    folder = local(shop, f"shop/landing/{DAY}")
    shutil.copy(folder / f"{first.content_hash}.json", folder / f"{second.content_hash}.json")
    with pytest.raises(LakeError, match=f"is the manifest of other content, {first.content_hash}"):
        shop.manifest("landing", DAY, second.content_hash)


@pytest.mark.parametrize(
    ("key", "value"), [("files", []), ("columns", {"id": "int32"}), ("content_hash", "0" * 64)], ids=str
)
def test_a_manifest_whose_hash_is_not_that_of_its_content_was_changed(shop: Lake, key: str, value: object) -> None:
    published(shop, 1)
    path = local(shop, f"shop/landing/{DAY}/manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(LakeError, match=r"manifest\.json was changed: it names files whose content hash is"):
        shop.published("landing", DAY)


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_record_that_was_cut_off_says_which_job_to_run_again(shop: Lake, part: float) -> None:
    write_record(shop, JobRecord(pipeline="shop", job="land", run_id="r", partition=DAY))
    path = local(shop, record_path(shop, "r", "land"))
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(LakeError, match=r"land\.json is not the record of a job: .*run the job land of run r again"):
        read_record(shop, "r", "land")


def test_the_record_of_another_run_is_not_taken_for_this_ones(shop: Lake) -> None:
    write_record(shop, JobRecord(pipeline="shop", job="land", run_id="r", partition=DAY))
    path = local(shop, record_path(shop, "r", "land"))
    other = local(shop, record_path(shop, "s", "land"))
    other.parent.mkdir()
    shutil.copy(path, other)
    with pytest.raises(LakeError, match="is the record of run r of shop, in the wrong place"):
        read_record(shop, "s", "land")


@pytest.mark.parametrize("content", [b"", b'{"rea', b"[]", b'{"details": {}}'])
def test_a_broken_record_of_a_refusal_hides_no_other(shop: Lake, content: bytes) -> None:
    url = shop.quarantine_raw("landing", DAY, "orders.csv", b"id,am", "cut off")
    Path(f"{url.removeprefix('file://')}.reason.json").write_bytes(content)
    assert "was cut off or changed, so nobody knows why" in (shop.quarantine_reason("landing", DAY) or "")


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "ä" * 125 + ".csv"], ids=["letters", "umlauts"])
def test_the_longest_name_of_a_source_file_is_quarantined_by_its_end(shop: Lake, name: str) -> None:
    url = shop.quarantine_raw("landing", DAY, name, b"id,am", "cut off")
    assert url.endswith(".csv")
    assert shop.quarantine_reason("landing", DAY) == "cut off"


def test_parts_of_a_file_whose_statistics_rule_it_out_are_not_read(shop: Lake) -> None:
    path = f"{shop.fresh_folder('requests')}/part.parquet"
    with shop.store.open(path, "wb") as file:
        pq.write_table(pa.table({"time": range(100), "score": range(100, 200)}), file, row_group_size=10)
    manifest = shop.stage("requests", DAY, [path], {}, "code")
    later = shop.read(manifest, ["score", "time"], where=(field("time") >= 55) & (field("time") < 62))
    assert later.column_names == ["score", "time"]
    assert later["time"].to_pylist() == list(range(50, 70))
    assert shop.read(manifest, where=field("time") > 200).num_rows == 0
    with pytest.raises(KeyError, match="colour"):
        shop.read(manifest, ["time", "colour"])


READS = """
import os, sys
from pyarrow.compute import field
from tidewheel.lake import Lake, Store

shop = Lake("shop", Store(sys.argv[1], {}))
manifest = shop.need("landing", sys.argv[2])
before = len(os.listdir("/proc/self/task"))
for columns, where in ((None, None), (["id"], None), (["id"], field("id") > 20)):
    assert shop.read(manifest, columns, where=where).num_rows
print(before, len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_no_thread_of_arrows_holds_a_file_when_the_process_ends(shop: Lake) -> None:
    published(shop, 1)
    ran = subprocess.run(
        [sys.executable, "-c", READS, shop.store.root, DAY], capture_output=True, text=True, timeout=60, check=True
    )
    before, after = ran.stdout.split()
    assert after == before
