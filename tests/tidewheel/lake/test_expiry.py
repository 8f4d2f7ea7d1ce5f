"""Days that have come of age go as a whole, and an expiry that was killed goes on."""

from __future__ import annotations

from datetime import date
from itertools import count

import pyarrow as pa
import pytest

from tidewheel.errors import LakeError
from tidewheel.lake import Lake
from tidewheel.lake.expiry import expired_batches, expired_inbox, expired_reports, remove_days
from tidewheel.lake.manifest import Manifest

OLD, YOUNG = "2025-01-01", "2025-01-02"
BEFORE = date(2025, 1, 2)
DATASET = "predictions"


def no_day(day: str) -> bool:
    return False


def publish(lake: Lake, day: str, *ids: int) -> Manifest:
    manifest = lake.write_table(DATASET, day, pa.table({"id": pa.array(ids, pa.int64())}), {}, "code")
    lake.publish(manifest)
    return manifest


def left(lake: Lake) -> list[str]:
    return lake.store.find(f"{lake.pipeline}/{DATASET}", "")


def test_all_batches_of_an_old_day_go_and_a_younger_day_is_untouched(lake: Lake) -> None:
    publish(lake, OLD, 1)
    publish(lake, OLD, 1, 2)
    lake.quarantine(lake.write_table(DATASET, OLD, pa.table({"id": [3]}), {}, "code"), "wrong", {})
    lake.quarantine_raw(DATASET, OLD, "orders.json", b"[1, 2", "cut off")
    young = publish(lake, YOUNG, 4)
    (found,) = expired_batches(lake, DATASET, BEFORE, no_day)
    assert (found.day, found.bytes > 0) == (OLD, True)
    assert found.paths[0] == f"shop/{DATASET}/{OLD}/manifest.json", "readers lose the day in one step"
    assert lake.published(DATASET, OLD) is not None, "nothing goes by looking"

    remove_days(lake, [found])
    assert lake.partitions(DATASET) == [YOUNG]
    assert not [path for path in left(lake) if OLD in path]
    assert lake.read(young).num_rows == 1
    assert len(left(lake)) == 3, "the younger day's file and two manifests"
    assert expired_batches(lake, DATASET, BEFORE, no_day) == [], "a second time there is nothing to do"


def test_an_expiry_that_is_killed_after_any_step_goes_on_and_leaves_no_file(lake: Lake) -> None:
    for steps in count():
        publish(lake, OLD, 1)
        publish(lake, OLD, 1, 2)
        (found,) = expired_batches(lake, DATASET, BEFORE, no_day)
        if steps > len(found.paths):
            break
        for path in found.paths[:steps]:
            lake.store.remove(path)
        assert steps == 0 or lake.published(DATASET, OLD) is None
        remove_days(lake, expired_batches(lake, DATASET, BEFORE, no_day))
        assert left(lake) == []


def test_a_day_that_is_needed_stays_and_ranges_and_other_folders_are_no_days(lake: Lake) -> None:
    publish(lake, OLD, 1)
    publish(lake, "2024-01-01..2024-02-01", 1)
    assert expired_batches(lake, DATASET, BEFORE, lambda day: day == OLD) == []


def test_a_file_that_a_younger_day_names_too_stays(lake: Lake) -> None:
    shared = publish(lake, OLD, 1)
    young = shared.model_copy(update={"partition": YOUNG})
    lake.publish(young)
    remove_days(lake, expired_batches(lake, DATASET, BEFORE, no_day))
    assert lake.published(DATASET, OLD) is None
    assert lake.read(lake.need(DATASET, YOUNG)).num_rows == 1


def test_nothing_goes_while_a_manifest_cannot_be_read(lake: Lake) -> None:
    publish(lake, OLD, 1)
    lake.store.replace(f"shop/{DATASET}/{YOUNG}/manifest.json", b"{")
    with pytest.raises(LakeError, match="is no manifest"):
        expired_batches(lake, DATASET, BEFORE, no_day)
    assert lake.published(DATASET, OLD) is not None


def test_of_reports_only_those_of_nightly_monitoring_go(lake: Lake) -> None:
    nightly = ("drift.html", "performance.json", "rows-0123-4567.parquet", "answered-0123.parquet")
    evidence = ("comparison-7.html", "validation-raw.html", "validation-landing.json")
    for day in (OLD, YOUNG):
        for name in (*nightly, *evidence):
            lake.store.replace(f"shop/reports/{day}/{name}", b"x")
    remove_days(lake, expired_reports(lake, BEFORE, no_day))
    assert lake.store.list_folder(f"shop/reports/{OLD}") == sorted(evidence)
    assert lake.store.list_folder(f"shop/reports/{YOUNG}") == sorted((*nightly, *evidence))


def test_shipped_files_of_the_request_log_go_with_their_day(lake: Lake) -> None:
    for day in (OLD, YOUNG):
        lake.store.replace(f"shop/requests/_inbox/{day}/pod.arrow.damaged", b"x")
    remove_days(lake, expired_inbox(lake, BEFORE))
    assert lake.store.find("shop/requests/_inbox", "") == [f"shop/requests/_inbox/{YOUNG}/pod.arrow.damaged"]
