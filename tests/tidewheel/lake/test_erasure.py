"""Rows are erased from every batch: readers see the old or the new, nothing of the rows stays on the disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tidewheel.errors import LakeError
from tidewheel.lake import Lake, Manifest
from tidewheel.lake.erasure import DatasetErasure, erase_rows
from tidewheel.lake.litter import find_litter
from tidewheel.lake.successors import held_by, renew_inputs, successors

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=3)


class Of:
    """Rows of one customer."""

    def __init__(self, customer: str) -> None:
        self.customer = self.digest = customer

    def columns(self, dataset: str) -> list[str]:
        return ["customer"]

    def of(self, dataset: str, table: pa.Table) -> pa.ChunkedArray:
        return pc.fill_null(pc.equal(table["customer"], self.customer), False)


def write(lake: Lake, dataset: str, day: str, customers: str, *, publish: bool = True, **inputs: str) -> Manifest:
    table = pa.table({"customer": list(customers), "amount": [float(ord(c)) for c in customers]})
    named = {key.replace("_", "/"): value for key, value in inputs.items()}
    manifest = lake.write_table(dataset, day, table, named, "code")
    if publish:
        lake.publish(manifest)
    return manifest


def customers(lake: Lake, dataset: str = "landing", day: str = "2026-11-01") -> str:
    return "".join(lake.read(lake.need(dataset, day))["customer"].to_pylist())


def on_disk(lake: Lake, customer: str) -> list[str]:
    """Files anywhere below the lake that hold a customer, or cannot be read."""
    found = []
    for path in lake.store.find("shop", ".parquet"):
        with lake.store.open(path) as opened:
            if customer in pq.read_table(opened)["customer"].to_pylist():
                found.append(path)
    return found


def erase(lake: Lake, customer: str, dataset: str = "landing", *, dry_run: bool = False) -> DatasetErasure:
    return erase_rows(lake, dataset, Of(customer), LATER, dry_run=dry_run)


def test_readers_see_the_other_rows_and_nothing_is_left_on_the_disk(lake: Lake) -> None:
    old = write(lake, "landing", "2026-11-01", "abacb")
    other = write(lake, "landing", "2026-11-02", "cd")

    found = erase(lake, "a")

    assert [(batch.manifest.key, batch.rows, batch.published) for batch in found.batches] == [
        ("landing/2026-11-01", 2, True)
    ]
    assert customers(lake) == "bcb"
    assert lake.need("landing", "2026-11-02") == other
    assert on_disk(lake, "a") == []
    assert found.left == {}
    new = lake.need("landing", "2026-11-01")
    assert (new.rows, new.code_version, new.erased) == (3, "code", None)
    assert successors(lake) == {(old.key, old.content_hash): new.content_hash}
    assert find_litter(lake, LATER, timedelta(days=2)) == []


def test_a_batch_that_is_gone_says_why(lake: Lake) -> None:
    old = write(lake, "landing", "2026-11-01", "abacb")
    erase(lake, "a")

    with pytest.raises(LakeError, match=r"2 of its rows were erased on .* by `tidewheel erase`.*start .* anew"):
        lake.read(lake.manifest("landing", "2026-11-01", old.content_hash))


def test_superseded_and_refused_batches_lose_the_rows_too(lake: Lake) -> None:
    first = write(lake, "landing", "2026-11-01", "ab")
    write(lake, "landing", "2026-11-01", "abc")
    refused = write(lake, "landing", "2026-11-01", "aaz", publish=False)
    lake.quarantine(refused, "two a", {"rows": 2})

    found = erase(lake, "a")

    assert sorted((batch.rows, batch.published) for batch in found.batches) == [(1, False), (1, True), (2, False)]
    assert on_disk(lake, "a") == []
    assert customers(lake) == "bc"
    assert lake.quarantine_reason("landing", "2026-11-01") == "two a"
    replaced = successors(lake)[first.key, first.content_hash]
    assert lake.read(lake.manifest("landing", "2026-11-01", replaced))["customer"].to_pylist() == ["b"]


def test_a_day_that_was_one_persons_alone_is_an_empty_batch(lake: Lake) -> None:
    write(lake, "landing", "2026-11-01", "aa")

    erase(lake, "a")

    assert lake.need("landing", "2026-11-01").rows == 0
    assert customers(lake) == ""


def test_a_dry_run_changes_nothing(lake: Lake) -> None:
    old = write(lake, "landing", "2026-11-01", "ab")
    before = lake.store.find("shop", "")

    assert [batch.rows for batch in erase(lake, "a", dry_run=True).batches] == [1]
    assert (lake.store.find("shop", ""), lake.need("landing", "2026-11-01")) == (before, old)


def test_two_persons_one_after_the_other(lake: Lake) -> None:
    old = write(lake, "landing", "2026-11-01", "abc")
    erase(lake, "a")
    erase(lake, "b")

    assert customers(lake) == "c"
    assert successors(lake)[old.key, old.content_hash] == lake.need("landing", "2026-11-01").content_hash
    without_a = lake.manifest("landing", "2026-11-01", old.content_hash).erased
    assert without_a is not None
    assert held_by(lake, "a", []) == {(old.key, old.content_hash)}
    assert held_by(lake, "b", []) == {(old.key, old.content_hash), (old.key, without_a.successor)}


def test_what_was_computed_from_a_batch_is_not_stale_afterwards(lake: Lake) -> None:
    landed = write(lake, "landing", "2026-11-01", "ab")
    write(lake, "features", "2026-11-02", "b", **{"landing_2026-11-01": landed.content_hash, "labels_x": "1"})
    erase(lake, "a")
    erase(lake, "a", "features")

    assert renew_inputs(lake) == 2  # what is published, and the manifest by its hash

    now = lake.need("landing", "2026-11-01").content_hash
    assert dict(lake.need("features", "2026-11-02").inputs) == {"landing/2026-11-01": now, "labels/x": "1"}
    assert renew_inputs(lake) == 0


def test_files_of_a_killed_job_go_when_they_are_old_and_are_named_while_they_are_young(lake: Lake) -> None:
    path = f"{lake.fresh_folder('landing')}/part-00000.parquet"
    with lake.store.open(path, "wb") as file:
        pq.write_table(pa.table({"customer": ["a"]}), file)

    young = erase_rows(lake, "landing", Of("a"), NOW, dry_run=False)
    assert "run this again when no job runs" in young.left[path]
    assert on_disk(lake, "a") == [path]
    assert erase(lake, "a").files == (path,)
    assert on_disk(lake, "a") == []


def test_files_that_cannot_be_searched_are_named(lake: Lake) -> None:
    keyless = lake.write_table("landing", "2026-11-01", pa.table({"amount": [1.0]}), {}, "code")
    broken = f"{lake.fresh_folder('landing')}/part-00000.parquet"
    lake.store.replace(broken, b"no parquet")

    found = erase(lake, "a")

    assert found.keyless == (f"shop/landing/{keyless.files[0].path}",)
    assert "it cannot be read" in found.left[broken]


def test_an_erasure_that_is_killed_at_any_step_leaves_readable_batches_and_goes_on(
    make_lake: Callable[[], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kill_at in count(1):
        lake = make_lake()
        write(lake, "landing", "2026-11-01", "ab")
        write(lake, "landing", "2026-11-01", "abc")
        refused = write(lake, "landing", "2026-11-02", "az", publish=False)
        lake.quarantine(refused, "it is refused", {})
        steps = count(1)
        with monkeypatch.context() as patch:
            for name in ("replace", "remove", "open"):
                patch.setattr(lake.store, name, _killed(getattr(lake.store, name), kill_at, steps))
            try:
                erase(lake, "a")
            except KeyboardInterrupt:
                killed = True
            else:
                killed = False
        assert customers(lake) in ("abc", "bc")  # the old or the new

        erase(lake, "a")

        assert customers(lake) == "bc"
        assert on_disk(lake, "a") == []
        assert lake.quarantine_reason("landing", "2026-11-02") == "it is refused"
        if not killed:
            assert kill_at > 10
            return


def _killed(method: Callable[..., object], kill_at: int, steps: object) -> Callable[..., object]:
    def call(*args: object, **kwargs: object) -> object:
        if next(steps) == kill_at:  # type: ignore[call-overload]
            raise KeyboardInterrupt
        return method(*args, **kwargs)

    return call
