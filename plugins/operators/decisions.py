"""Small tasks that turn what a job decided into what Airflow does next; they read the job's record, not XCom."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import Asset, BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

from plugins.night_trace import CONTEXT
from plugins.operators.links import airflow_address, browser_address
from tidewheel.partitions import DAY, HOUR, Partitioning, PartitionRange, day_key
from tidewheel.policies.verdict import Outcome
from tidewheel.quantities import quantity
from tidewheel.runs import CHAMPION_VERSION, OUTCOME, REQUEST, VERSION
from tidewheel.spec.losses import FIGURES
from tidewheel.spec.pipeline import METRICS
from tidewheel.tracing import context_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

    from tidewheel.lake import Lake
    from tidewheel.runs import JobRecord
    from tidewheel.spec import Pipeline

AGAIN = "scored from other features than are published now"
JUDGED_BY = frozenset(name for names in (*METRICS.values(), *FIGURES.values()) for name in names)


class AnnouncePartition(BaseOperator):
    """Tells the DAGs that wait for an asset which day is there. A range of days, such as a backfill, starts nothing.

    Args:
        asset: the asset that the day belongs to.
        partition: one, or a range; a Jinja template.
        unit: what a partition holds.
    """

    template_fields: Sequence[str] = ("partition",)
    ui_color = "#f3f0fa"

    def __init__(self, *, asset: Asset, partition: str, unit: Partitioning = DAY, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.asset = asset
        self.partition = partition
        self.unit = unit

    def execute(self, context: Context) -> None:
        """Put the day on the asset's event, and with it those that are to be looked at again."""
        days = PartitionRange.parse(self.partition).by(self.unit)
        again = self.again(days)
        if days.unit is HOUR and (whole := days.whole_blocks) and whole.by(HOUR) == days and len(whole.days) == 1:
            days = whole  # one run scores all its hours
        if days.first != days.last:
            more = f"; {quantity(len(again), days.unit)} from {again[0]} to {again[-1]} were {AGAIN}" if again else ""
            raise AirflowSkipException(
                f"{days} is more than one {days.unit}: nothing starts by itself after a backfill{more}"
            )
        for day in again:
            self.log.info("%s is announced too: it was %s", day, AGAIN)
        context["outlet_events"][self.asset].add_partitions(_fewest([str(days), *again]))

    def again(self, days: PartitionRange) -> list[str]:
        """Days to announce together with these; none."""
        return []


class AnnounceFeatures(AnnouncePartition):
    """Announces, beside the day, later ones that were scored from other features than are published now.

    What the manifests say counts, not what this run has computed: after a run that was killed or refused half-way, the
    days that it had published are announced all the same, and days whose features came out as they were are not.

    Args:
        pipeline: says how far features look back.
    """

    def __init__(self, *, pipeline: Pipeline, **kwargs: Any) -> None:
        super().__init__(unit=pipeline.partition, **kwargs)
        self.pipeline = pipeline.name
        self.look_back_days = pipeline.features.look_back_days

    def again(self, days: PartitionRange) -> list[str]:
        """Of these days and those that look back on them, the ones whose predictions need to be made again."""
        from tidewheel.lake import Lake

        lake = Lake.open(self.pipeline)
        newest = lake.newest("predictions", days.unit) or ""
        scored = [key for key in days.look_ahead(self.look_back_days).keys if key <= newest and key != str(days)]
        return [key for key in scored if _scored_from_others(lake, key)]


