"""What no manifest names is found and removed, and nothing else, whoever writes meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tidewheel.lake.test_atomicity import assert_whole, start_writer
from tidewheel.errors import LakeError, UsageError
from tidewheel.lake import Lake, Store
from tidewheel.lake.litter import find_litter, remove_litter

DAY = "2026-11-21"
GRACE = timedelta(days=2)


def in_three_days() -> datetime:
    return datetime.now(UTC) + timedelta(days=3)


def orders(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64())})


def half_written(lake: Lake, dataset: str = "landing") -> str:
    """A file of a writer that was killed before it named it."""
    path = f"{lake.fresh_folder(dataset)}/part-00000.parquet"
    lake.store.replace(path, b"PAR1")
    return path


def litter(lake: Lake, now: datetime | None = None) -> list[str]:
    return [file.path for file in find_litter(lake, now or in_three_days(), GRACE)]


def test_only_what_no_manifest_names_is_litter(lake: Lake) -> None:
    superseded = lake.write_table("landing", DAY, orders(1), {}, "code")
    lake.publish(superseded)
    lake.publish(lake.write_table("landing", DAY, orders(1, 2), {}, "code"))
    refused = lake.write_table("landing", DAY, orders(7), {}, "code")
    lake.quarantine(refused, "wrong", {})
    lake.quarantine_raw("landing", DAY, "orders.json", b"[1, 2", "cut off")
    lake.write_table("features", DAY, orders(3), {}, "code")  # staged, and nobody has judged it yet
    killed = [half_written(lake), half_written(lake, "features")]

    assert litter(lake) == sorted(killed)

    remove_litter(lake, find_litter(lake, in_three_days(), GRACE))
    assert litter(lake) == []
    assert lake.read(superseded) == orders(1)
    assert lake.read(refused) == orders(7)
    assert lake.read(lake.need("landing", DAY)) == orders(1, 2)
    assert all(lake.store.list_folder(path.rsplit("/", 1)[0]) == [] for path in killed)


def test_the_first_copy_of_a_batch_that_was_written_twice_is_litter_once_the_second_is_published(lake: Lake) -> None:
    first = lake.write_table("landing", DAY, orders(1), {}, "code")
    lake.publish(first)
    again = lake.write_table("landing", DAY, orders(1), {}, "code")
    assert litter(lake) == []  # the published manifest names the one, the staged the other
    lake.publish(again)
    assert litter(lake) == [f"shop/landing/{first.files[0].path}"]


def test_young_files_belong_to_a_writer_that_has_not_named_them_yet(lake: Lake) -> None:
    half_written(lake)
    assert litter(lake, now=datetime.now(UTC) + timedelta(days=1)) == []
    with pytest.raises(UsageError, match=r"a grace of 0\.5 days may be shorter than a job that runs"):
        find_litter(lake, datetime.now(UTC), timedelta(hours=12))


def test_a_manifest_that_cannot_be_read_stops_everything(lake: Lake) -> None:
    half_written(lake)
    lake.publish(lake.write_table("landing", DAY, orders(1), {}, "code"))
    lake.store.replace(f"shop/landing/{DAY}/manifest.json", b'{"half": ')
    with pytest.raises(LakeError, match=r"manifest\.json is no manifest .* nothing is removed"):
        find_litter(lake, in_three_days(), GRACE)


@pytest.fixture
def folder_lake(tmp_path: Path) -> Lake:
    return Lake("shop", Store(f"file://{tmp_path}", {}))


@pytest.fixture
def aged(folder_lake: Lake) -> Callable[[str], str]:
    """Makes a file three days old."""

    def age(path: str) -> str:
        long_ago = (datetime.now(UTC) - timedelta(days=3)).timestamp()
        os.utime(folder_lake.store.local(path), (long_ago, long_ago))
        return path

    return age


def test_what_a_killed_replacement_leaves_is_litter(folder_lake: Lake, aged: Callable[[str], str]) -> None:
    left = f"shop/landing/{DAY}/manifest.json.{'0' * 32}.tmp"
    Path(folder_lake.store.local(left)).parent.mkdir(parents=True)
    Path(folder_lake.store.local(left)).write_text('{"half": ')
    assert litter(folder_lake, datetime.now(UTC)) == []
    aged(left)
    assert litter(folder_lake, datetime.now(UTC)) == [left]


def test_a_file_that_is_named_while_one_looks_is_no_litter(
    folder_lake: Lake, aged: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = folder_lake
    slow = f"{lake.fresh_folder('landing')}/part-00000.parquet"
    with lake.store.open(slow, "wb") as file:
        pq.write_table(orders(1), file)
    aged(slow)
    look = Store.find_details

    def named_meanwhile(store: Store, folder: str) -> list[tuple[str, int, datetime]]:
        found = look(store, folder)
        lake.publish(lake.stage("landing", DAY, [slow], {}, "code"))
        return found

    monkeypatch.setattr(Store, "find_details", named_meanwhile)
    assert litter(lake, datetime.now(UTC)) == []


def test_a_writer_that_publishes_meanwhile_loses_nothing(folder_lake: Lake, aged: Callable[[str], str]) -> None:
    seen: set[int | None] = {None}
    with start_writer(folder_lake, 0) as writer:
        try:
            while len(seen) < 5:
                assert writer.poll() is None, "the writer has ended"
                killed = aged(half_written(folder_lake))
                found = find_litter(folder_lake, datetime.now(UTC), GRACE)
                assert [file.path for file in found] == [killed]
                remove_litter(folder_lake, found)
                seen.add(assert_whole(folder_lake))
        finally:
            writer.kill()
    assert litter(folder_lake, datetime.now(UTC)) == []
