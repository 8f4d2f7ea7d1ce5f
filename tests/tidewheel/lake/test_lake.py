"""The lake: what is staged, published, quarantined and read, on a folder and on S3."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tidewheel.errors import LakeError
from tidewheel.lake import Lake, Manifest, Store

DAY, NEXT = "2026-11-21", "2026-11-22"


def orders(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "amount": pa.array([i / 2 for i in ids], pa.float64())})


def staged(lake: Lake, table: pa.Table, partition: str = DAY, dataset: str = "landing") -> Manifest:
    return lake.write_table(dataset, partition, table, {}, "code")


def published(lake: Lake, table: pa.Table, partition: str = DAY) -> Manifest:
    manifest = staged(lake, table, partition)
    lake.publish(manifest)
    return manifest


def test_a_staged_batch_is_invisible_until_it_is_published(lake: Lake) -> None:
    manifest = staged(lake, orders(1, 2))
    assert lake.published("landing", DAY) is None
    assert lake.partitions("landing") == []
    assert lake.manifest("landing", DAY, manifest.content_hash) == manifest

    lake.publish(manifest)

    assert lake.published("landing", DAY) == manifest
    assert lake.partitions("landing") == [DAY]
    assert lake.read(manifest).equals(orders(1, 2))


def test_a_manifest_names_files_rows_columns_inputs_and_code(lake: Lake) -> None:
    raw = published(lake, orders(1, 2, 3))

    manifest = lake.write_table("features", DAY, orders(1, 2), {raw.key: raw.content_hash}, "abc123-dirty")

    [file] = manifest.files
    assert (manifest.rows, file.rows, len(file.sha256)) == (2, 2, 64)
    assert manifest.columns == {"id": "int64", "amount": "double"}
    assert manifest.inputs == {"landing/2026-11-21": raw.content_hash}
    assert manifest.code_version == "abc123-dirty"
    assert lake.store.sha256(f"shop/features/{file.path}") == (file.sha256, file.bytes)


def test_publishing_another_batch_replaces_the_first_whose_bytes_stay_nameable(lake: Lake) -> None:
    first = published(lake, orders(1))
    second = published(lake, orders(1, 2))

    assert lake.published("landing", DAY) == second
    assert lake.read(lake.manifest("landing", DAY, first.content_hash)).equals(orders(1))


def test_a_quarantined_batch_is_kept_with_its_reason_and_the_published_one_stays(lake: Lake) -> None:
    good = published(lake, orders(1, 2))
    bad = staged(lake, orders(7, 7))

    url = lake.quarantine(bad, "id 7 stands twice", {"column": "id"})

    assert lake.published("landing", DAY) == good
    path = url.removeprefix(f"{lake.store.root}/")
    record = json.loads(lake.store.read(path) or b"")
    assert (record["reason"], record["details"]) == ("id 7 stands twice", {"column": "id"})
    assert lake.read(Manifest.model_validate(record["manifest"])).equals(orders(7, 7))
    assert lake.partitions("landing") == [DAY]


def test_an_unreadable_source_file_is_kept_untouched_with_its_reason(lake: Lake) -> None:
    url = lake.quarantine_raw("landing", DAY, "orders.csv", b"id,am", "the file ends in the middle of a line")

    path = url.removeprefix(f"{lake.store.root}/")
    assert lake.store.read(path) == b"id,am"
    assert json.loads(lake.store.read(f"{path}.reason.json") or b"")["reason"].startswith("the file ends")


def test_a_file_that_is_refused_again_replaces_no_evidence(lake: Lake) -> None:
    contents = [b"id,am", b"id,amo", b"id,am"]
    urls = [lake.quarantine_raw("landing", DAY, "orders.csv", content, f"{content!r} is cut") for content in contents]

    paths = [url.removeprefix(f"{lake.store.root}/") for url in urls]
    assert [lake.store.read(path) for path in paths] == contents
    assert paths[0] == paths[2] != paths[1]
    reasons = [json.loads(lake.store.read(f"{path}.reason.json") or b"")["reason"] for path in paths]
    assert reasons == [f"{content!r} is cut" for content in contents]
    assert all(path.endswith("-orders.csv") for path in paths)


def test_partitions_are_listed_in_order_and_only_the_published_ones(lake: Lake) -> None:
    published(lake, orders(1), NEXT)
    published(lake, orders(1), DAY)
    staged(lake, orders(1), "2026-11-23")
    lake.quarantine(staged(lake, orders(1), "2026-11-24"), "wrong", {})

    assert lake.partitions("landing") == [DAY, NEXT]
    assert lake.partitions("never written") == []


def test_several_batches_are_read_one_after_the_other_and_only_the_columns_asked_for(lake: Lake) -> None:
    batches = [published(lake, orders(3), NEXT), published(lake, orders(1, 2), DAY)]

    assert lake.read_all(batches, ["id"]).to_pydict() == {"id": [3, 1, 2]}


def test_a_column_that_is_new_on_a_later_day_is_unknown_on_the_earlier_one(lake: Lake) -> None:
    batches = [published(lake, orders(1).drop_columns("amount"), DAY), published(lake, orders(2), NEXT)]

    assert lake.read_all(batches).to_pydict() == {"id": [1, 2], "amount": [None, 1.0]}


def test_spark_gets_the_full_urls_of_a_batch(lake: Lake) -> None:
    manifest = published(lake, orders(1))

    [url] = lake.urls(manifest)

    assert url.startswith(f"{lake.store.root}/shop/landing/_data/")
    assert lake.store.fs.exists(url)


def test_a_batch_of_several_files_counts_all_rows(lake: Lake) -> None:
    folder = lake.fresh_folder("features")
    paths = [f"{folder}/part-{n}.parquet" for n in range(2)]
    for n, path in enumerate(paths):
        with lake.store.open(path, "wb") as file:
            pq.write_table(orders(n), file)

    manifest = lake.stage("features", DAY, paths, {}, "code")

    assert (manifest.rows, len(manifest.files)) == (2, 2)
    assert lake.store.find(folder, ".parquet") == paths
    assert lake.read(manifest).to_pydict()["id"] == [0, 1]


def test_a_missing_batch_says_what_is_there_and_what_to_run(lake: Lake) -> None:
    published(lake, orders(1), DAY)

    with pytest.raises(LakeError, match=f"landing/{NEXT} is not published .newest published: {DAY}.; run the job"):
        lake.need("landing", NEXT)
    with pytest.raises(LakeError, match="newest published: none"):
        lake.need("features", NEXT)
    with pytest.raises(LakeError, match=f"landing/{DAY} never had content 123"):
        lake.manifest("landing", DAY, "123")


def test_a_file_that_was_cut_off_changed_or_lost_is_named(lake: Lake) -> None:
    manifest = published(lake, orders(1, 2, 3))
    path = f"shop/landing/{manifest.files[0].path}"
    content = lake.store.read(path) or b""

    lake.store.replace(path, content[:-5])
    with pytest.raises(LakeError, match=f"{manifest.files[0].path}.*it has .* bytes, not {manifest.files[0].bytes}"):
        lake.read(manifest)

    lake.store.replace(path, b"x" * len(content))
    with pytest.raises(LakeError, match=f"is not what the manifest of landing/{DAY} says"):
        lake.read(manifest)

    lake.store.remove(path)
    with pytest.raises(LakeError, match="restore the file, or make the partition again"):
        lake.read(manifest)


def test_a_changed_byte_is_found_because_every_byte_is_compared(lake: Lake) -> None:
    manifest = published(lake, orders(1, 2, 3))
    assert lake.read(manifest, ["id"]).equals(orders(1, 2, 3).select(["id"]))

    path = f"shop/landing/{manifest.files[0].path}"
    content = lake.store.read(path) or b""
    lake.store.replace(path, content.replace(b"parquet-cpp", b"parquet-cqp"))

    with pytest.raises(LakeError, match=f"{path} is not what the manifest .* its sha256 is"):
        lake.read(manifest)


def test_files_that_are_no_batch_are_not_staged(lake: Lake) -> None:
    folder = lake.fresh_folder("landing")
    with lake.store.open(f"{folder}/a.parquet", "wb") as file:
        pq.write_table(orders(1), file)
    with lake.store.open(f"{folder}/b.parquet", "wb") as file:
        pq.write_table(orders(1).drop_columns("amount"), file)
    with lake.store.open(f"{folder}/c.parquet", "wb") as file:
        file.write(b"PAR1 and then nothing")

    with pytest.raises(LakeError, match=r"b\.parquet has other columns than the files before it: \{'id': 'int64'\}"):
        lake.stage("landing", DAY, [f"{folder}/a.parquet", f"{folder}/b.parquet"], {}, "code")
    with pytest.raises(LakeError, match=r"c\.parquet is not a Parquet file"):
        lake.stage("landing", DAY, [f"{folder}/c.parquet"], {}, "code")
    with pytest.raises(LakeError, match=f"no files to stage for landing/{DAY}"):
        lake.stage("landing", DAY, [], {}, "code")
    with pytest.raises(LakeError, match="no batches to read were named"):
        lake.read_all([])


def test_a_reader_sees_what_another_process_has_written_since(lake: Lake) -> None:
    other = Lake("shop", Store(lake.store.root, lake.store.options))
    assert other.partitions("landing") == []
    assert other.store.list_folder("shop/landing") == []

    manifest = published(lake, orders(1))

    assert other.partitions("landing") == [DAY]
    assert other.published("landing", DAY) == manifest
    assert other.read(manifest).equals(orders(1))


def test_a_file_that_cannot_be_written_is_named() -> None:
    with (
        pytest.raises(OSError, match="No space left on device") as full,
        Store("file:///dev", {}).open("full", "wb") as f,
    ):
        f.write(b"x" * 1_000_000)
    assert full.value.filename == "/dev/full"


def test_removing_what_is_not_there_is_no_error(lake: Lake) -> None:
    lake.store.remove("shop/nothing/at/all")


tables = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20).map(
    lambda ids: pa.table({"id": pa.array(ids, pa.int64())})
)
on_one_folder = hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def folder_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake("shop", Store(f"file://{tmp_path_factory.mktemp('lake')}", {}))


@on_one_folder
@given(tables, tables)
def test_the_same_content_has_the_same_hash_and_other_content_another(
    folder_lake: Lake, one: pa.Table, other: pa.Table
) -> None:
    first = staged(folder_lake, one)
    again = staged(folder_lake, one, NEXT, "elsewhere")

    assert first.content_hash == again.content_hash
    assert (staged(folder_lake, other).content_hash == first.content_hash) == one.equals(other)


@on_one_folder
@given(st.permutations(range(4)))
def test_the_order_in_which_files_were_written_does_not_change_the_hash(folder_lake: Lake, order: list[int]) -> None:
    folder = folder_lake.fresh_folder("features")
    for n in order:
        with folder_lake.store.open(f"{folder}/{n}.parquet", "wb") as file:
            pq.write_table(orders(n), file)

    forwards = folder_lake.stage("features", DAY, [f"{folder}/{n}.parquet" for n in range(4)], {}, "code")
    shuffled = folder_lake.stage("features", DAY, [f"{folder}/{n}.parquet" for n in order], {}, "code")

    assert forwards.content_hash == shuffled.content_hash


def test_a_renamed_or_retyped_column_is_other_content(folder_lake: Lake) -> None:
    hashes = {
        staged(folder_lake, table).content_hash
        for table in (
            orders(1),
            orders(1).rename_columns(["key", "amount"]),
            orders(1).set_column(0, "id", pa.array([1], pa.int32())),
        )
    }
    assert len(hashes) == 3


def test_the_newest_refusal_of_a_day_is_its_reason(folder_lake: Lake) -> None:
    assert folder_lake.quarantine_reason("landing", DAY) is None
    for hour, content in enumerate([b"first", b"second", b"third"]):
        url = folder_lake.quarantine_raw("landing", DAY, "orders.csv", content, f"{content.decode()} is cut off")
        reason = Path(url.removeprefix("file://") + ".reason.json")
        os.utime(reason, (1e9 + 3600 * hour, 1e9 + 3600 * hour))
    assert folder_lake.quarantine_reason("landing", DAY) == "third is cut off"
