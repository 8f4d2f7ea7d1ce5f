"""What the demo does, in order. Every step looks first at what is there: an interrupted demo goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from tidewheel.demo.follow import Follower
from tidewheel.demo.traffic import RequestStream, TrafficReport
from tidewheel.errors import LakeError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases, Status
from tidewheel.partitions import PartitionRange
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.quantities import quantity
from tidewheel.release.stages import PLAN
from tidewheel.runs import JobRecord, read_record
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tidewheel.airflow_api import AirflowApi
    from tidewheel.demo.display import Display
    from tidewheel.settings import Settings

PIPELINE = "flight_delay"
HISTORY = PartitionRange(date(2013, 1, 1), date(2013, 2, 28))
NIGHTS = PartitionRange(date(2013, 3, 1), date(2013, 3, 3))
FIRST, SECOND = "demo__first_model", "demo__retraining"
REQUESTS_PER_SECOND = 40
DAGS = ("features", "scoring", "monitoring", "training", "release")


@dataclass(frozen=True)
class StoryStep:
    """One step of the story.

    Attributes:
        title: what is done.
        why: for a newcomer.
        work: does it, or sees that it is done.
    """

    title: str
    why: str
    work: Callable[[], None]


@dataclass(frozen=True)
class DemoResult:
    """What the demo has to show for itself.

    Attributes:
        judged: what the gate found for each version that was trained, oldest first.
        live_version: the version that answers now.
        traffic: what the requests saw during the second release; None where an earlier demo made it.
        example: a row that the endpoint takes.
    """

    judged: list[JobRecord]
    live_version: str
    traffic: TrafficReport | None
    example: dict[str, object]


class Demo:
    """The loop on the flights of New York: history, first model, three nights, retraining, release under traffic."""

    def __init__(self, settings: Settings, api: AirflowApi, display: Display) -> None:
        self.settings = settings
        self.api = api
        self.display = display
        self.follower = Follower(api, display)
        self.pipeline = find_pipeline(settings.pipelines_folder, PIPELINE)
        self.lake = Lake.open(PIPELINE, settings)
        self.ledger = Ledger.open(settings)
        self.releases = Releases(self.ledger)
        self.traffic: TrafficReport | None = None

    def play(self) -> DemoResult:
        """Play the whole story; what an earlier demo has done already is not done again.

        Raises:
            PlatformError: a run failed; the message says which task, why, and where to look.
        """
        steps = list(self.steps())
        for number, step in enumerate(steps, start=1):
            with self.display.step(number, len(steps), step.title, step.why):
                step.work()
        endpoint = self.releases.endpoint(PIPELINE)
        return DemoResult(
            judged=[self._judged(FIRST), self._judged(SECOND)],
            live_version=endpoint.version if endpoint else "",
            traffic=self.traffic,
            example=self.request_rows(1)[0],
        )

    def steps(self) -> Iterator[StoryStep]:
        """The story."""
        yield StoryStep("Wake the DAGs", "Airflow reads dags/flight_delay.py: five DAGs from one YAML file", self.wake)
        yield StoryStep(
            f"Land {HISTORY.first} to {HISTORY.last} and compute features",
            f"{len(HISTORY.days)} days of flights: landed, validated, and turned into features by one Spark run",
            self.history,
        )
        yield StoryStep(
            "Train the first model, judge it, release it",
            "there is no champion to compare with yet, so it has to clear the floors of the gate",
            self.first_model,
        )
        for key in NIGHTS.keys:
            yield StoryStep(
                f"The night of {key}",
                "features, then scoring, then monitoring: each starts the next by an asset event",
                self.night(key),
            )
        yield StoryStep(
            "Retrain, compare, and release blue-green under load",
            f"{REQUESTS_PER_SECOND} requests a second, half of them on fresh connections, from training to the end",
            self.retraining,
        )

    def wake(self) -> None:
        """Wait until Airflow knows the five DAGs, and unpause them: events to a paused DAG are lost."""
        for name in DAGS:
            dag = f"{PIPELINE}.{name}"
            self.display.doing(f"waiting for {dag}")
            self.api.wait_for_dag(dag)
            self.api.unpause(dag)

    def history(self) -> None:
        """Land two months in one run."""
        conf = {"first": str(HISTORY.first), "last": str(HISTORY.last)}
        self.follower.run(f"{PIPELINE}.features", "demo__history", conf=conf)
        rows = sum(self.lake.need("features", key).rows for key in HISTORY.keys)
        self.display.say(f"{rows:,} flights have features, every file named by a manifest with its hash")

    def first_model(self) -> None:
        """Train on the history and release."""
        self._train(FIRST, as_of=HISTORY.last, reason="the first model")
        self._released(FIRST)

    def night(self, key: str) -> Callable[[], None]:
        """What happens every night by itself, here for a day of the past."""

        def play() -> None:
            self.follower.run(f"{PIPELINE}.features", f"demo__night_{key}", partition_key=key)
            for name in ("scoring", "monitoring"):
                self.follower.started_by_event(f"{PIPELINE}.{name}", lambda run: run.partition_key == key)
            self.display.say(f"{self.lake.need('predictions', key).rows:,} flights scored by the champion")
            for verdict in self.ledger.verdicts(PIPELINE, Kind.TRIGGER, limit=1):
                self.display.say(f"trigger policy: {verdict.sentence}")

        return play

    def retraining(self) -> None:
        """Train a challenger, and release it under traffic where it passes."""
        if self._has_ended(SECOND):
            self.display.say(self._judged(SECOND).sentence)
            return
        url = f"{self.settings.require('endpoint_url').rstrip('/')}/{PIPELINE}/predict"
        with RequestStream(url, self.request_rows(), REQUESTS_PER_SECOND) as report:
            self._train(SECOND, as_of=NIGHTS.last, reason="the demo requests a retraining")
            self._released(SECOND)
        self.traffic = report
        self.display.say(
            f"{quantity(report.sent, 'request')} meanwhile, {report.failed or 'none'} failed "
            f"(p50 {report.percentile(50):.1f} ms, p99 {report.percentile(99):.1f} ms)"
        )
        for failure, count in report.failures.most_common(3):
            self.display.warn(f"{quantity(count, 'time')}: {failure}")

    def request_rows(self, count: int = 50) -> list[dict[str, object]]:
        """Real rows of the last night, as the endpoint takes them."""
        manifest = self.lake.need("features", str(NIGHTS.last))
        table = self.lake.read(manifest, self.pipeline.features.columns)
        return [dict(row) for row in table.slice(0, count).to_pylist()]

    def _train(self, run_id: str, as_of: date, reason: str) -> None:
        conf = {"as_of": str(as_of), "reason": reason}
        self.follower.run(f"{PIPELINE}.training", run_id, conf=conf)
        self.display.say(f"gate: {self._judged(run_id).sentence}")

    def _released(self, run_id: str) -> None:
        """Wait until the version that a training run promoted is released, started by nothing but its promotion."""
        judged = self._judged(run_id)
        if judged.figures["outcome"] != Outcome.PASSED:
            self.display.warn("it is not promoted, so there is nothing to release: that is what a gate is for")
            return
        if not self._has_ended(run_id):
            self.follower.started_by_event(
                f"{PIPELINE}.release", until=lambda: self._has_ended(run_id), again_from=(PLAN,)
            )
        endpoint = self.releases.endpoint(PIPELINE)
        if endpoint is not None:
            self.display.say(f"version {endpoint.version} answers, as {endpoint.colour}")

    def _has_ended(self, run_id: str) -> bool:
        """Whether a training run has come to its end: refused by the gate, or released."""
        try:
            judged = self._judged(run_id)
        except LakeError:
            return False
        released = {row.version for row in self.releases.newest(PIPELINE) if row.status == Status.DONE}
        return judged.figures["outcome"] != Outcome.PASSED or str(judged.figures["version"]) in released

    def _judged(self, run_id: str) -> JobRecord:
        return read_record(self.lake, run_id, "evaluate")
