"""The partition key that somebody types in Airflow, or sends to its API, for a run of the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.exceptions import InvalidPartitionKeyError
from airflow.serialization.serialized_objects import DagSerialization

if TYPE_CHECKING:
    from airflow.timetables.base import Timetable

    from tests.dags.conftest import ReadDags


def timetable(read_dags: ReadDags, unit: str, schedule: str) -> Timetable:
    """That of the features, as the API server has it."""
    dag = read_dags(f'partition: {unit}\nschedule: "{schedule}"\n').dags["orders.features"]
    return DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable


@pytest.mark.parametrize(
    ("unit", "schedule", "key", "at"),
    [
        ("hour", "10 * * * *", "2026-03-28T05", "2026-03-28T05:10"),
        ("hour", "10 * * * *", "2026-03-28", "2026-03-28T00:10"),
        ("day", "0 3 * * *", "2026-03-28", "2026-03-28T03:00"),
        ("week", "0 3 * * 2", "2026-03-23", "2026-03-24T03:00"),
    ],
)
def test_airflow_knows_a_run_by_hand_by_the_moment_of_its_backfill(
    read_dags: ReadDags, unit: str, schedule: str, key: str, at: str
) -> None:
    scheduled = timetable(read_dags, unit, schedule)
    moment = scheduled.resolve_partition_date(key)
    assert f"{moment:%Y-%m-%dT%H:%M}" == at
    [backfill] = scheduled.iter_partition_dagrun_infos(earliest=moment, latest=moment)
    assert backfill.partition_date == moment


@pytest.mark.parametrize(
    ("unit", "schedule", "key", "message"),
    [
        ("hour", "10 * * * *", "2026-03-28T5", "2026-03-28T5"),
        ("day", "0 3 * * *", "2026-03-28T05", "names hours, and this is done by day"),
        ("day", "0 3 * * *", "2026-03-28..2026-03-29", "names one day; leave it empty and fill in the form"),
        ("week", "0 3 * * 2", "2026-03-24", "by its Monday, 2026-03-23"),
    ],
)
def test_airflow_refuses_a_key_that_names_no_partition(
    read_dags: ReadDags, unit: str, schedule: str, key: str, message: str
) -> None:
    scheduled = timetable(read_dags, unit, schedule)
    with pytest.raises(InvalidPartitionKeyError, match=message):
        scheduled.resolve_partition_date(key)
