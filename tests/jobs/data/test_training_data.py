"""What a training run may learn from, and what it must not see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.data.training_data import choose_training_data, labelled_rows
from tidewheel.errors import DataRefused, LakeError
from tidewheel.spec import Pipeline, find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

MakeParcels = Callable[..., "Parcels"]


def spec(parcels: Parcels, **training: object) -> Pipeline:
    found = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    return found.model_copy(update={"training": found.training.model_copy(update=training)})


def test_only_days_whose_labels_had_matured_are_used_and_the_newest_are_held_out(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(12)
    chosen = choose_training_data(parcels.lake, spec(parcels), as_of=days[9])
    assert [d.day for d in chosen.holdout] == days[5:8]  # two days' delay: day 7 is the newest known on day 9
    assert [d.day for d in chosen.training] == days[:5]


def test_more_days_are_held_out_only_where_three_times_as_many_are_left(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(22)  # labels of twenty are known
    kept = [len(choose_training_data(parcels.lake, spec(parcels), days[-1], held).holdout) for held in (2, 3, 5, 12)]
    assert kept == [2, 3, 5, 5]


def test_a_window_keeps_the_newest_days(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(15)
    chosen = choose_training_data(parcels.lake, spec(parcels, window_days=4), as_of=days[-1])
    assert [d.day for d in chosen.training] == days[6:10]


def test_too_few_rows_are_refused_in_words_that_say_what_is_there(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(7)
    with pytest.raises(DataRefused) as refused:
        choose_training_data(parcels.lake, spec(parcels), as_of=days[-1])
    assert "240 rows of 2 days to train on as of 2024-01-07" in str(refused.value)
    assert "minimum_rows requires 300" in str(refused.value)


def test_before_anything_is_published_the_refusal_says_so(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    with pytest.raises(DataRefused, match="0 rows of 0 days"):
        choose_training_data(parcels.lake, spec(parcels), as_of=date(2024, 1, 1))


def test_a_day_without_labels_is_left_out_not_taken_for_negative(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(12)
    parcels.publish_day(days[-1] + timedelta(days=1), unlabelled=None)
    parcels.publish_days(3, first=days[-1] + timedelta(days=2))
    chosen = choose_training_data(parcels.lake, spec(parcels), as_of=days[-1] + timedelta(days=30))
    assert days[-1] + timedelta(days=1) not in [d.day for d in (*chosen.training, *chosen.holdout)]


def test_a_row_without_a_label_is_left_out(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(12, unlabelled=20)
    chosen = choose_training_data(parcels.lake, spec(parcels), as_of=days[-1])
    rows = labelled_rows(parcels.lake, spec(parcels), chosen.training)
    assert len(rows) == len(chosen.training) * 100
    assert set(rows["late"]) == {0.0, 1.0}


def test_the_hash_names_the_bytes_and_corrected_data_changes_it(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(12)
    before = choose_training_data(parcels.lake, spec(parcels), as_of=days[-1])
    assert choose_training_data(parcels.lake, spec(parcels), as_of=days[-1]) == before
    parcels.publish_day(days[0], signal=0.5)
    after = choose_training_data(parcels.lake, spec(parcels), as_of=days[-1])
    assert after.data_hash != before.data_hash
    old = labelled_rows(parcels.lake, spec(parcels), before.training[:1])
    new = labelled_rows(parcels.lake, spec(parcels), after.training[:1])
    assert not old.equals(new)  # what was named by hash can still be read


def test_data_that_is_gone_is_named(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(12)
    chosen = choose_training_data(parcels.lake, spec(parcels), as_of=days[-1])
    parcels.lake.store.remove(f"{parcels.name}/features/_data")
    with pytest.raises(LakeError, match="features/2024-01-01"):
        labelled_rows(parcels.lake, spec(parcels), chosen.training)


def test_a_training_refuses_a_file_of_which_a_byte_has_changed(make_parcels: MakeParcels) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(12)
    chosen = choose_training_data(parcels.lake, spec(parcels), as_of=days[-1])
    path = f"{parcels.name}/labels/{parcels.lake.need('labels', str(days[0])).files[0].path}"
    content = parcels.lake.store.read(path) or b""
    parcels.lake.store.replace(path, content.replace(b"parquet-cpp", b"parquet-cqp"))
    with pytest.raises(LakeError, match=f"{path} is not what the manifest of labels/2024-01-01 says: its sha256 is"):
        labelled_rows(parcels.lake, spec(parcels), chosen.training)


def test_days_built_before_a_column_was_added_are_left_out_and_named_where_that_leaves_too_little(
    make_parcels: MakeParcels,
) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(12)
    changed = spec(parcels)
    wider = changed.features.model_copy(update={"numeric": [*changed.features.numeric, "height"]})
    with pytest.raises(DataRefused, match="10 more whose features lack height and must be built again"):
        choose_training_data(parcels.lake, changed.model_copy(update={"features": wider}), as_of=days[-1])


def test_a_training_names_the_days_whose_past_was_corrected_and_what_to_run_again(
    make_parcels: MakeParcels, run_job: Callable[..., JobRecord]
) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(12)
    assert run_job(parcels, "assemble", days[-1], "one", "--force").figures["stale_days"] == 0
    # Features that look back would have been made from labels, which these manifests do not name.
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(file.read_text().replace("unused:unused", "unused:unused\n  look_back_days: 3"))
    again = run_job(parcels, "assemble", days[-1], "two", "--force")
    assert again.figures["stale_days"] == 8  # ten days have matured; on the first two nothing was known
    assert f"run {parcels.name}.features again from {days[2]} to {days[9]}" in again.sentence
