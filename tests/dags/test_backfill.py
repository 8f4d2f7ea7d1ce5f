"""Airflow's own backfill of a pipeline: whole days, both ends included, in Airflow's database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow import settings
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.collection import _get_latest_runs_stmt_partitioned
from airflow.models import DagModel, import_all_models
from airflow.models.backfill import Backfill, InvalidBackfillDate, ReprocessBehavior, _create_backfill, _do_dry_run
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.utils.db import synchronize_log_template
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select, text, update

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG

    from tests.dags.conftest import ReadDags

FEATURES = "orders.features"
UNBOUNDED = TimeRestriction(earliest=None, latest=None, catchup=False)


def midnight(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T00:00:00+00:00")


def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture(scope="session")
def _airflow_tables() -> None:
    """The tables of Airflow's database, without the seconds that its migrations take."""
    import_all_models()
    Base.metadata.create_all(settings.engine)
    synchronize_log_template()
    DagBundlesManager().sync_bundles_to_db()


@pytest.fixture
def airflow_database(_airflow_tables: None) -> Iterator[None]:
    yield
    with settings.engine.begin() as connection:
        connection.execute(text("PRAGMA foreign_keys = OFF"))
        for table in (
            "backfill_dag_run",
            "backfill",
            "task_instance",
            "dag_run",
            "serialized_dag",
            "dag_code",
            "dag_version",
        ):
            connection.execute(text(f"DELETE FROM {table}"))


@pytest.fixture
def backfilled(read_dags: ReadDags, airflow_database: None) -> Backfilled:
    return Backfilled(read_dags)


class Backfilled:
    """The features DAG in Airflow's database, as the DAG processor leaves it there."""

    def __init__(self, read_dags: ReadDags, schedule: str = "0 3 * * *") -> None:
        from airflow.models.serialized_dag import SerializedDagModel

        dag = read_dags(f'schedule: "{schedule}"\n').dags[FEATURES]
        with create_session() as session:
            if session.get(DagModel, FEATURES) is None:
                session.add(DagModel(dag_id=FEATURES, bundle_name="dags-folder", fileloc=dag.fileloc))
                session.flush()
            SerializedDagModel.write_dag(LazyDeserializedDAG.from_dag(dag), bundle_name="dags-folder", session=session)
        self.dag: SerializedDAG = DagSerialization.from_dict(DagSerialization.to_dict(dag))

    def create(self, first: str, last: str, reprocess: str = "none", **conf: Any) -> None:
        """As `airflow backfill create`, the UI and the API do."""
        _create_backfill(
            dag_id=FEATURES,
            from_date=midnight(first),
            to_date=midnight(last),
            max_active_runs=1,
            reverse=False,
            dag_run_conf=conf or None,
            triggering_user_name="admin",
            reprocess_behavior=ReprocessBehavior(reprocess),
        )
        with create_session() as session:
            session.execute(update(Backfill).values(completed_at=datetime.now(UTC)))

    def night(self, day: str, state: DagRunState) -> None:
        """A nightly run of a day, made as the scheduler makes it."""
        before = DagRunInfo(midnight(day) + timedelta(hours=3), None, midnight(day) - timedelta(hours=21), "before")
        info = self.dag.timetable.next_dagrun_info_v2(last_dagrun_info=before, restriction=UNBOUNDED)
        assert info is not None
        assert info.partition_key == day
        with create_session() as session:
            self.dag.create_dagrun(
                run_id=f"scheduled__{day}",
                run_after=info.run_after,
                partition_key=info.partition_key,
                partition_date=info.partition_date,
                run_type=DagRunType.SCHEDULED,
                triggered_by=DagRunTriggeredByType.TIMETABLE,
                state=state,
                session=session,
            )

    @property
    def days(self) -> list[str]:
        """The days of the backfill's runs."""
        query = select(DagRun.partition_key).where(DagRun.run_type == DagRunType.BACKFILL_JOB).order_by(DagRun.id)
        with create_session() as session:
            return [str(key) for key in session.scalars(query)]

    def next_night(self) -> DagRunInfo:
        """What the DAG processor plans after what is in the database."""
        with create_session() as session:
            last = session.scalar(_get_latest_runs_stmt_partitioned(FEATURES))
            info = DagRunInfo(last.run_after, None, last.partition_date, last.partition_key)
        planned = self.dag.timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=UNBOUNDED)
        assert planned is not None
        return planned