class AnnounceDays(BaseOperator):
    """Announces the days of an hourly pipeline that a run has made of their hours; a day that waits is not among them.

    Args:
        pipeline: name of the pipeline.
        job: the job that made the days.
        asset: the asset that the days belong to.
        partition: the run's hours; a Jinja template.
    """

    template_fields: Sequence[str] = ("partition",)
    ui_color = "#f3f0fa"

    def __init__(self, *, pipeline: str, job: str, asset: Asset, partition: str, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.pipeline = pipeline
        self.job = job
        self.asset = asset
        self.partition = partition

    def execute(self, context: Context) -> None:
        """Put the days on the asset's event, as far as the run is no backfill."""
        made = _record(self.pipeline, context["run_id"], self.job)
        days = sorted({batch.partition for batch in made.outputs})
        asked = PartitionRange.parse(self.partition).by(HOUR).blocks
        if asked.first != asked.last:
            raise AirflowSkipException(f"{asked} is more than one day: nothing starts by itself after a backfill")
        if not days:
            raise AirflowSkipException(made.sentence)
        self.log.info("%s", made.sentence)
        context["outlet_events"][self.asset].add_partitions(days)


class VerdictGate(BaseOperator):
    """Lets a challenger through that passed; one that did not is skipped from here on, and the champion stays.

    Args:
        pipeline: name of the pipeline.
        job: the job that recorded the verdict.
        trained_by: the job that made the challenger; its links are shown too.
    """

    ui_color = "#fdf3e1"

    def __init__(self, *, pipeline: str, job: str, trained_by: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.job = job
        self.trained_by = trained_by

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the verdict; what is returned is what a reviewer is shown."""
        verdict = _record(self.pipeline, context["run_id"], self.job)
        if verdict.figures.get(OUTCOME) != Outcome.PASSED:
            raise AirflowSkipException(verdict.sentence)
        self.log.info("%s", verdict.sentence)
        trained = _record(self.pipeline, context["run_id"], self.trained_by)
        return {
            "version": verdict.figures.get(VERSION),
            "champion": verdict.figures.get(CHAMPION_VERSION),
            "sentence": verdict.sentence,
            "figures": [
                [name, value, verdict.figures.get(f"champion_{name}")]
                for name, value in verdict.figures.items()
                if name in JUDGED_BY
            ],
            "links": {title: browser_address(target) for title, target in {**trained.links, **verdict.links}.items()},
        }


class TriggeredRun(BaseOperatorLink):
    """The button that opens the run that was started."""

    name = "Triggered run"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Address of the run, empty where none was started."""
        run_id = getattr(operator, "started", None)
        dag = getattr(operator, "dag_to_start", "")
        return f"{airflow_address()}/dags/{dag}/runs/{quote(run_id)}" if run_id else ""


class RequestTraining(BaseOperator):
    """Starts the training DAG where monitoring requests it: once a request, however many runs have the same day.

    A run of a partition can only send events of that partition, and those never start a DAG that is not partitioned;
    so this task starts the run itself.

    Args:
        pipeline: name of the pipeline.
        job: the job that recorded the verdict.
        dag_to_start: id of the training DAG.
    """

    operator_extra_links = (TriggeredRun(),)
    ui_color = "#fdf3e1"

    def __init__(self, *, pipeline: str, job: str, dag_to_start: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.job = job
        self.dag_to_start = dag_to_start
        self.started: str | None = None

    def execute(self, context: Context) -> None:
        """Read the verdict, and start a training where it says so."""
        verdict = _record(self.pipeline, context["run_id"], self.job)
        request = verdict.figures.get(REQUEST)
        if verdict.figures.get(OUTCOME) != Outcome.FIRED or request is None:  # None: answered this very moment
            raise AirflowSkipException(verdict.sentence)
        self.log.info("%s", verdict.sentence)
        # A run that is cleared, or doubled, asks again under the same name, and Airflow skips what is there already.
        self.started = f"wish__{request}__{PartitionRange.parse(verdict.partition).last}"
        raise DagRunTriggerException(
            trigger_dag_id=self.dag_to_start,
            dag_run_id=self.started,
            conf={"reason": verdict.sentence, **_trace()},
            note=verdict.sentence,
            reset_dag_run=False,
            skip_when_already_exists=True,
            wait_for_completion=False,
            allowed_states=[],
            failed_states=[],
            poke_interval=0,
            deferrable=False,
        )


def _trace() -> dict[str, str]:
    """Configuration by which the run that is started continues the trace of this task; empty where none is made."""
    context = context_variables().get(CONTEXT.upper())
    return {CONTEXT: context} if context else {}


def _fewest(keys: Sequence[str]) -> list[str]:
    """Several hours of one day as that day, which one run scores; keys of days and weeks as they are."""
    of_day = Counter(map(day_key, keys))
    return list(dict.fromkeys(day_key(key) if of_day[day_key(key)] > 1 else key for key in keys))


def _scored_from_others(lake: Lake, day: str) -> bool:
    """Whether a day's predictions were made from other features than are published now."""
    features, predictions = lake.published("features", day), lake.published("predictions", day)
    if features is None or predictions is None:
        return False
    return predictions.inputs.get(features.key) != features.content_hash


def _record(pipeline: str, run_id: str, job: str) -> JobRecord:
    from tidewheel.lake import Lake
    from tidewheel.runs import read_record

    return read_record(Lake.open(pipeline), run_id, job)
