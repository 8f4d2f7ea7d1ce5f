"""Landing and its validation: what is staged and published, what is skipped, and what they leave for people to read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from tests.jobs.data.conftest import FIRST, Deliveries, run_job
from tidewheel.errors import ExitCode, SourceError
from tidewheel.ledger import Ledger
from tidewheel.partitions import PartitionRange

DAYS = [FIRST + timedelta(days=n) for n in range(4)]


def test_a_night_lands_its_rows_and_the_labels_that_have_matured(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS)
    record = run_job(deliveries, "land", DAYS[3], "n")
    assert [(o.dataset, o.partition) for o in record.outputs] == [
        ("landing", str(DAYS[3])),
        ("labels", str(DAYS[1])),
    ]
    assert deliveries.lake.partitions("landing") == []


def test_rows_are_sorted_by_key_and_times_are_utc(deliveries: Deliveries) -> None:
    deliveries.put(FIRST)
    (output,) = run_job(deliveries, "land", FIRST, "n").outputs
    table = deliveries.lake.read(deliveries.lake.manifest("landing", str(FIRST), output.content_hash))
    assert table["parcel"].to_pylist() == sorted(table["parcel"].to_pylist())
    assert table.schema.field("ordered_at").type == pa.timestamp("us", "UTC")


def test_a_label_nobody_knows_yet_is_left_out_and_not_negative(deliveries: Deliveries) -> None:
    deliveries.put(FIRST, DAYS[2])
    record = run_job(deliveries, "land", DAYS[2], "n")
    labels = deliveries.lake.read(deliveries.lake.manifest("labels", str(FIRST), record.outputs[1].content_hash))
    assert 0 < labels.num_rows < 40
    assert labels["late"].null_count == 0


def test_labels_in_csv_meet_rows_whose_key_is_a_number(deliveries: Deliveries) -> None:
    deliveries.put(FIRST, DAYS[2])
    for day in (FIRST, DAYS[2]):
        orders = deliveries.orders(day).assign(parcel=range(40))
        orders.to_parquet(deliveries.source_file(day), index=False)
    outcomes = deliveries.folder / "source" / f"outcomes-{FIRST}.csv"
    outcomes.write_text("parcel,late\n00007,1\n8,0\n")
    deliveries.publish(run_job(deliveries, "land", FIRST, "n"))
    deliveries.publish(run_job(deliveries, "land", DAYS[2], "n"))
    assert deliveries.lake.read(deliveries.lake.need("labels", str(FIRST)))["parcel"].to_pylist() == [7, 8]


def test_labels_that_are_written_otherwise_name_the_key_of_their_reader(deliveries: Deliveries) -> None:
    deliveries.put(FIRST, DAYS[2])
    outcomes = deliveries.folder / "source" / f"outcomes-{FIRST}.csv"
    outcomes.write_text("parcel;late\n7;1\n")
    refused = run_job(deliveries, "land", DAYS[2], "n").refused or ""
    assert f"{outcomes}: has one column, 'parcel;late'" in refused
    assert 'set labels.reader.delimiter: ";" (stored in ' in refused


def test_a_day_without_any_label_publishes_no_labels(deliveries: Deliveries) -> None:
    deliveries.put(DAYS[2])
    record = run_job(deliveries, "land", DAYS[2], "n")
    assert [o.dataset for o in record.outputs] == ["landing"]
    assert record.figures["label_days_without_labels"] == 1


def test_a_day_beyond_the_source_is_skipped_by_every_task(deliveries: Deliveries) -> None:
    after = date(2024, 4, 1)
    records = [
        run_job(deliveries, "land", after, "n"),
        run_job(deliveries, "validate", after, "n", "--stage", "raw"),
        run_job(deliveries, "features", after, "n"),
        run_job(deliveries, "validate", after, "n", "--stage", "features"),
    ]
    assert [record.figures["skipped"] for record in records] == [True] * 4
    assert not any(record.outputs for record in records)
    assert records[0].sentence == (
        "skipped: the source of deliveries has 2024-03-01 to 2024-03-31, nothing for 2024-04-01"
    )


def test_a_day_without_rows_is_passed_over_where_the_source_may_have_them(deliveries: Deliveries) -> None:
    _may_be_empty(deliveries)
    deliveries.put(*DAYS)
    for day in DAYS[1:3]:
        deliveries.orders(day).iloc[:0].to_parquet(deliveries.source_file(day), index=False)

    record = run_job(deliveries, "land", f"{DAYS[0]}..{DAYS[3]}", "range")
    nights = [run_job(deliveries, "land", day, "night") for day in DAYS[1:3]]

    assert [o.partition for o in record.outputs if o.dataset == "landing"] == [str(DAYS[0]), str(DAYS[3])]
    assert record.figures["days_without_rows"] == 2
    assert nights[0].figures["skipped"] is True
    # labels of the day before last are known on a day without rows, too
    assert [(o.dataset, o.partition) for o in nights[1].outputs] == [("labels", str(DAYS[0]))]
    assert deliveries.quarantined("landing") == []


def test_on_a_day_without_rows_labels_are_published_and_no_features_are_made(deliveries: Deliveries) -> None:
    _may_be_empty(deliveries)
    deliveries.put(DAYS[0], DAYS[2])
    deliveries.orders(DAYS[2]).iloc[:0].to_parquet(deliveries.source_file(DAYS[2]), index=False)

    run_job(deliveries, "land", DAYS[2], "n")
    run_job(deliveries, "validate", DAYS[2], "n", "--stage", "raw")
    records = [
        run_job(deliveries, "features", DAYS[2], "n"),
        run_job(deliveries, "validate", DAYS[2], "n", "--stage", "features"),
    ]

    assert deliveries.lake.partitions("labels") == [str(DAYS[0])]
    assert [record.figures["skipped"] for record in records] == [True, True]


def _may_be_empty(deliveries: Deliveries) -> None:
    declared = deliveries.folder / "dags" / "deliveries.yaml"
    declared.write_text(declared.read_text().replace("  end: 2024-03-31", "  end: 2024-03-31\n  empty_days: skip"))


def test_a_file_that_is_not_there_yet_fails_the_task_so_that_it_is_tried_again(deliveries: Deliveries) -> None:
    with pytest.raises(SystemExit) as ended:
        run_job(deliveries, "land", FIRST, "n")
    assert ended.value.code == SourceError.exit_code


def test_the_same_source_gives_the_same_content(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS)
    days = f"{DAYS[0]}..{DAYS[3]}"
    assert run_job(deliveries, "land", days, "a").outputs == run_job(deliveries, "land", days, "b").outputs


def test_the_manifest_names_the_source_file_by_hash(deliveries: Deliveries) -> None:
    deliveries.put(FIRST)
    record = run_job(deliveries, "land", FIRST, "n")
    assert list(record.inputs) == [f"source/{deliveries.source_file(FIRST)}"]


def test_validation_leaves_a_page_for_people(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS)
    run_job(deliveries, "land", DAYS[3], "n")
    record = run_job(deliveries, "validate", DAYS[3], "n", "--stage", "raw")
    assert list(record.links) == [f"Validation of landing/{DAYS[3]}", f"Validation of labels/{DAYS[1]}"]
    page = (deliveries.lake.store.read(next(iter(record.links.values()))) or b"").decode()
    for word in ("Published.", "4 of 4 rules hold", "column values to not be null", f"orders-{DAYS[3]}.parquet"):
        assert word in page


def test_a_range_has_one_page_that_leads_to_each_day(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS)
    days = f"{DAYS[0]}..{DAYS[3]}"
    run_job(deliveries, "land", days, "n")
    record = run_job(deliveries, "validate", days, "n", "--stage", "raw")
    (path,) = record.links.values()
    page = (deliveries.lake.store.read(path) or b"").decode()
    for day in DAYS:
        assert f'href="../{day}/validation-landing.html"' in page


def test_a_warning_is_shown_and_refuses_nothing(deliveries: Deliveries) -> None:
    rule = ("expect_column_mean_to_be_between", {"column": "weight", "max_value": 0.1})
    deliveries.suite("raw", [rule], severity="warning")
    deliveries.put(FIRST)
    run_job(deliveries, "land", FIRST, "n")
    record = run_job(deliveries, "validate", FIRST, "n", "--stage", "raw")
    assert record.refused is None
    assert "! warning" in (deliveries.lake.store.read(next(iter(record.links.values()))) or b"").decode()


def test_a_verdict_goes_to_the_ledger(
    deliveries: Deliveries, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", database_url)
    deliveries.put(FIRST)
    run_job(deliveries, "land", FIRST, "n")
    run_job(deliveries, "validate", FIRST, "n", "--stage", "raw")
    (verdict,) = Ledger(database_url).verdicts("deliveries")
    assert (verdict.kind, verdict.outcome, verdict.subject) == ("validation", "passed", f"raw/{FIRST}")


def test_a_missing_suite_is_a_wrong_declaration(deliveries: Deliveries, caplog: pytest.LogCaptureFixture) -> None:
    (deliveries.folder / "expectations" / "deliveries" / "raw.json").unlink()
    deliveries.put(FIRST)
    run_job(deliveries, "land", FIRST, "n")
    with pytest.raises(SystemExit) as ended:
        run_job(deliveries, "validate", FIRST, "n", "--stage", "raw")
    assert ended.value.code == 2
    assert "raw.json: no such file" in caplog.text


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (0, 0, "is not over"),
        (1, 1, "has not begun"),
        (-3, 0, "end the range on"),
        (-3, 5, "has not begun"),
    ],
)
def test_a_day_that_is_not_over_is_refused_unless_somebody_asks_for_what_there_is(
    deliveries: Deliveries, caplog: pytest.LogCaptureFixture, first: int, last: int, said: str
) -> None:
    file = deliveries.folder / "dags" / "deliveries.yaml"
    file.write_text(file.read_text().replace("  end: 2024-03-31\n", ""))
    today = datetime.now(UTC).date()
    days = PartitionRange(today + timedelta(days=first), today + timedelta(days=last))
    deliveries.put(*days.days, *days.back(2).days)
    with pytest.raises(SystemExit) as ended:
        run_job(deliveries, "land", str(days), "r")
    assert ended.value.code == ExitCode.WRONG_USAGE
    assert said in caplog.text
    assert "--unfinished" in caplog.text
    assert deliveries.lake.store.list_folder("deliveries/landing") == []

    assert run_job(deliveries, "land", str(days), "r", "--unfinished").figures["days"] == len(days.days)


def test_a_source_that_has_ended_has_no_unfinished_day(deliveries: Deliveries) -> None:
    deliveries.put(date(2024, 3, 31), date(2024, 3, 29))
    assert run_job(deliveries, "land", f"2024-03-31..{datetime.now(UTC).date()}", "r").figures["days"] == 1
