"""The nightly schedule: one run a night for the day that has ended, and none is lost while the platform is down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.timetables.trigger import CronPartitionTimetable

if TYPE_CHECKING:
    from airflow.timetables.base import DagRunInfo, TimeRestriction


class NightlyTimetable(CronPartitionTimetable):
    """Goes on with the night after the last one, however long ago that was; without a last one, with the next night.

    Airflow's own `catchup` wants a start date and begins there, so a new pipeline would first play every night since
    then; without `catchup` it forgets the nights on which no scheduler ran, and a forgotten night is a day of rows and
    labels that nobody lands.
    """

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The night to run next."""
        return super().next_dagrun_info_v2(
            last_dagrun_info=last_dagrun_info, restriction=restriction._replace(catchup=True)
        )
