"""The manifests of many batches at once, of a folder and of an object store."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tidewheel.errors import LakeError
from tidewheel.lake import Lake
from tidewheel.lake.published import READ_AT_ONCE, all_published

HOURS = [f"2026-01-0{day}T{hour:02}" for day in (1, 2) for hour in range(24)]


def test_what_is_published_is_read_by_key_and_what_is_not_is_left_out(lake: Lake) -> None:
    assert len(HOURS) > READ_AT_ONCE
    for number, hour in enumerate(HOURS[:-1]):
        lake.publish(lake.write_table("landing", hour, pa.table({"a": [number]}), {}, ""))
    lake.write_table("landing", HOURS[-1], pa.table({"a": [1]}), {}, "")  # staged, and nobody sees it
    found = all_published(lake, [f"landing/{hour}" for hour in HOURS])
    assert list(found) == [f"landing/{hour}" for hour in HOURS[:-1]]
    assert found == {manifest.key: lake.need("landing", manifest.partition) for manifest in found.values()}


def test_a_manifest_in_the_wrong_place_is_an_error(lake: Lake) -> None:
    lake.publish(lake.write_table("landing", HOURS[0], pa.table({"a": [1]}), {}, ""))
    content = lake.store.read(f"shop/landing/{HOURS[0]}/manifest.json")
    assert content is not None
    lake.store.replace(f"shop/landing/{HOURS[1]}/manifest.json", content)
    with pytest.raises(LakeError, match="in the wrong place"):
        all_published(lake, [f"landing/{hour}" for hour in HOURS[:2]])
