"""What a night finds to have moved: columns, predictions, and the relation of the label to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.jobs.monitoring.conftest import DAY, declare, predict_day
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]


def test_a_shifted_column_stands_out_at_once_and_is_an_alarm_when_confirmed(parcels: Parcels, run_job: RunJob) -> None:
    quiet = run_job(parcels, "monitor", DAY, "quiet")
    assert (quiet.figures["drifted_columns"], quiet.figures["suspected_columns"]) == (0, 0)
    parcels.publish_day(DAY, shift=2.0)
    first = run_job(parcels, "monitor", DAY, "night")
    assert first.figures["suspected_columns"] == 1
    assert "0 of 3 columns drifted, weight " in first.sentence
    for n in (1, 2):
        parcels.publish_day(DAY + timedelta(days=n), shift=2.0)
    second = run_job(parcels, "monitor", DAY + timedelta(days=2), "third")
    assert second.figures["drifted_columns"] == 1
    assert "1 of 3 columns drifted (weight " in second.sentence
    verdict = parcels.ledger.verdicts(parcels.name, Kind.DRIFT)[0]
    assert (verdict.outcome, verdict.inputs["drifted"]) == ("fired", ["weight"])
    assert "50% of the importance" in verdict.sentence
    page = parcels.lake.store.read(second.links["Report"]) or b""
    assert b"<html" in page
    [measured] = [
        r for r in parcels.ledger.figures(parcels.name, "feature_drift", slice="weight") if r.partition == str(DAY)
    ]
    [limit] = [
        r
        for r in parcels.ledger.figures(parcels.name, "feature_drift_limit", slice="weight")
        if r.partition == str(DAY)
    ]
    assert measured.value > max(1, limit.value)


def test_a_column_that_moves_every_day_does_not_stand_out(parcels: Parcels, run_job: RunJob) -> None:
    for n in range(1, 20):
        parcels.publish_day(DAY - timedelta(days=n), shift=2.0 * (-1) ** n)
    parcels.publish_day(DAY, shift=2.0)
    assert run_job(parcels, "monitor", DAY, "night").figures["suspected_columns"] == 0
    parcels.publish_day(DAY, shift=15.0)
    assert run_job(parcels, "monitor", DAY, "night").figures["suspected_columns"] == 1


def test_a_category_that_was_always_there_is_missed(parcels: Parcels, run_job: RunJob) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    for day in days:
        parcels.publish_day(day)
        table = parcels.lake.read(parcels.lake.need("features", str(day)))
        table = table.filter(pc.not_equal(table["carrier"], "slow"))
        parcels.lake.publish(parcels.lake.write_table("features", str(day), table, {}, "test"))
    record = run_job(parcels, "monitor", days[-1], "third")
    assert "slow gone" in record.sentence
    assert record.figures["drifted_columns"] == 1


def test_a_new_category_is_counted_and_stops_nothing(parcels: Parcels, run_job: RunJob) -> None:
    table = parcels.lake.read(parcels.lake.need("features", str(DAY)))
    half = pa.array([n % 2 == 0 for n in range(table.num_rows)])
    carrier = pc.if_else(half, "brand new", table["carrier"])
    table = table.set_column(table.column_names.index("carrier"), "carrier", carrier)
    parcels.lake.publish(parcels.lake.write_table("features", str(DAY), table, {}, "test"))
    record = run_job(parcels, "monitor", DAY, "night")
    [unseen] = parcels.ledger.figures(parcels.name, "unseen_share", slice="carrier")
    assert unseen.value == pytest.approx(0.5, abs=0.03)
    assert record.figures["suspected_columns"] == 1


def test_another_versions_predictions_are_no_reference(parcels: Parcels, run_job: RunJob) -> None:
    for day in range(1, 10):
        predict_day(parcels, date(2024, 1, day), version="3")
    predict_day(parcels, DAY, version="4", spread=9.0)
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["prediction_drift"] is None
    for day in range(7, 10):
        predict_day(parcels, date(2024, 1, day), version="4", spread=0.1)
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["prediction_drift"] > 0.3  # type: ignore[operator]


def test_constant_and_empty_columns_do_not_stop_the_night(parcels: Parcels, run_job: RunJob) -> None:
    for day in (DAY - timedelta(days=2), DAY - timedelta(days=1), DAY):
        table = parcels.lake.read(parcels.lake.need("features", str(day)))
        rows = table.num_rows
        table = table.set_column(table.column_names.index("weight"), "weight", pa.nulls(rows, pa.float64()))
        table = table.set_column(table.column_names.index("distance"), "distance", pa.array([1.0] * rows))
        parcels.lake.publish(parcels.lake.write_table("features", str(day), table, {}, "test"))
    record = run_job(parcels, "monitor", DAY, "night")
    assert (record.figures["compared_columns"], record.figures["drifted_columns"]) == (3, 2)
    missing = parcels.ledger.figures(parcels.name, "missing_share", slice="weight")
    assert [row.value for row in missing] == [1.0]


def test_ten_rows_are_too_few_to_say_that_anything_moved(parcels: Parcels, run_job: RunJob) -> None:
    parcels.publish_day(DAY, rows=10, shift=3.0)
    record = run_job(parcels, "monitor", DAY, "night")
    assert "drift unknown: 10 rows" in record.sentence


def test_a_week_without_data_does_not_stop_the_night_after_it(parcels: Parcels, run_job: RunJob) -> None:
    later = DAY + timedelta(days=8)
    parcels.publish_day(later)
    record = run_job(parcels, "monitor", later, "night")
    assert "0 of 3 columns drifted" in record.sentence
    assert "performance unknown" in record.sentence


def test_a_slice_whose_labels_turn_round_is_an_alarm_within_three_days(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, "monitoring: {minimum_slice_rows: 10}")
    parcels.publish_days(19)
    for n in range(1, 20):
        predict_day(parcels, date(2024, 1, n), spread=2.0)
    for day in (date(2024, 1, 17), date(2024, 1, 18), date(2024, 1, 19)):
        labels = parcels.lake.read(parcels.lake.need("labels", str(day)))
        carrier = parcels.lake.read(parcels.lake.need("features", str(day)))["carrier"]
        turned = pc.if_else(
            pc.fill_null(pc.equal(carrier, "fast"), False), pc.subtract(1, labels["late"]), labels["late"]
        )
        labels = labels.set_column(labels.column_names.index("late"), "late", turned)
        parcels.lake.publish(parcels.lake.write_table("labels", str(day), labels, {}, "test"))
    run_job(parcels, "monitor", "2024-01-04..2024-01-18", "before")  # the labels of a day are known two days later
    outcomes = {n: run_job(parcels, "monitor", date(2024, 1, n), f"night {n}").sentence for n in (19, 20, 21)}
    assert not any("relation" in outcomes[n] for n in (19, 20))
    assert "the label's relation to the features has changed (carrier=fast: excess log-loss +" in outcomes[21]
