"""Releases one pipeline: plans, lets a worker run stage after stage, and repairs what a killed process has left.

Whoever comes next may go on with a release: the process that began it, the next task of a DAG, or a person after a
crash. So nothing is kept in memory between two stages, and one process at a time works on a pipeline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidewheel.errors import ReleaseError
from tidewheel.ledger.alone import Busy
from tidewheel.ledger.outage import LedgerAway
from tidewheel.ledger.releases import Releases, Status
from tidewheel.release.artifact import Artifact
from tidewheel.release.plan import Live, State, explain, plan, stage_names
from tidewheel.release.probe import Probe
from tidewheel.release.reconcile import Repair, Resume, Situation, reconcile
from tidewheel.release.record import Release, plan_to_json
from tidewheel.release.repairs import make, situation
from tidewheel.release.stages import Colour, Stage, StageResult, Switch
from tidewheel.release.watch import Scores
from tidewheel.release.worker import UNGUARDED_SECONDS, Worker
from tidewheel.tracing import step

if TYPE_CHECKING:
    from tidewheel.release.backend import Backend
    from tidewheel.spec import Pipeline

PATIENCE_SECONDS = 300.0
"""How long to wait for another process that works on the same pipeline's release, beyond what it may bake."""
POLL_SECONDS = 0.1


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class TakenBack:
    """A release that somebody has taken back.

    Attributes:
        release: what was under way.
        seconds: from the wish until the router had acknowledged.
    """

    release: Release
    seconds: float

    @property
    def answers(self) -> str | None:
        """The version that answers again."""
        return self.release.before.version if self.release.before else None

    def __str__(self) -> str:
        now = f"version {self.answers} answers" if self.answers else "nothing answers"
        return f"version {self.release.version} is taken back: {now} after {self.seconds:.1f} s"


