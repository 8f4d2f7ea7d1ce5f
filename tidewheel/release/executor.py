"""Releases one pipeline: plans, runs stage after stage, and repairs what a killed process has left.

Any process may go on with a release: the one that began it, the next task of a DAG, or a person's after a
crash. So nothing stays in memory between two stages, and one process at a time works on a pipeline.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from tidewheel.errors import LedgerError, ReleaseError
from tidewheel.ledger.locks import Busy
from tidewheel.ledger.outage import LedgerAway
from tidewheel.ledger.releases import Releases, Status
from tidewheel.release.actions import Actions
from tidewheel.release.artifact import Artifact
from tidewheel.release.plan import EndpointState, Live, explain, plan, stage_names
from tidewheel.release.probe import Probe
from tidewheel.release.reconcile import Repair, Resume, reconcile, repair, situation
from tidewheel.release.record import RecordedRelease, ReleaseRecord
from tidewheel.release.rollback import RECORD_SECONDS, Rollback, TakenBack
from tidewheel.release.stages import Confirm, Drain, GuardedStage, Stage, StageResult, Switch
from tidewheel.release.watch import Scores
from tidewheel.tracing import step

if TYPE_CHECKING:
    from tidewheel.release.backend import Backend
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.release")

PATIENCE_SECONDS = 300.0
"""How long to wait for another process that works on the same pipeline's release, beyond what it may bake."""
UNGUARDED_SECONDS = 10.0
"""How long it waits where a new version answers callers and no guard watches it yet: then the old one answers again."""
POLL_SECONDS = 0.1


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
        self._pipeline, self._backend = pipeline, backend
        self._record = ReleaseRecord(releases, pipeline.name)
        self._rollback = Rollback(pipeline, backend, self._record)
        self._build, self._scores = build, scores

    def observe(self) -> EndpointState:
        """What answers now, by the router and the colour itself."""
        colour = self._backend.traffic().live
        version = self._backend.version(colour) if colour else None
        if colour is None or version is None:
            return EndpointState()
        healthy = any(not self._unready(address) for address in self._backend.addresses(colour))
        replicas, maximum = self._backend.replicas(colour), self._backend.maximum(colour)
        return EndpointState(Live(colour, version, healthy, replicas, maximum))

    def _unready(self, address: str) -> str:
        with Probe(address, platform_token=self._backend.token()) as probe:
            return probe.unready()

    def plan(self, version: str) -> tuple[list[Stage], str]:
        """What a release would do now, and in a sentence; nothing is begun."""
        state = self.observe()
        stages = plan(state, version, self._pipeline)
        return stages, explain(state, version, stages)

    def begin(self, version: str, run_id: str) -> RecordedRelease:
        """Plan a release and write it into the ledger, or join the one of the same version that is under way.

        A running release of another version has been overtaken: before its switch it is taken back, after it
        it is brought to its end first. What ledger and router disagree about is repaired.

        Raises:
            ReleaseError: that other release cannot be ended.
        """
        with self._exclusively():
            running = self._record.running()
            if running is not None:
                if running.version == version:
                    return running
                self._overtake(running, version)
            self._repair(self.differences(None))
            state = self.observe()
            stages = plan(state, version, self._pipeline)
            return self._record.begin(version, state, stages, explain(state, version, stages), run_id)

    def run(self, number: int) -> None:
        """Run what is left of a release.

        Raises:
            ReleaseError: a stage fails; the colour that was live before is live.
            LedgerError: the ledger is away for long, or another process works on the release; it can be resumed.
        """
        release, switched = self._record.get(number), False
        for stage in release.stages:
            try:
                with self._record.patient(UNGUARDED_SECONDS if switched else None):
                    self.run_stage(number, stage.name)
            except LedgerAway:
                if switched:
                    self._rollback.without_ledger(release, stage)
                raise
            switched |= isinstance(stage, Switch)

    def run_stage(self, number: int, name: str) -> StageResult:
        """Run one stage of a release; one that is done, or is not part of the plan, is left alone.

        Raises:
            ReleaseError: it fails, the release has failed before, or an earlier stage is not done.
        """
        with self._exclusively():
            release = self._record.get(number)
            position = release.position(name)
            if position is None:
                if name not in (known := stage_names(self._pipeline)):
                    raise ReleaseError(f"no stage {name!r}; expected one of {', '.join(known)}")
                return StageResult(f"{name} is not part of this plan: {release.sentence}", {})
            done = self._record.done(release)
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
                return self._run(release, position)

    def _run(self, release: RecordedRelease, position: int) -> StageResult:
        """Run a stage that is due, and write down what became of it.

        Raises:
            ReleaseError: it fails; before `drain`, the release is taken back.
            TakenOver: another process works on the release.
            LedgerAway: the ledger has been away for long; the release waits for it, unless its version answers
                callers and is not proven yet: then it is taken back as far as requests go.
        """
        stage, record = release.stages[position], self._record
        actions = Actions(release, self._backend, record, self._build, self._scores)
        unproven = isinstance(stage, Switch | Confirm | GuardedStage)
        try:
            with record.patient(UNGUARDED_SECONDS if unproven else None):
                record.stage_began(release, position)
                result = actions.perform(stage)
            with record.patient(UNGUARDED_SECONDS if isinstance(stage, Switch | Confirm) else RECORD_SECONDS):
                record.stage_done(release, position, result)
        except LedgerAway:
            # Nothing is known to be wrong with the release: it is resumed. But no version answers without a guard.
            self._rollback.without_ledger(release, stage)
            raise
        except LedgerError:
            raise
        except Exception as error:
            self._rollback.after_failure(release, position, error)
            raise ReleaseError(f"{self._pipeline.name}: stage {stage.name} failed: {error}") from error
        return result

    def _run_rest(self, release: RecordedRelease) -> None:
        done = self._record.done(release)
        for position in range(len(release.stages)):
            if position not in done:
                self._run(release, position)

    def _overtake(self, release: RecordedRelease, version: str) -> None:
        """End a release in favour of another version: before its switch it is taken back, after it finished.

        Raises:
            ReleaseError: its old colour can be neither drained nor stopped.
        """
        if not self._record.has_reached(release, Switch):
            self._rollback.overtaken(release, version)
            return
        log.info("release %s has switched already: it is brought to its end first", release.number)
        try:
            self._run_rest(release)
        except ReleaseError as error:
            if self._record.get(release.number).status == Status.RUNNING:
                raise
            log.warning("release %s is taken back, and version %s comes next: %s", release.number, version, error)

    def roll_back(self, reason: str, patience_seconds: float = PATIENCE_SECONDS) -> TakenBack | None:
        """Take back the release that is under way: all requests to the old colour, which is still warm.

        The process that works on the release does it as soon as it sees the request; if there is none, this one does.

        Args:
            reason: for the ledger; who asks and why.
            patience_seconds: how long to wait for the process that works on the release.

        Returns:
            What answers again, as soon as the router sends requests there; None where no release is under way, or it
            stops the old colour already: then a release of the version before is the way back.

        Raises:
            Busy: that process has not seen the request for so long; the request stays.
        """
        release, requested_at = self._record.running(), time.monotonic()
        if release is None:
            return None
        self._record.request_rollback(release, reason)
        while True:
            status = self._record.get(release.number).status
            if status == Status.DONE:
                return None
            switched = self._record.has_reached(release, Switch)
            if status == Status.FAILED or (switched and self._backend.traffic() == release.traffic_before):
                break
            try:
                with self._record.exclusively(0):
                    self._take_back(release, reason)
            except Busy:
                if time.monotonic() - requested_at > patience_seconds:
                    raise Busy(self._not_taken_back(release, patience_seconds)) from None
                time.sleep(POLL_SECONDS)
        return TakenBack(release, time.monotonic() - requested_at)

    def _take_back(self, release: RecordedRelease, reason: str) -> None:
        """Take a release back as an operator asks; one that drains the old colour is brought to its end instead."""
        if self._record.get(release.number).status != Status.RUNNING:
            return
        if self._record.has_reached(release, Drain):  # the old colour is no longer whole: it is too late for this way
            self._run_rest(release)
            return
        self._rollback.by_hand(release, reason)

    def _not_taken_back(self, release: RecordedRelease, seconds: float) -> str:
        return (
            f"another process works on release {release.number} of {self._pipeline.name} (stage "
            f"{self._record.present_stage(release) or 'not known'}) and has not taken version {release.version} back "
            f"for {seconds:g} s; it will before its next stage, for the request stays in the ledger: if it hangs, end "
            "it and request the rollback again"
        )

    def differences(self, champion: str | None) -> list[Repair]:
        """What `reconcile` would repair now; nothing is done."""
        return reconcile(situation(champion, self._record, self._backend))

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
            with self._record.exclusively(0):
                repairs = self.differences(champion)
                self._repair(repairs)
        except Busy:
            return []
        for each in repairs:
            if isinstance(each, Resume):
                self.run(each.release)
        return repairs

    def _repair(self, repairs: Sequence[Repair]) -> None:
        repair(repairs, self._record, self._backend, self._pipeline.release.drain_seconds)

    def _exclusively(self) -> AbstractContextManager[None]:
        strategy = self._pipeline.release.strategy
        bakes = [self._pipeline.release.bake_seconds]
        bakes += [step.bake_seconds for step in strategy.steps] if strategy.kind == "canary" else []
        bakes += [strategy.seconds] if strategy.kind == "shadow" else []
        return self._record.exclusively(PATIENCE_SECONDS + sum(bakes))