@pytest.mark.parametrize("schedule", ["0 3 * * *", "30 23 * * *", "0 0 * * *"])
@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2024-02-27", "2024-03-01", ["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01"]),
        ("2024-02-29", "2024-02-29", ["2024-02-29"]),
        ("2023-12-31", "2024-01-01", ["2023-12-31", "2024-01-01"]),
    ],
)
def test_a_backfill_has_a_run_for_each_day_the_first_and_the_last_included(
    read_dags: ReadDags, airflow_database: None, schedule: str, first: str, last: str, days: list[str]
) -> None:
    backfilled = Backfilled(read_dags, schedule)
    backfilled.create(first, last)
    assert backfilled.days == days


def test_the_dry_run_names_the_same_days_and_any_time_of_a_day_means_the_day(backfilled: Backfilled) -> None:
    with create_session() as session:
        said = _do_dry_run(
            dag_id=FEATURES,
            from_date=datetime(2024, 3, 1, 22, tzinfo=UTC),
            to_date=datetime(2024, 3, 3, 1, tzinfo=UTC),
            reverse=False,
            reprocess_behavior=ReprocessBehavior.NONE,
            session=session,
        )
        assert [info.partition_key for info in said] == ["2024-03-01", "2024-03-02", "2024-03-03"]


@pytest.mark.parametrize(
    ("reprocess", "days"),
    [
        ("none", ["2024-03-01", "2024-03-04"]),
        ("failed", ["2024-03-01", "2024-03-03", "2024-03-04"]),
        ("completed", ["2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"]),
    ],
)
def test_days_that_the_nights_have_run_are_run_again_as_far_as_was_asked(
    backfilled: Backfilled, reprocess: str, days: list[str]
) -> None:
    backfilled.night("2024-03-02", DagRunState.SUCCESS)
    backfilled.night("2024-03-03", DagRunState.FAILED)
    backfilled.create("2024-03-01", "2024-03-04", reprocess)
    assert backfilled.days == days


@pytest.mark.parametrize("ahead", [1, 2, 40])
def test_a_backfill_of_days_to_come_is_refused_with_the_last_day_that_is_over(
    backfilled: Backfilled, ahead: int
) -> None:
    with pytest.raises(InvalidBackfillDate, match=f"has not begun: .* is {today() - timedelta(days=1)}"):
        backfilled.create(str(today() - timedelta(days=2)), str(today() + timedelta(days=ahead)))
    assert backfilled.days == []


def test_a_day_that_is_not_over_starts_at_once_and_its_night_comes_all_the_same(backfilled: Backfilled) -> None:
    backfilled.create(str(today()), str(today()), unfinished=True)
    assert backfilled.days == [str(today())]
    with create_session() as session:
        run = session.scalar(select(DagRun).where(DagRun.dag_id == FEATURES))
        assert run.run_after <= datetime.now(UTC)
        assert run.conf == {"unfinished": True}
    assert backfilled.next_night().partition_key == str(today())


def test_a_backfill_of_an_old_year_does_not_call_for_all_nights_since_then(backfilled: Backfilled) -> None:
    backfilled.create("2013-01-01", "2013-01-03")
    assert backfilled.next_night().run_after > datetime.now(UTC) - timedelta(days=1)


def test_after_a_backfill_of_older_days_the_nights_go_on_after_the_last_one(backfilled: Backfilled) -> None:
    backfilled.night("2024-03-02", DagRunState.SUCCESS)
    backfilled.create("2013-01-01", "2013-01-03")
    assert backfilled.next_night().partition_key == "2024-03-03"
