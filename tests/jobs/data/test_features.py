"""Features from a real Spark: point-in-time correct, the same alone or in a range, and only of what is published."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from jobs.data import batch_writer
from tests.jobs.data import deliveries as transform
from tests.jobs.data.conftest import FIRST, Deliveries, make_deliveries, project, run_job
from tidewheel.errors import LakeError, SpecError
from tidewheel.runs import JobRecord

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.data.feature_inputs import FeatureInputs

pytestmark = [pytest.mark.spark, pytest.mark.slow]

DAYS = [FIRST + timedelta(days=n) for n in range(14)]
RANGE = f"{DAYS[0]}..{DAYS[-1]}"
DELAY = 2


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deliveries]:
    """Two weeks landed and published."""
    folder = tmp_path_factory.mktemp("month")
    with project(folder):
        made = make_deliveries(folder)
        made.put(*DAYS)
        made.publish(run_job(made, "land", RANGE, "all"))
        yield made


@pytest.fixture(scope="module")
def built(month: Deliveries) -> JobRecord:
    """The features of the two weeks, from one Spark run."""
    return run_job(month, "features", RANGE, "all")


def _features(made: Deliveries, record: JobRecord, day: date) -> pd.DataFrame:
    (output,) = [o for o in record.outputs if o.partition == str(day)]
    return made.lake.read(made.lake.manifest("features", str(day), output.content_hash)).to_pandas()


def test_each_day_has_its_rows_once_and_the_declared_columns(month: Deliveries, built: JobRecord) -> None:
    day = _features(month, built, DAYS[3])
    assert day.parcel.tolist() == sorted(month.orders(DAYS[3]).parcel)
    assert day.columns.tolist() == [
        "parcel",
        "ordered_at",
        "weight",
        "late_rate_7d",
        "late_rate_3d",
        "carrier_late_rate_7d",
        "carrier_late_rate_3d",
        "route_late_rate_7d",
        "carrier",
    ]


def test_nothing_is_visible_before_it_is_judged(month: Deliveries, built: JobRecord) -> None:
    assert len(built.outputs) == len(DAYS)
    assert month.lake.partitions("features") == []


def test_a_day_alone_has_the_same_bytes_as_within_a_range(month: Deliveries, built: JobRecord) -> None:
    run_job(month, "land", DAYS[9], "alone")
    (alone,) = run_job(month, "features", DAYS[9], "alone").outputs
    assert alone in built.outputs


def test_rates_are_those_known_on_the_day(month: Deliveries, built: JobRecord) -> None:
    labels = pd.concat(
        month.lake.read(month.lake.need("labels", day)).to_pandas().assign(day=date.fromisoformat(day))
        for day in month.lake.partitions("labels")
    )
    orders = pd.concat(month.orders(day) for day in DAYS)
    known = labels.merge(orders, on="parcel")
    for day in (DAYS[2], DAYS[5], DAYS[13]):
        found = _features(month, built, day).merge(orders[["parcel", "town"]], on="parcel")
        for window in (7, 3):
            newest = day - timedelta(days=DELAY)
            seen = known[(known.day <= newest) & (known.day > newest - timedelta(days=window))]
            overall = seen.late.mean()
            np.testing.assert_allclose(found[f"late_rate_{window}d"], overall)
            expected = [_smoothed(seen[seen.carrier == row.carrier], overall) for row in found.itertuples()]
            np.testing.assert_allclose(found[f"carrier_late_rate_{window}d"], expected)
        seen = known[(known.day <= newest) & (known.day > newest - timedelta(days=7))]
        expected = [
            _smoothed(seen[(seen.carrier == row.carrier) & (seen.town == row.town)], seen.late.mean())
            for row in found.itertuples()
        ]
        np.testing.assert_allclose(found["route_late_rate_7d"], expected)


def _smoothed(rows: pd.DataFrame, overall: float) -> float:
    return float((rows.late.sum() + 5 * overall) / (len(rows) + 5))


def test_rates_are_unknown_while_no_label_is(month: Deliveries, built: JobRecord) -> None:
    for day in DAYS[:DELAY]:
        assert _features(month, built, day)["carrier_late_rate_7d"].isna().all()
    assert _features(month, built, DAYS[DELAY])["carrier_late_rate_7d"].notna().all()


def test_a_manifest_names_the_rows_and_the_matured_labels_it_was_made_from(month: Deliveries, built: JobRecord) -> None:
    (output,) = [o for o in built.outputs if o.partition == str(DAYS[4])]
    inputs = month.lake.manifest("features", str(DAYS[4]), output.content_hash).inputs
    assert list(inputs) == [
        *(f"labels/{day}" for day in DAYS[: 4 - DELAY + 1]),
        *(f"landing/{day}" for day in DAYS[:5]),
    ]


def test_a_transform_sees_only_what_is_published(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS[:2])
    run_job(deliveries, "land", DAYS[0], "staged only")
    with pytest.raises(SystemExit):
        run_job(deliveries, "features", DAYS[0], "staged only")
    with pytest.raises(LakeError, match=f"landing/{DAYS[0]} is not published"):
        deliveries.lake.need("landing", str(DAYS[0]))


def test_a_window_longer_than_the_look_back_is_refused(month: Deliveries, caplog: pytest.LogCaptureFixture) -> None:
    spec = month.folder / "dags" / "deliveries.yaml"
    good = spec.read_text()
    spec.write_text(good.replace("look_back_days: 8", "look_back_days: 7"))
    try:
        with pytest.raises(SystemExit) as ended:
            run_job(month, "features", DAYS[9], "all")
    finally:
        spec.write_text(good)
    assert ended.value.code == SpecError.exit_code
    assert "needs features.look_back_days of at least 8, found 7" in caplog.text


def test_a_night_that_is_missing_in_the_look_back_is_told(
    deliveries: Deliveries, caplog: pytest.LogCaptureFixture
) -> None:
    deliveries.put(*DAYS[:4])
    for day in (DAYS[0], DAYS[1], DAYS[3]):
        deliveries.publish(run_job(deliveries, "land", day, str(day)))
    record = run_job(deliveries, "features", DAYS[3], str(DAYS[3]))
    assert record.figures["look_back_batches_missing"] == 2
    # The night of day 2, which failed, would also have landed the labels of day 0.
    assert f"missing: labels/{DAYS[0]}, landing/{DAYS[2]}." in record.sentence
    assert f"missing: labels/{DAYS[0]}, landing/{DAYS[2]}." in caplog.text


def test_days_with_other_columns_are_brought_together_by_name(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS[:3])
    odd = deliveries.orders(DAYS[1]).drop(columns="weight").assign(weight=range(40), note=None)
    odd.to_parquet(deliveries.source_file(DAYS[1]), index=False)
    days = f"{DAYS[0]}..{DAYS[2]}"
    deliveries.publish(run_job(deliveries, "land", days, "r"))
    record = run_job(deliveries, "features", days, "r")
    assert _features(deliveries, record, DAYS[1]).weight.sum() == sum(range(40))


@pytest.mark.parametrize("spelling", ["late", "Late"])
def test_the_label_of_the_sources_rows_is_not_given_to_the_transform(
    deliveries: Deliveries, spelling: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deliveries.put(FIRST)
    orders = pd.read_parquet(deliveries.source_file(FIRST))
    orders.assign(**{spelling: 1}).to_parquet(deliveries.source_file(FIRST))
    deliveries.publish(run_job(deliveries, "land", FIRST, "one"))
    given: list[list[str]] = []

    def features(inputs: FeatureInputs) -> DataFrame:
        given.append(inputs.rows.columns)
        return transform.features(inputs)

    monkeypatch.setattr("tests.jobs.data.deliveries.noting", features, raising=False)
    declared = deliveries.folder / "dags" / "deliveries.yaml"
    declared.write_text(declared.read_text().replace("deliveries:features", "deliveries:noting"))

    run_job(deliveries, "features", FIRST, "one")

    assert not {"late", "Late"} & set(given[0])
    assert spelling in deliveries.lake.need("landing", str(FIRST)).columns, "its expectations may judge it"
    said = f"the source's rows hold the label column '{spelling}'; it is not given to the transform"
    assert len([record for record in caplog.records if said in record.getMessage()]) == 1


def test_a_large_day_is_several_files_with_the_same_bytes_each_time(
    deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_writer, "ROWS_PER_FILE", 15)
    deliveries.put(DAYS[0])
    deliveries.publish(run_job(deliveries, "land", DAYS[0], "r"))
    first = run_job(deliveries, "features", DAYS[0], "r").outputs
    assert run_job(deliveries, "features", DAYS[0], "r").outputs == first
    manifest = deliveries.lake.manifest("features", str(DAYS[0]), first[0].content_hash)
    assert len(manifest.files) == 3
    assert manifest.rows == 40
