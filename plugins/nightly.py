"""The schedules: a run for each hour, day or week that has ended, and none is lost while the platform is down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo
from airflow.timetables.trigger import CronPartitionTimetable
from pendulum import instance

from tidewheel.errors import UsageError
from tidewheel.hours import start_of
from tidewheel.partitions import DAY, Partitioning, PartitionRange

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
        ends = [self.localize_partition_datetime(end) for end in (earliest, latest)]
        self._refuse_to_come(ends[1], datetime.now(UTC))
        begin, end = map(self.unit.holding, ends)
        for first in PartitionRange(begin, end, self.unit).days:
            midnight = instance(start_of(first))
            night = self._align_to_next(midnight)
            # The moment by which Airflow knows a day again: the same as that of the day's nightly run.
            yield DagRunInfo(
                run_after=midnight,
                data_interval=None,
                partition_date=night,
                partition_key=self._format_key(night),
            )

    def _refuse_to_come(self, latest: datetime, now: datetime) -> None:
        step = DAY if self.unit is Partitioning.WEEK else self.unit  # a backfill names the days of weeks
        last, today = step.holding(latest), step.holding(now)
        if last > today:
            from airflow.models.backfill import InvalidBackfillDate

            raise InvalidBackfillDate(
                f"{last} has not begun: it is {today} (UTC); the last {step} of a backfill that is over is "
                f"{step.before(step.holding(start_of(self.unit.after(self.unit.last_ended(now)))))}"
            )

    def _format_key(self, partition_date: DateTime) -> str:
        return str(self.unit.holding(partition_date.in_timezone(self._timezone)))

    def _decode_partition_date(self, partition_key: str) -> datetime:
        """The moment by which Airflow knows the partition of a run that is started by hand, as of any other run.

        Raises:
            InvalidPartitionKeyError: the key names no partition, or a range of them; hours may be named by their day.
        """
        try:
            named = PartitionRange.parse(partition_key)
            first = named.by(self.unit).first
        except UsageError as error:
            raise InvalidPartitionKeyError(str(error)) from error
        if named.first != named.last:
            raise InvalidPartitionKeyError(
                f"partition {named} is a range: a run's key names one {self.unit}; leave it empty and fill in the form"
            )
        return self._align_to_next(instance(start_of(first)))


class WeeklyTimetable(NightlyTimetable):
    """One run a week for the week before; a backfill is by whole weeks, those of its first and last day included."""

    unit: ClassVar[Partitioning] = Partitioning.WEEK


class HourlyTimetable(NightlyTimetable):
    """One run an hour for the hour before; a backfill is by hours, those of its first and last moment included."""

    unit: ClassVar[Partitioning] = Partitioning.HOUR


TIMETABLES: Mapping[Partitioning, type[NightlyTimetable]] = {
    Partitioning.HOUR: HourlyTimetable,
    Partitioning.DAY: NightlyTimetable,
    Partitioning.WEEK: WeeklyTimetable,
}
