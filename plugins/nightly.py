"""The schedules: a run for each day or week that has ended, and none is lost while the platform is down."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, ClassVar

from airflow.timetables.base import DagRunInfo
from airflow.timetables.trigger import CronPartitionTimetable
from pendulum import instance

from tidewheel.partitions import Partitioning, PartitionRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow.timetables.base import TimeRestriction
    from pendulum import DateTime


class NightlyTimetable(CronPartitionTimetable):
    """One run a night for the day before; Airflow's backfills are by whole days, both ends included.

    The scheduler goes on with the night after the last one, however long ago that was; without a last one, with the
    next night. Airflow's own `catchup` wants a start date and begins there, so a new pipeline would first play every
    night since then; without `catchup` it forgets the nights on which no scheduler ran, and a forgotten night is a day
    of rows and labels that nobody lands.
    """

    unit: ClassVar[Partitioning] = Partitioning.DAY

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The night to run next."""
        day = last_dagrun_info.partition_date if last_dagrun_info else None
        # A run of the schedule comes one night after the moment that its day is known by, a backfill's never.
        if last_dagrun_info is None or day is None or last_dagrun_info.run_after > day:
            return super().next_dagrun_info_v2(
                last_dagrun_info=last_dagrun_info, restriction=restriction._replace(catchup=True)
            )
        # Airflow counts a backfill as the last night. Of an old year it must not call for all nights since then.
        night = last_dagrun_info._replace(run_after=day)
        return super().next_dagrun_info_v2(
            last_dagrun_info=night, restriction=restriction._replace(catchup=False, earliest=None)
        )

    def iter_partition_dagrun_infos(self, *, earliest: datetime, latest: datetime) -> Iterable[DagRunInfo]:
        """The partitions of a backfill, those of the first and the last day included, whatever their time of day.

        A day that is not over is among them: its run asks whether that is intended, which a timetable cannot see.

        Raises:
            InvalidBackfillDate: a day has not begun.
        """
        days = [self.localize_partition_datetime(end).date() for end in (earliest, latest)]
        if (last := days[1]) > (today := datetime.now(UTC).date()):
            from airflow.models.backfill import InvalidBackfillDate

            raise InvalidBackfillDate(
                f"{last} has not begun: it is {today} (UTC); the last day of a backfill that is over is "
                f"{self.unit.after(self.unit.last_ended(today)) - timedelta(days=1)}"
            )
        begin, end = map(self.unit.holding, days)
        for first in PartitionRange(begin, end, self.unit).days:
            midnight = instance(datetime.combine(first, time(), UTC))
            night = self._align_to_next(midnight)
            # The moment by which Airflow knows a day again: the same as that of the day's nightly run.
            yield DagRunInfo(
                run_after=midnight,
                data_interval=None,
                partition_date=night,
                partition_key=self._format_key(night),
            )

    def _format_key(self, partition_date: DateTime) -> str:
        return str(self.unit.holding(partition_date.in_timezone(self._timezone).date()))


class WeeklyTimetable(NightlyTimetable):
    """One run a week for the week before; a backfill is by whole weeks, those of its first and last day included."""

    unit: ClassVar[Partitioning] = Partitioning.WEEK


TIMETABLES: Mapping[Partitioning, type[NightlyTimetable]] = {
    Partitioning.DAY: NightlyTimetable,
    Partitioning.WEEK: WeeklyTimetable,
}
