"""A day that is corrected takes the later days along that look back on it: in one Spark run, and no day too many."""

from __future__ import annotations

import logging
from datetime import date, timedelta

import pytest

from tests.jobs.data.conftest import FIRST, Deliveries, run_job
from tidewheel.runs import JobRecord

pytestmark = [pytest.mark.spark, pytest.mark.slow]

DAYS = [FIRST + timedelta(days=n) for n in range(14)]
RANGE = f"{DAYS[0]}..{DAYS[-1]}"
WRONG = DAYS[3]
LATER = [str(day) for day in DAYS[4:12]]
"""The days that look back on it: eight."""


def correct(made: Deliveries) -> None:
    """Deliver a day again, with every parcel's carrier the other one."""
    orders = made.orders(WRONG)
    orders["carrier"] = orders["carrier"].map({"fast": "slow", "slow": "fast"})
    orders.to_parquet(made.source_file(WRONG), index=False)


def night(made: Deliveries, day: date | str, run_id: str) -> JobRecord:
    """Land and publish a day or a range, and compute its features; returns the record of these."""
    made.publish(run_job(made, "land", day, run_id))
    return run_job(made, "features", day, run_id)


def days_of(record: JobRecord) -> list[str]:
    return [output.partition for output in record.outputs]


def test_what_looks_back_on_a_corrected_day_is_made_again_as_if_nothing_had_been_wrong(
    deliveries: Deliveries, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    deliveries.put(*DAYS)
    deliveries.publish(night(deliveries, RANGE, "history"))
    before = deliveries.hashes("features")
    correct(deliveries)

    record = night(deliveries, WRONG, "again")
    assert days_of(record) == [str(WRONG), *LATER]
    assert record.figures["recomputed"] == ", ".join(LATER)
    assert record.figures["recomputed_because_of"] == f"landing/{WRONG}"
    assert f"8 later days computed again ({', '.join(LATER[:3])} and 5 more)" in record.sentence
    assert f"{LATER[0]}..{LATER[-1]} is computed again: landing/{WRONG} changed since" in caplog.text
    assert deliveries.hashes("features") == before, "nothing is visible before it is judged"

    # Killed after it had published three of them, and given as a range the next time: the others are found.
    for output in record.outputs[:3]:
        deliveries.lake.publish(deliveries.lake.manifest("features", output.partition, output.content_hash))
    rest = night(deliveries, f"{DAYS[2]}..{WRONG}", "range")
    assert days_of(rest) == [str(DAYS[2]), str(WRONG), *LATER[2:]]
    assert set(rest.outputs) & set(record.outputs) == set(record.outputs) - set(record.outputs[1:3])
    deliveries.publish(rest)

    after = deliveries.hashes("features")
    # Labels of the day are known two days later: what was computed again before that came out as it was.
    assert {day for day in after if after[day] != before[day]} == {str(WRONG), *LATER[1:]}
    undisturbed = run_job(deliveries, "features", RANGE, "history")
    assert {output.partition: output.content_hash for output in undisturbed.outputs} == after

    once_more = night(deliveries, WRONG, "once more")
    assert days_of(once_more) == [str(WRONG)]
    assert once_more.figures["recomputed_days"] == 0
    assert "computed again" not in once_more.sentence
