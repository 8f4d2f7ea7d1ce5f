"""Features look back: gaps in what they look back on, and what has been corrected since, are named."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.data.staleness import (
    StaleDay,
    changed_inputs,
    gaps,
    gaps_sentence,
    inputs_of,
    recomputed_sentence,
    stale_after,
    stale_days,
    stale_sentence,
)
from jobs.data.training_data import choose_training_data
from tests.small_models import pipeline as orders
from tidewheel.lake import Lake, Store
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

FIRST = date(2024, 3, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(12)]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Looks back two days; labels are known a day later."""
    found = orders(tmp_path)
    return found.model_copy(
        update={
            "features": found.features.model_copy(update={"look_back_days": 2}),
            "training": found.training.model_copy(update={"minimum_rows": 1, "holdout_days": 2}),
        }
    )


@pytest.fixture
def lake(tmp_path: Path, pipeline: Pipeline) -> Lake:
    """All days landed, and features made from what was published then."""
    lake = Lake(pipeline.name, Store(f"file://{tmp_path}/lake", {}))
    for day in DAYS:
        for dataset in ("landing", "labels"):
            publish(lake, dataset, day)
    for day in DAYS:
        build(lake, pipeline, day)
    return lake


def publish(lake: Lake, dataset: str, day: date, value: int = 0, inputs: dict[str, str] | None = None) -> None:
    table = pa.table({"order_id": [str(day)], "amount": [float(value)], "returned": [value]})
    lake.publish(lake.write_table(dataset, str(day), table, inputs or {}, "test"))


def build(lake: Lake, pipeline: Pipeline, day: date) -> None:
    """What the features job publishes for a day."""
    found = [lake.published(*key.split("/")) for key in inputs_of(pipeline, day)]
    publish(lake, "features", day, inputs={m.key: m.content_hash for m in found if m})


def test_features_look_at_rows_of_the_look_back_and_at_labels_that_were_known(pipeline: Pipeline) -> None:
    assert inputs_of(pipeline, DAYS[2]) == [
        *(f"landing/{day}" for day in DAYS[:3]),
        *(f"labels/{day}" for day in DAYS[:2]),
    ]


def test_a_day_that_was_corrected_makes_the_days_that_look_back_on_it_stale(lake: Lake, pipeline: Pipeline) -> None:
    chosen = choose_training_data(lake, pipeline, as_of=DAYS[-1] + timedelta(days=1))
    assert stale_days(lake, pipeline, chosen) == []

    publish(lake, "landing", DAYS[5], value=1)

    stale = stale_days(lake, pipeline, chosen)
    assert stale == DAYS[5:8]
    told = stale_sentence(pipeline, stale)
    assert "3 of these days" in told
    assert f"run orders.features again from {DAYS[5]} to {DAYS[7]}" in told

    for day in stale:
        build(lake, pipeline, day)
    assert stale_days(lake, pipeline, choose_training_data(lake, pipeline, as_of=chosen.as_of)) == []
    assert stale_sentence(pipeline, []) == ""


def test_labels_that_came_late_make_stale_only_the_days_that_could_have_known_them(
    lake: Lake, pipeline: Pipeline
) -> None:
    publish(lake, "labels", DAYS[5], value=1)
    chosen = choose_training_data(lake, pipeline, as_of=DAYS[-1] + timedelta(days=1))
    assert stale_days(lake, pipeline, chosen) == DAYS[6:8]


def test_a_day_that_was_not_there_and_has_come_since_makes_stale(lake: Lake, pipeline: Pipeline) -> None:
    features = lake.need("features", str(DAYS[5]))
    without = {key: content for key, content in features.inputs.items() if key != f"landing/{DAYS[4]}"}
    built_before_it_came = features.model_copy(update={"inputs": without})
    assert changed_inputs(pipeline, built_before_it_came, without) == []
    assert changed_inputs(pipeline, built_before_it_came, features.inputs) == [f"landing/{DAYS[4]}"]


def test_the_days_after_a_correction_are_found_as_far_as_they_look_back_and_until_they_are_made_again(
    lake: Lake, pipeline: Pipeline
) -> None:
    corrected = PartitionRange(DAYS[5], DAYS[5])
    assert stale_after(lake, pipeline, corrected) == []

    # What the night of a day lands: its rows, and labels of the day before.
    publish(lake, "landing", DAYS[5], value=1)
    publish(lake, "labels", DAYS[4], value=1)
    found = stale_after(lake, pipeline, corrected)
    assert found == [
        StaleDay(DAYS[6], [f"landing/{DAYS[5]}", f"labels/{DAYS[4]}"]),
        StaleDay(DAYS[7], [f"landing/{DAYS[5]}"]),
    ]
    assert recomputed_sentence(found) == (
        f"; 2 later days computed again ({DAYS[6]}, {DAYS[7]}), since they look back on what has changed: "
        f"labels/{DAYS[4]}, landing/{DAYS[5]}"
    )

    build(lake, pipeline, DAYS[6])  # and killed here
    assert [stale.day for stale in stale_after(lake, pipeline, corrected)] == [DAYS[7]]
    build(lake, pipeline, DAYS[7])
    assert stale_after(lake, pipeline, corrected) == []
    assert recomputed_sentence([]) == ""


def test_a_range_that_is_filled_in_before_the_first_night_makes_the_nights_after_it_stale(
    lake: Lake, pipeline: Pipeline
) -> None:
    before = PartitionRange(FIRST - timedelta(days=3), FIRST - timedelta(days=1))
    for day in before.days:
        publish(lake, "landing", day)
    assert [stale.day for stale in stale_after(lake, pipeline, before)] == DAYS[:2]


def test_a_plain_night_looks_at_no_manifest_for_later_days(
    lake: Lake, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Lake, "published")
    assert stale_after(lake, pipeline, PartitionRange(DAYS[-1], DAYS[-1])) == []


def test_gaps_of_the_look_back_are_named_but_not_what_was_before_the_beginning(pipeline: Pipeline) -> None:
    days = PartitionRange(DAYS[3], DAYS[3])
    everything = {*inputs_of(pipeline, DAYS[3])}
    assert gaps(pipeline, days, everything) == []
    assert gaps(pipeline, days, everything - {f"labels/{DAYS[1]}", f"landing/{DAYS[2]}"}) == [
        f"labels/{DAYS[1]}",
        f"landing/{DAYS[2]}",
    ]
    first_night = PartitionRange(DAYS[0], DAYS[0])
    assert gaps(pipeline, first_night, {f"landing/{DAYS[0]}"}) == []
    started = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"start": DAYS[2]})})
    assert gaps(started, days, {f"landing/{DAYS[3]}"}) == [f"labels/{DAYS[2]}", f"landing/{DAYS[2]}"]


def test_a_sentence_names_some_gaps_and_counts_the_others() -> None:
    assert gaps_sentence([]) == ""
    assert "missing: a, b, c and 2 more." in gaps_sentence(["a", "b", "c", "d", "e"])


def test_a_day_on_which_nothing_happened_is_no_gap(pipeline: Pipeline) -> None:
    closed = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"empty_days": "skip"})})
    night = PartitionRange(DAYS[5], DAYS[5])
    there = {f"landing/{DAYS[3]}", f"landing/{DAYS[5]}"}  # nothing of the 4th, and no label of the 3rd

    assert gaps(closed, night, there) == [f"labels/{DAYS[3]}"]
    assert f"landing/{DAYS[4]}" in gaps(pipeline, night, there)
