"""Bad input: refused at the right task, with a reason that names file, column and rule, and nothing else touched."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from tests.jobs.data.conftest import FIRST, Deliveries, run_job

NEXT = FIRST + timedelta(days=1)

Breaks = Callable[[pd.DataFrame], pd.DataFrame]


def _nulls(orders: pd.DataFrame) -> pd.DataFrame:
    orders.loc[orders.index < 0.3 * len(orders), "weight"] = np.nan
    return orders


BROKEN: dict[str, tuple[Breaks, str, list[str]]] = {
    "missing key column": (lambda o: o.drop(columns="parcel"), "land", ["'parcel'", "missing"]),
    "renamed key column": (
        lambda o: o.rename(columns={"parcel": "parcels"}),
        "land",
        ["'parcel'", "missing", "did you mean 'parcels'"],
    ),
    "missing column": (lambda o: o.drop(columns="weight"), "validate", ["weight", "expect_column_to_exist"]),
    "renamed column": (
        lambda o: o.rename(columns={"weight": "wieght"}),
        "validate",
        ["weight", "expect_column_to_exist"],
    ),
    "changed type of the event time": (
        lambda o: o.assign(ordered_at=range(len(o))),
        "land",
        ["'ordered_at'", "int64", "timestamp"],
    ),
    "text where times were": (lambda o: o.assign(ordered_at="soon"), "land", ["'ordered_at'", "soon", "timestamp"]),
    "changed type": (
        lambda o: o.assign(weight="heavy"),
        "land",
        ["column 'weight'", "for example 'heavy'", "held numbers (double)", "source.types: {weight: text}"],
    ),
    "empty": (lambda o: o.iloc[:0], "land", ["no rows", "at least one row"]),
    "duplicate keys": (
        lambda o: pd.concat([o, o.iloc[:2]]),
        "land",
        ["parcel", "2 keys occur more than once", "a key names one row"],
    ),
    "key without a value": (lambda o: o.assign(parcel=None), "land", ["'parcel'", "every row has a key"]),
    "dates outside the partition": (
        lambda o: o.assign(ordered_at=o.ordered_at + timedelta(days=1)),
        "land",
        ["'ordered_at'", "40 of 40 rows lie outside 2024-03-02", "its own day"],
    ),
    "nulls where none are allowed": (
        _nulls,
        "validate",
        ["column weight", "12 of 40 rows (30.0%)", "expect_column_values_to_not_be_null"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_and_kept_and_its_correction_goes_through(deliveries: Deliveries, case: str) -> None:
    breaks, task, words = BROKEN[case]
    deliveries.put(FIRST)
    _publish_night(deliveries, FIRST)
    before = deliveries.hashes("landing")
    deliveries.put(NEXT)
    good = deliveries.source_file(NEXT).read_bytes()
    breaks(deliveries.orders(NEXT)).to_parquet(deliveries.source_file(NEXT), index=False)

    refused = _refused_at(deliveries, task)

    for word in [f"orders-{NEXT}.parquet", *words]:
        assert word in (refused or "")
    assert deliveries.hashes("landing") == before
    assert deliveries.quarantined("landing")

    deliveries.source_file(NEXT).write_bytes(good)
    _publish_night(deliveries, NEXT)
    assert deliveries.lake.need("landing", str(NEXT)).rows == 40


@pytest.mark.parametrize("length", [0, 300], ids=["no bytes at all", "cut short"])
def test_a_truncated_file_goes_to_quarantine_as_it_is(deliveries: Deliveries, length: int) -> None:
    deliveries.put(NEXT)
    file = deliveries.source_file(NEXT)
    cut = file.read_bytes()[:length]
    file.write_bytes(cut)

    record = run_job(deliveries, "land", NEXT, "n")

    assert f"{file}: not a complete parquet file ({length} bytes)" in (record.refused or "")
    kept, reason = deliveries.quarantined("landing")
    assert kept.startswith(f"deliveries/landing/_quarantine/{NEXT}/")
    assert kept.endswith(f"-{file.name}")
    assert deliveries.lake.store.read(kept) == cut
    assert b"not a complete parquet file" in (deliveries.lake.store.read(reason) or b"")
    assert deliveries.hashes("landing") == {}


BROKEN_LABELS: dict[str, tuple[tuple[str, str], list[str]]] = {
    "missing column": (("late", "later"), ["'late'", "missing", "did you mean 'later'"]),
    "text": ((",1\n", ",yes\n"), ["'late' holds string", "a label is a number"]),
    "neither 0 nor 1": ((",1\n", ",7\n"), ["'late'", "for example 7", "a classification is 0 or 1"]),
    "key without a value": ((f"{FIRST}-00000", ""), ["'parcel'", "every row has a key"]),
    "duplicate keys": ((f"{FIRST}-00001", f"{FIRST}-00000"), ["parcel", "1 keys occur more than once"]),
}


@pytest.mark.parametrize("case", BROKEN_LABELS)
def test_broken_labels_are_refused_when_landed_and_kept(deliveries: Deliveries, case: str) -> None:
    change, words = BROKEN_LABELS[case]
    day = FIRST + timedelta(days=2)
    deliveries.put(FIRST, day)
    outcomes = deliveries.folder / "source" / f"outcomes-{FIRST}.csv"
    outcomes.write_text(outcomes.read_text().replace(*change))
    refused = run_job(deliveries, "land", day, "n").refused or ""
    for word in [outcomes.name, *words]:
        assert word in refused
    assert deliveries.quarantined("labels")
    assert deliveries.hashes("labels") == {}


def test_a_day_that_is_landed_again_and_refused_keeps_what_was_published(deliveries: Deliveries) -> None:
    deliveries.put(FIRST)
    _publish_night(deliveries, FIRST)
    before = deliveries.hashes("landing")
    _nulls(deliveries.orders(FIRST)).to_parquet(deliveries.source_file(FIRST), index=False)
    assert run_job(deliveries, "land", FIRST, "again").refused is None
    assert run_job(deliveries, "validate", FIRST, "again", "--stage", "raw").refused
    assert deliveries.hashes("landing") == before


def test_days_that_are_bad_for_the_same_reason_are_told_at_once_and_others_apart(deliveries: Deliveries) -> None:
    days = [FIRST + timedelta(days=n) for n in range(6)]
    deliveries.put(*days)
    for day in (days[1], days[2], days[4]):
        deliveries.orders(day).drop(columns="parcel").to_parquet(deliveries.source_file(day))
    deliveries.orders(days[5]).drop(columns="ordered_at").to_parquet(deliveries.source_file(days[5]))
    refused = run_job(deliveries, "land", f"{days[0]}..{days[5]}", "r").refused or ""
    same, other = refused.splitlines()
    assert f"3 of 6 days failed for the same reason ({days[1]}..{days[2]}, {days[4]}); on {days[1]}: " in same
    assert f"orders-{days[1]}.parquet: column 'parcel' is missing" in same
    assert f"orders-{days[5]}.parquet: column 'ordered_at' is missing" in other
    assert len(deliveries.quarantined("landing")) >= 4  # each day's own file is kept


def test_batches_that_break_the_same_rules_are_told_at_once(deliveries: Deliveries) -> None:
    days = [FIRST + timedelta(days=n) for n in range(5)]
    deliveries.put(*days)
    for day in days[:3]:
        deliveries.orders(day).assign(carrier=f"new {day}").to_parquet(deliveries.source_file(day))
    _nulls(deliveries.orders(days[3])).to_parquet(deliveries.source_file(days[3]))
    run_job(deliveries, "land", f"{days[0]}..{days[4]}", "r")
    refused = run_job(deliveries, "validate", f"{days[0]}..{days[4]}", "r", "--stage", "raw").refused or ""
    same, other = refused.splitlines()
    assert f"3 of 5 days failed for the same reason ({days[0]}..{days[2]}); landing/{days[0]} (from " in same
    assert "column carrier: 40 of 40 rows (100.0%) break the rule" in same
    assert f"landing/{days[3]} (from " in other


def test_a_range_logs_no_line_a_day(deliveries: Deliveries, caplog: pytest.LogCaptureFixture) -> None:
    days = [FIRST + timedelta(days=n) for n in range(12)]
    deliveries.put(*days)
    caplog.set_level(logging.INFO)
    span = f"{days[0]}..{days[-1]}"
    run_job(deliveries, "land", span, "r")
    run_job(deliveries, "validate", span, "r", "--stage", "raw")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("tidewheel")]
    told = [
        line for line in ours if not re.search(r": \d+ of \d+ (days|batches)$", line)
    ]  # progress, on a slow machine
    assert len(told) == 2, told


def test_a_refused_day_is_told_even_where_another_is_not_there(deliveries: Deliveries) -> None:
    days = [FIRST + timedelta(days=n) for n in range(3)]
    deliveries.put(days[0])
    deliveries.orders(days[1]).drop(columns="parcel").to_parquet(deliveries.source_file(days[1]))
    refused = run_job(deliveries, "land", f"{days[0]}..{days[2]}", "r").refused or ""
    assert f"orders-{days[1]}.parquet: column 'parcel' is missing" in refused
    assert f"orders-{days[2]}.parquet: no such file" in refused


def _refused_at(deliveries: Deliveries, task: str) -> str | None:
    landed = run_job(deliveries, "land", NEXT, "night")
    if task == "land":
        return landed.refused
    assert landed.refused is None
    return run_job(deliveries, "validate", NEXT, "night", "--stage", "raw").refused


def _publish_night(deliveries: Deliveries, day: date) -> None:
    assert run_job(deliveries, "land", day, "night").refused is None
    assert run_job(deliveries, "validate", day, "night", "--stage", "raw").refused is None