class Executor:
    """Releases one pipeline.

    Args:
        pipeline: its declaration.
        backend: where it is released to.
        releases: the ledger.
        build: makes the artifact of a version; called by the first stage.
        scores: reads what callers were answered, for the guard; None where nobody keeps that.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        backend: Backend,
        releases: Releases,
        build: Callable[[str], Artifact],
        scores: Scores | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._backend = backend
        self._releases = releases
        self._worker = Worker(pipeline, backend, releases, build, scores)

    def observe(self) -> State:
        """What answers now, by the router and the colour itself."""
        colour = self._backend.traffic().live
        version = self._backend.version(colour) if colour else None
        if colour is None or version is None:
            return State()
        healthy = any(not self._unready(address) for address in self._backend.addresses(colour))
        replicas, maximum = self._backend.replicas(colour), self._backend.maximum(colour)
        return State(Live(colour, version, healthy, replicas, maximum))

    def _unready(self, address: str) -> str:
        with Probe(address, platform_token=self._backend.token()) as probe:
            return probe.unready()

    def plan(self, wanted: str) -> tuple[list[Stage], str]:
        """What a release would do now, and in a sentence; nothing is begun."""
        state = self.observe()
        stages = plan(state, wanted, self._pipeline)
        return stages, explain(state, wanted, stages)

    def begin(self, wanted: str, run_id: str) -> Release:
        """Plan a release and write it into the ledger, or join the one of the same version that is under way.

        A running release of another version has been overtaken: before its switch it is taken back, after it
        it is brought to its end first. What ledger and router disagree about is repaired.

        Raises:
            ReleaseError: that other release cannot be ended.
        """
        name = self._pipeline.name
        with self._alone():
            running = self._releases.running(name)
            if running is not None:
                release = Release.from_row(running)
                if release.version == wanted:
                    return release
                self._worker.overtake(release, wanted)
            self._make(reconcile(self._situation(None)))
            state = self.observe()
            stages = plan(state, wanted, self._pipeline)
            sentence = explain(state, wanted, stages)
            endpoint = self._releases.endpoint(name)
            document = plan_to_json(stages, state.live, endpoint.previous_version if endpoint else None, sentence)
            colour = state.idle if stages else _live_colour(state)
            row = self._releases.begin(name, wanted, colour, document, run_id, _now())
            if not stages:
                self._releases.end(row.id, Status.DONE, sentence, _now())
            return Release.from_row(self._releases.get(row.id))

    def run(self, number: int) -> None:
        """Run what is left of a release.

        Raises:
            ReleaseError: a stage fails; the colour that was live before is live.
            LedgerError: the ledger is away for long, or another process works on the release; it can be resumed.
        """
        release, switched, ledger = Release.from_row(self._releases.get(number)), False, self._releases.ledger
        for stage in release.stages:
            try:
                with ledger.patient(UNGUARDED_SECONDS if switched else ledger.patience_seconds):
                    self.run_stage(number, stage.name)
            except LedgerAway:
                if switched:
                    self._worker.retreat(release, stage)
                raise
            switched |= isinstance(stage, Switch)

    def run_stage(self, number: int, name: str) -> StageResult:
        """Run one stage of a release; one that is done, or is not part of the plan, is left alone.

        Raises:
            ReleaseError: it fails, the release has failed before, or an earlier stage is not done.
        """
        with self._alone():
            release = Release.from_row(self._releases.get(number))
            position = release.position(name)
            if position is None:
                if name not in (known := stage_names(self._pipeline)):
                    raise ReleaseError(f"no stage {name!r}; expected one of {', '.join(known)}")
                return StageResult(f"{name} is not part of this plan: {release.sentence}", {})
            done = self._worker.done(release)
            if position in done:
                return StageResult(f"{name} was done before", {})
            match release.status:
                case Status.SUPERSEDED:
                    return StageResult(f"release {number} is overtaken: {release.sentence}", {})
                case Status.FAILED | Status.DONE:
                    raise ReleaseError(
                        f"release {number} is {release.status}: {release.sentence}; begin again with its plan"
                    )
            if missing := [stage.name for n, stage in enumerate(release.stages[:position]) if n not in done]:
                raise ReleaseError(f"{name} of release {number} comes after {', '.join(missing)}, not yet done")
            with step(f"stage {name}", version=release.version):
                return self._worker.run(release, position)

    def roll_back(self, reason: str, patience_seconds: float = PATIENCE_SECONDS) -> TakenBack | None:
        """Take back the release that is under way: all requests to the old colour, which is still warm.

        The process that works on the release does it as soon as it sees the wish; where there is none, this one does.

        Args:
            reason: for the ledger; who asks and why.
            patience_seconds: how long to wait for the process that works on the release.

        Returns:
            What answers again, as soon as the router sends requests there; None where no release is under way, or it
            stops the old colour already: then a release of the version before is the way back.

        Raises:
            Busy: that process has not seen the wish for so long; the wish stays.
        """
        running = self._releases.running(self._pipeline.name)
        if running is None:
            return None
        release, asked = Release.from_row(running), time.monotonic()
        self._releases.ask_back(release.number, reason)
        while True:
            row = self._releases.get(release.number)
            if row.status == Status.DONE:
                return None
            switched = self._worker.reached(release, Switch)
            if row.status == Status.FAILED or (switched and self._backend.traffic() == release.traffic_before):
                break
            try:
                with self._releases.exclusively(self._pipeline.name, 0):
                    self._worker.take_back(release, reason)
            except Busy:
                if time.monotonic() - asked > patience_seconds:
                    raise Busy(self._unheeded(release, patience_seconds)) from None
                time.sleep(POLL_SECONDS)
        return TakenBack(release, time.monotonic() - asked)

    def _unheeded(self, release: Release, seconds: float) -> str:
        at = [row.name for row in self._releases.stages(release.number) if row.status == Status.RUNNING]
        return (
            f"another process works on release {release.number} of {self._pipeline.name} (stage "
            f"{at[-1] if at else 'not known'}) and has not taken version {release.version} back for {seconds:g} s; it "
            "will before its next stage, for the wish stays in the ledger: if it hangs, end it and ask again"
        )

    def differences(self, champion: str | None) -> list[Repair]:
        """What `reconcile` would repair now; nothing is done."""
        return reconcile(self._situation(champion))

    def reconcile(self, champion: str | None) -> list[Repair]:
        """Bring registry, ledger and router into agreement, as far as ledger, router and a release left behind go.

        Args:
            champion: version that the registry's alias names.

        Returns:
            All repairs. `ReleaseVersion` and `MoveAlias` are the caller's to make; the others are made. Nothing where
            another process works on the pipeline's release.

        Raises:
            ReleaseError: a release that was left behind fails; it is taken back.
        """
        try:
            with self._releases.exclusively(self._pipeline.name, 0):
                repairs = reconcile(self._situation(champion))
                self._make(repairs)
        except Busy:
            return []
        for repair in repairs:
            if isinstance(repair, Resume):
                self.run(repair.release)
        return repairs

    def _situation(self, champion: str | None) -> Situation:
        return situation(self._pipeline.name, champion, self._backend, self._releases)

    def _make(self, repairs: Sequence[Repair]) -> None:
        make(repairs, self._pipeline, self._backend, self._releases)

    def _alone(self) -> Any:
        strategy = self._pipeline.release.strategy
        bakes = [self._pipeline.release.bake_seconds]
        bakes += [step.bake_seconds for step in strategy.steps] if strategy.kind == "canary" else []
        bakes += [strategy.seconds] if strategy.kind == "shadow" else []
        return self._releases.exclusively(self._pipeline.name, PATIENCE_SECONDS + sum(bakes))


def _live_colour(state: State) -> Colour:
    assert state.live is not None  # a plan is empty only where the wanted version is live
    return state.live.colour
