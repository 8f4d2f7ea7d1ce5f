"""A day that is corrected takes the later days along that look back on it: in one Spark run, and no day too many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.jobs.data.conftest import FIRST, Deliveries, make_deliveries, project, run_job
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
    """A run of the features DAG; returns the record of its features."""
    run_job(made, "land", day, run_id)
    run_job(made, "validate", day, run_id, "--stage", "raw")
    return run_job(made, "features", day, run_id)


def validate(made: Deliveries, day: date | str, run_id: str) -> JobRecord:
    return run_job(made, "validate", day, run_id, "--stage", "features")


def made_with(folder: Path, *, corrected: bool) -> Deliveries:
    """Two weeks of published features, of one range."""
    made = make_deliveries(folder)
    made.put(*DAYS)
    if corrected:
        correct(made)
    night(made, RANGE, "all")
    validate(made, RANGE, "all")
    return made


@pytest.fixture(scope="module")
def right_from_the_start(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Content of the features, by day, where nothing ever was wrong."""
    folder = tmp_path_factory.mktemp("right")
    with project(folder):
        return made_with(folder, corrected=True).hashes("features")


@pytest.fixture
def wrong(tmp_path: Path) -> Iterator[Deliveries]:
    """Two weeks with one day that was delivered wrong, and has been corrected in the source since."""
    with project(tmp_path):
        made = made_with(tmp_path, corrected=False)
        correct(made)
        yield made


def test_the_night_that_is_run_again_makes_the_later_days_as_if_nothing_had_been_wrong(
    wrong: Deliveries, right_from_the_start: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    before = wrong.hashes("features")
    record = night(wrong, WRONG, "again")

    assert [output.partition for output in record.outputs] == [str(WRONG), *LATER]
    assert record.figures["recomputed"] == ", ".join(LATER)
    assert record.figures["recomputed_because_of"] == f"landing/{WRONG}"
    assert f"8 later days computed again ({', '.join(LATER[:3])} and 5 more)" in record.sentence
    assert f"{LATER[0]} is computed again: landing/{WRONG} changed since" in caplog.text
    assert wrong.hashes("features") == before, "nothing is visible before it is judged"

    # Killed after it had published two days, and begun again from the start: the others are found.
    for output in record.outputs[:3]:
        wrong.lake.publish(wrong.lake.manifest("features", output.partition, output.content_hash))
    again = night(wrong, WRONG, "again")
    assert [output.partition for output in again.outputs] == [str(WRONG), *LATER[2:]]
    assert validate(wrong, WRONG, "again").outputs == again.outputs

    after = wrong.hashes("features")
    assert after == right_from_the_start
    # Labels of the day are known two days later: what was computed again before that came out as it was.
    assert {day for day in after if after[day] != before[day]} == {str(WRONG), *LATER[1:]}

    once_more = night(wrong, WRONG, "once more")
    assert [output.partition for output in once_more.outputs] == [str(WRONG)]
    assert once_more.figures["recomputed_days"] == 0
    assert "computed again" not in once_more.sentence


def test_a_range_takes_along_those_days_after_it_that_have_not_seen_the_correction(
    wrong: Deliveries, right_from_the_start: dict[str, str]
) -> None:
    # Published out of order: one of the later days has seen the correction already.
    night(wrong, f"{DAYS[2]}..{WRONG}", "land only")
    early = run_job(wrong, "features", LATER[4], "land only")
    wrong.publish(early)
    record = run_job(wrong, "features", f"{DAYS[2]}..{WRONG}", "land only")
    done = {output.partition for output in early.outputs}
    assert [output.partition for output in record.outputs] == [
        *(str(DAYS[2]), str(WRONG)),
        *(day for day in LATER if day not in done),
    ]
    wrong.publish(record)
    assert wrong.hashes("features") == right_from_the_start
