"""What a pipeline file says is what its DAGs do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.models.backfill import InvalidBackfillDate
from airflow.sdk import DAG, AssetOrTimeSchedule, PartitionedAssetTimetable, TriggerRule
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from airflow.sdk.module_loading import import_string
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo, TimeRestriction
from pendulum import instance

from plugins.nightly import HourlyTimetable, NightlyTimetable, WeeklyTimetable
from plugins.operators.decisions import AnnounceDays
from plugins.watcher import ChampionTrigger
from tests.dags.tasks_of import chain_of, command, given, outlets, watched
from tests.pipelines import PIPELINE_FILE

if TYPE_CHECKING:
    from tests.dags.conftest import ReadDags


def test_features_are_landed_judged_made_judged_and_announced(read_dags: ReadDags) -> None:
    dag = read_dags().dags["orders.features"]
    assert chain_of(dag) == ["land", "validate_raw", "features", "validate_features", "announce"]
    assert outlets(dag) == {"announce": "orders.features"}
    assert command(dag, "validate_raw") == ["--stage=raw"]
    assert command(dag, "validate_features") == ["--stage=features"]


def test_a_range_of_years_has_the_time_it_takes(read_dags: ReadDags) -> None:
    dag = read_dags().dags["orders.features"]
    limits = {task.execution_timeout for task in dag.tasks if hasattr(task, "job_options")}
    assert limits == {timedelta(hours=6)}


def test_every_job_gets_the_same_days_and_the_runs_own_id(read_dags: ReadDags) -> None:
    for dag in read_dags().dags.values():
        for task in dag.tasks:
            if hasattr(task, "job_options"):
                assert given(dag, task.task_id)["run_id"] == "{{ run_id }}"
                assert given(dag, task.task_id)["pipeline"] == "orders"
        days = {task.job_options["partition"] for task in dag.tasks if hasattr(task, "job_options")}
        assert len(days) == 1, dag.dag_id


def test_the_nightly_run_is_for_the_day_before(read_dags: ReadDags) -> None:
    dag = read_dags('schedule: "30 23 * * *"\n').dags["orders.features"]
    assert isinstance(dag.timetable, NightlyTimetable)
    scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    night = scheduled.next_dagrun_info_v2(
        last_dagrun_info=None,
        restriction=TimeRestriction(earliest=datetime(2030, 3, 1, tzinfo=UTC), latest=None, catchup=True),
    )
    assert night is not None
    assert (night.run_after.isoformat(), night.partition_key) == ("2030-03-01T23:30:00+00:00", "2030-02-28")


@pytest.mark.parametrize(
    ("weekday", "at", "week"), [(1, "2030-03-04T03:00", "2030-02-25"), (0, "2030-03-03T03:00", "2030-02-18")]
)
def test_a_weekly_run_is_for_the_week_that_has_ended_whatever_its_weekday(
    read_dags: ReadDags, weekday: int, at: str, week: str
) -> None:
    dag = read_dags(f'partition: week\nschedule: "0 3 * * {weekday}"\n').dags["orders.features"]
    scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    assert isinstance(scheduled, WeeklyTimetable)
    begin = datetime(2030, 3, 1, tzinfo=UTC)  # a Friday
    first = scheduled.next_dagrun_info_v2(
        last_dagrun_info=None, restriction=TimeRestriction(earliest=begin, latest=None, catchup=True)
    )
    assert first is not None
    assert (f"{first.run_after:%Y-%m-%dT%H:%M}", first.partition_key) == (at, week)
    following = scheduled.next_dagrun_info_v2(
        last_dagrun_info=first, restriction=TimeRestriction(earliest=None, latest=None, catchup=False)
    )
    assert following is not None
    assert following.partition_key == str(date.fromisoformat(week) + timedelta(weeks=1))
    backfill = scheduled.iter_partition_dagrun_infos(
        earliest=datetime(2024, 1, 3, tzinfo=UTC), latest=datetime(2024, 1, 16, tzinfo=UTC)
    )
    assert [one.partition_key for one in backfill] == ["2024-01-01", "2024-01-08", "2024-01-15"]


def test_an_hourly_run_is_for_the_hour_that_has_ended_and_makes_days_of_hours(read_dags: ReadDags) -> None:
    dags = read_dags("partition: hour\n").dags
    features, scoring, monitoring = (dags[f"orders.{name}"] for name in ("features", "scoring", "monitoring"))
    assert chain_of(features) == ["land", "validate_raw", "features", "validate_features", "compact", "announce"]
    assert chain_of(scoring) == ["score", "validate_predictions", "compact", "announce"]
    assert chain_of(monitoring) == ["requests", "monitor", "request_training"]
    assert (outlets(features), outlets(scoring)) == (
        {"announce": "orders.features"},
        {"announce": "orders.predictions"},
    )
    assert (watched(scoring), watched(monitoring)) == (["orders.features"], ["orders.predictions"])
    assert (command(features, "compact"), command(scoring, "compact")) == ([], ["--scored"])
    scheduled = DagSerialization.from_dict(DagSerialization.to_dict(features)).timetable
    assert isinstance(scheduled, HourlyTimetable)
    begin = instance(datetime(2030, 3, 1, 23, 30, tzinfo=UTC))
    first = scheduled.next_dagrun_info_v2(
        last_dagrun_info=None, restriction=TimeRestriction(earliest=begin, latest=None, catchup=True)
    )
    assert first is not None
    assert (f"{first.run_after:%Y-%m-%dT%H:%M}", first.partition_key) == ("2030-03-02T00:10", "2030-03-01T23")
    following = scheduled.next_dagrun_info_v2(
        last_dagrun_info=first, restriction=TimeRestriction(earliest=None, latest=None, catchup=False)
    )
    assert following is not None
    assert following.partition_key == "2030-03-02T00"


def test_a_backfill_of_an_hourly_pipeline_is_by_hours_of_utc(read_dags: ReadDags) -> None:
    dag = read_dags("partition: hour\n").dags["orders.features"]
    scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    begin, end = datetime(2026, 3, 28, 23, 30, tzinfo=UTC), datetime(2026, 3, 29, 4, 0, tzinfo=UTC)
    keys = [one.partition_key for one in scheduled.iter_partition_dagrun_infos(earliest=begin, latest=end)]
    assert keys == ["2026-03-28T23", *(f"2026-03-29T0{hour}" for hour in range(5))]  # no hour is skipped in spring
    to_come = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(InvalidBackfillDate, match=r"has not begun.*the last hour of a backfill that is over is"):
        list(scheduled.iter_partition_dagrun_infos(earliest=begin, latest=to_come))


def test_without_scoring_the_days_of_an_hourly_pipeline_are_announced_to_monitoring(read_dags: ReadDags) -> None:
    features = read_dags("partition: hour\nscoring: {enabled: false}\n").dags["orders.features"]
    assert isinstance(features.get_task("announce"), AnnounceDays)
    assert outlets(features) == {"announce": "orders.features"}


def test_nights_that_were_missed_are_run_afterwards_and_a_new_pipeline_begins_with_its_next_night(
    read_dags: ReadDags,
) -> None:
    dag = read_dags().dags["orders.features"]
    scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    unbounded = TimeRestriction(earliest=None, latest=None, catchup=False)
    first = scheduled.next_dagrun_info_v2(last_dagrun_info=None, restriction=unbounded)
    assert first is not None
    assert first.run_after > datetime.now(UTC) - timedelta(hours=3)  # Airflow takes one that was just now for the next
    long_ago = datetime(2026, 3, 1, 3, tzinfo=UTC)
    day = long_ago - timedelta(days=1)
    last = DagRunInfo(run_after=long_ago, data_interval=None, partition_date=day, partition_key="2026-02-28")
    missed = scheduled.next_dagrun_info_v2(last_dagrun_info=last, restriction=unbounded)
    assert missed is not None
    assert missed.partition_key == "2026-03-01"


def test_scoring_follows_features_and_monitoring_follows_scoring(read_dags: ReadDags) -> None:
    dags = read_dags().dags
    scoring, monitoring = dags["orders.scoring"], dags["orders.monitoring"]
    assert isinstance(scoring.timetable, PartitionedAssetTimetable)
    assert isinstance(monitoring.timetable, PartitionedAssetTimetable)
    assert (watched(scoring), watched(monitoring)) == (["orders.features"], ["orders.predictions"])
    assert chain_of(scoring) == ["score", "validate_predictions", "announce"]
    assert outlets(scoring) == {"announce": "orders.predictions"}
    assert chain_of(monitoring) == ["requests", "monitor", "request_training"]


def test_who_scores_by_hand_gets_the_champion_and_a_day_that_is_announced_again_keeps_its_version(
    read_dags: ReadDags,
) -> None:
    scoring = read_dags().dags["orders.scoring"]

    def asked(run_type: str) -> list[str]:
        return command(scoring, "score", dag_run=SimpleNamespace(run_type=run_type))

    assert asked(DagRunType.MANUAL) == ["--champion"]
    assert asked(DagRunType.ASSET_TRIGGERED) == []


def test_days_are_computed_scored_and_watched_one_after_the_other(read_dags: ReadDags) -> None:
    dags = read_dags().dags
    assert {dags[f"orders.{name}"].max_active_runs for name in ("features", "scoring", "monitoring")} == {1}, (
        "a correction may ask for a whole look-back of days at once"
    )


def test_a_day_that_could_not_be_scored_for_want_of_a_champion_is_still_announced(read_dags: ReadDags) -> None:
    announce = read_dags().dags["orders.scoring"].get_task("announce")
    assert announce.trigger_rule == TriggerRule.NONE_FAILED


def test_without_scoring_monitoring_follows_features_and_scoring_is_by_hand(read_dags: ReadDags) -> None:
    dags = read_dags("scoring: {enabled: false}\n").dags
    assert watched(dags["orders.monitoring"]) == ["orders.features"]
    assert not dags["orders.scoring"].timetable.can_be_scheduled


def test_training_runs_on_a_wish_and_its_calendar_is_for_monitoring_to_weigh(read_dags: ReadDags) -> None:
    dag = read_dags('triggers: {calendar: "15 4 * * 2"}\n').dags["orders.training"]
    assert watched(dag) == ["orders.retrain"]
    assert not isinstance(dag.timetable, AssetOrTimeSchedule)
    assert dag.doc_md is not None
    assert "15 4 * * 2" in dag.doc_md
    assert chain_of(dag) == ["assemble", "train", "evaluate", "gate", "promote"]
    assert outlets(dag) == {}, "the alias is watched: a second way to start a release would release twice"


def test_a_wish_from_outside_or_the_switch_of_the_form_trains_though_nothing_is_new(read_dags: ReadDags) -> None:
    dag = read_dags().dags["orders.training"]

    def forced(run_type: str, switch: bool) -> list[str]:
        return command(dag, "assemble", params={"force": switch}, dag_run=SimpleNamespace(run_type=run_type))

    assert [forced("scheduled", False), forced("manual", False)] == [[], []]
    assert [forced(DagRunType.ASSET_TRIGGERED, False), forced("manual", True)] == [["--force"], ["--force"]]


def test_the_form_of_a_release_is_what_the_job_takes_and_empty_fields_are_left_out(read_dags: ReadDags) -> None:
    dag = read_dags().dags["orders.release"]
    form = {name: dag.params.get_param(name) for name in dag.params}
    assert list(form) == ["version", "rollback", "reason"]
    assert [field.schema["title"] for field in form.values()] == ["Version", "Roll back", "Override reason"]
    assert form["version"].description == "Registered model version to release. Empty: the champion."
    assert (form["version"].schema["type"], form["rollback"].schema["type"]) == (["null", "string"], "boolean")
    with pytest.raises(ParamValidationError):
        form["version"].resolve("0x")

    who = "--actor=anna (Airflow, manual)"
    assert command(dag, "plan") == [who, "--stage=plan"]
    assert command(dag, "plan", params={"version": " ", "reason": ""}) == [who, "--stage=plan"]
    filled = {"version": "3", "reason": "None"}
    assert command(dag, "plan", params=filled) == [who, "--stage=plan", "--version=3", "--reason=None"]
    assert command(dag, "plan", params={"rollback": True}) == [who, "--stage=plan", "--rollback"]


@pytest.mark.parametrize(
    ("filled", "said"),
    [
        ({"version": "0x"}, r"Version \(--version\): found '0x'; expected the number of a registered version"),
        ({"rollback": "maybe"}, r"Roll back \(--rollback\): found 'maybe'; expected yes or no"),
        ({"version": "3", "rollback": True}, "--rollback and --version exclude each other"),
    ],
)
def test_what_the_form_lets_through_is_refused_in_the_jobs_own_words(
    read_dags: ReadDags, filled: dict[str, Any], said: str
) -> None:
    with pytest.raises(AirflowFailException, match=f"^release was called wrongly: {said}"):
        command(read_dags().dags["orders.release"], "plan", params=filled)


def test_release_runs_every_stage_in_order_when_the_champion_moves(read_dags: ReadDags) -> None:
    dag = read_dags().dags["orders.release"]
    assert watched(dag) == ["orders.champion"]
    stages = ["package", "start", "ready", "warm_up", "parity", "switch", "confirm", "bake", "drain", "retire"]
    assert chain_of(dag) == ["plan", *stages]


def test_each_step_of_a_canary_is_a_task(read_dags: ReadDags) -> None:
    dag = read_dags("release: {strategy: {kind: canary, steps: [{share: 5}, {share: 50}]}}\n").dags["orders.release"]
    assert chain_of(dag)[5:9] == ["parity", "canary_5", "canary_50", "switch"]


def test_the_registry_is_watched_for_each_pipeline_and_the_watcher_survives_airflows_database(
    read_dags: ReadDags,
) -> None:
    dag = read_dags().dags["orders.release"]
    asset = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable.asset_condition.objects[0]
    [watcher] = asset.watchers
    assert watcher.name == "orders.champion"
    trigger = import_string(watcher.trigger["classpath"])(**watcher.trigger["kwargs"])
    assert isinstance(trigger, ChampionTrigger)
    assert trigger.pipeline == "orders"


def test_a_wrong_pipeline_file_breaks_only_its_own_dags_and_says_what_is_wrong(read_dags: ReadDags) -> None:
    wrong = PIPELINE_FILE.replace("name: orders", "name: broken").replace("numeric", "numerik")
    bag = read_dags(broken=wrong)
    assert {dag_id.split(".")[0] for dag_id in bag.dags} == {"orders"}
    ((file, reason),) = bag.import_errors.items()
    assert file.endswith("broken.py")
    assert "numerik" in reason
    assert "numeric" in reason


def run_as(dags: Mapping[str, DAG], kind: str) -> set[str]:
    return {task.command.job for dag in dags.values() for task in dag.tasks if type(task).__name__ == kind}  # type: ignore[attr-defined]


def test_a_gpu_runs_training_in_a_pod_and_nothing_else(read_dags: ReadDags) -> None:
    assert run_as(read_dags("resources: {train: {gpu: 1}}\n").dags, "PodJobOperator") == {"train"}


def test_one_setting_runs_in_pods_what_computes_and_leaves_here_what_works_on_this_machine(
    read_dags: ReadDags, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_JOB_RUNNER", "kubernetes")
    dags = read_dags().dags
    assert run_as(dags, "PodJobOperator") == {"land", "validate", "features", "train", "evaluate", "score", "monitor"}
    assert run_as(dags, "JobOperator") == {"release", "requests", "assemble", "promote"}
