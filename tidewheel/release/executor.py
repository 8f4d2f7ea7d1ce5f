"""Runs a release stage by stage, writes each into the ledger, and takes it back when a stage fails.

Whoever comes next may go on with a release: the process that began it, the next task of a DAG, or a person after a
crash. So nothing is kept in memory between two stages, and one process at a time works on a pipeline.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidewheel.errors import LedgerError, ReleaseError
from tidewheel.ledger.alone import Busy
from tidewheel.ledger.releases import Releases, Status
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.release.actions import Actions, GuardBreach, Memory
from tidewheel.release.artifact import Artifact
from tidewheel.release.plan import Live, State, explain, plan, stage_names
from tidewheel.release.probe import Probe
from tidewheel.release.proofs import Found
from tidewheel.release.reconcile import Repair, Resume, Situation, reconcile
from tidewheel.release.record import Release, plan_to_json
from tidewheel.release.repairs import make, situation
from tidewheel.release.stages import Colour, Drain, Package, Retire, Stage, Switch
from tidewheel.release.traffic import Traffic
from tidewheel.release.watch import AskedBack, Scores

if TYPE_CHECKING:
    from tidewheel.release.backend import Backend
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.release")

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
        self._build = build
        self._scores = scores

    def observe(self) -> State:
        """What answers now, by the router and the colour itself."""
        colour = self._backend.traffic().live
        version = self._backend.version(colour) if colour else None
        if colour is None or version is None:
            return State()
        with Probe(self._backend.address(colour)) as probe:
            return State(Live(colour, version, healthy=not probe.unready()))

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
                self._overtake(release, wanted)
            make(reconcile(self._situation(None)), name, self._backend, self._releases)
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
        """
        for stage in Release.from_row(self._releases.get(number)).stages:
            self.run_stage(number, stage.name)

    def run_stage(self, number: int, name: str) -> Found:
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
                return Found(f"{name} is not part of this plan: {release.sentence}", {})
            done = self._done(number)
            if position in done:
                return Found(f"{name} was done before", {})
            match release.status:
                case Status.SUPERSEDED:
                    return Found(f"release {number} is overtaken: {release.sentence}", {})
                case Status.FAILED | Status.DONE:
                    raise ReleaseError(
                        f"release {number} is {release.status}: {release.sentence}; begin again with its plan"
                    )
            if missing := [stage.name for n, stage in enumerate(release.stages[:position]) if n not in done]:
                raise ReleaseError(f"{name} of release {number} comes after {', '.join(missing)}, not yet done")
            return self._run(release, position)

    def roll_back(self, reason: str) -> TakenBack | None:
        """Take back the release that is under way: all requests to the old colour, which is still warm.

        The process that works on the release does it as soon as it sees the wish; where there is none, this one does.

        Args:
            reason: for the ledger; who asks and why.

        Returns:
            What answers again, as soon as the router sends requests there; None where no release is under way, or it
            stops the old colour already: then a release of the version before is the way back.
        """
        running = self._releases.running(self._pipeline.name)
        if running is None:
            return None
        release, asked = Release.from_row(running), time.monotonic()
        self._releases.ask_back(release.number, reason)
        wanted = Traffic(release.before.colour if release.before else None)
        while True:
            row = self._releases.get(release.number)
            if row.status == Status.DONE:
                return None
            if row.status == Status.FAILED or (self._reached(release, Switch) and self._backend.traffic() == wanted):
                break
            try:
                with self._releases.exclusively(self._pipeline.name, 0):
                    self._take_back_by_hand(release, reason)
            except Busy:
                time.sleep(POLL_SECONDS)
        return TakenBack(release, time.monotonic() - asked)

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
                make(repairs, self._pipeline.name, self._backend, self._releases)
        except Busy:
            return []
        for repair in repairs:
            if isinstance(repair, Resume):
                self.run(repair.release)
        return repairs

    # --- inside the lock -------------------------------------------------------------------------------------------

    def _run(self, release: Release, position: int) -> Found:
        stage = release.stages[position]
        self._releases.stage_began(release.number, position, stage.name, _now())
        try:
            found = self._actions(release).perform(stage)
        except LedgerError:
            raise  # nothing is known to be wrong with the release: it waits for the ledger, and is resumed
        except Exception as error:
            self._failed(release, position, error)
            raise ReleaseError(f"{self._pipeline.name}: stage {stage.name} failed: {error}") from error
        if found.verdict is not None:
            self._record(release, stage.name, found.verdict)
        self._releases.stage_ended(
            release.number, position, Status.DONE, {"sentence": found.sentence, **found.figures}, _now()
        )
        log.info("%s: %s", stage.name, found.sentence)
        if position == len(release.stages) - 1:
            self._releases.end(release.number, Status.DONE, release.sentence, _now())
        return found

    def _failed(self, release: Release, position: int, error: Exception) -> None:
        stage, detail = release.stages[position], {"sentence": str(error), "error": type(error).__name__}
        log.error("%s: %s", stage.name, error)
        if isinstance(stage, Drain | Retire):  # the new colour has proven itself and stays: only tried again
            self._releases.stage_ended(release.number, position, Status.FAILED, detail, _now())
            return
        # Requests first: nothing that could fail by itself, such as the ledger, comes before them.
        seconds = {"back_after_seconds": self._route_back(release)}
        self._releases.stage_ended(release.number, position, Status.FAILED, {**detail, **seconds}, _now())
        self._end_taken_back(release, f"{stage.name}: {error}")
        if isinstance(error, GuardBreach):
            self._record(release, stage.name, error.verdict)
        if isinstance(error, AskedBack):
            self._record(release, stage.name, _by_hand(error.reason))

    def _route_back(self, release: Release) -> float:
        """Send all requests where they went before; returns the seconds until the router had acknowledged."""
        began, wanted = time.monotonic(), Traffic(release.before.colour if release.before else None)
        self._backend.route(wanted)
        self._actions(release).await_traffic(wanted)
        return round(time.monotonic() - began, 3)

    def _end_taken_back(self, release: Release, reason: str, status: Status = Status.FAILED) -> None:
        """Make ledger and colours as they were before the release, to which requests are no longer routed."""
        before, name = release.before, self._pipeline.name
        endpoint = self._releases.endpoint(name)
        if endpoint is not None and (endpoint.colour, endpoint.version) == (release.colour, release.version):
            if before:
                self._releases.point(name, before.colour, before.version, release.previous_version, _now())
            else:
                self._releases.forget_endpoint(name)
        self._actions(release).drain(release.colour, self._pipeline.release.drain_seconds)
        self._backend.stop(release.colour)
        now = f"version {before.version} answers as {before.colour}" if before else "nothing answers yet"
        self._releases.end(release.number, status, f"{reason} ({release.colour} is stopped; {now})", _now())

    def _take_back_by_hand(self, release: Release, reason: str) -> None:
        """As an operator asks, where no process works on the release."""
        if self._releases.get(release.number).status != Status.RUNNING:
            return
        if self._reached(release, Drain):  # the old colour is no longer whole: it is too late for this way
            self._run_rest(release)
            return
        self._route_back(release)
        verdict = _by_hand(reason)
        self._end_taken_back(release, verdict.sentence)
        self._record(release, "between two stages", verdict)

    def _overtake(self, release: Release, wanted: str) -> None:
        if self._reached(release, Switch):
            log.info("release %s has switched already: it is brought to its end first", release.number)
            try:
                self._run_rest(release)
            except ReleaseError as error:
                if self._releases.get(release.number).status == Status.RUNNING:
                    raise
                log.warning("release %s is taken back, and version %s comes next: %s", release.number, wanted, error)
            return
        self._route_back(release)
        self._end_taken_back(release, f"overtaken by version {wanted}", Status.SUPERSEDED)

    def _run_rest(self, release: Release) -> None:
        done = self._done(release.number)
        for position in range(len(release.stages)):
            if position not in done:
                self._run(release, position)

    def _situation(self, champion: str | None) -> Situation:
        return situation(self._pipeline.name, champion, self._backend, self._releases)

    def _actions(self, release: Release) -> Actions:
        def detail(stage: str) -> Mapping[str, Any]:
            rows = self._releases.stages(release.number)
            return next((row.detail for row in rows if row.name == stage and row.status == Status.DONE), {})

        def point(colour: Colour, version: str) -> None:
            replaced = release.before.version if release.before else None
            # A version that replaces itself, because it had fallen ill, keeps its way back.
            previous = release.previous_version if replaced == version else replaced
            self._releases.point(self._pipeline.name, colour, version, previous, _now())

        assert isinstance(release.stages[0], Package)  # every plan begins with it: later stages read what it made
        memory = Memory(detail, point, lambda: self._releases.asked_back(release.number))
        return Actions(self._backend, self._build, memory, self._scores)

    def _record(self, release: Release, stage: str, verdict: Verdict) -> None:
        subject = f"version {release.version} in {stage}"
        self._releases.ledger.record(self._pipeline.name, subject, f"release {release.number}", verdict, _now())

    def _reached(self, release: Release, kind: type[Stage]) -> bool:
        """Whether a stage of this kind has begun."""
        begun = {row.position for row in self._releases.stages(release.number)}
        return any(isinstance(stage, kind) and n in begun for n, stage in enumerate(release.stages))

    def _done(self, number: int) -> set[int]:
        return {stage.position for stage in self._releases.stages(number) if stage.status == Status.DONE}

    def _alone(self) -> Any:
        strategy = self._pipeline.release.strategy
        bakes = [self._pipeline.release.bake_seconds]
        bakes += [step.bake_seconds for step in strategy.steps] if strategy.kind == "canary" else []
        bakes += [strategy.seconds] if strategy.kind == "shadow" else []
        return self._releases.exclusively(self._pipeline.name, PATIENCE_SECONDS + sum(bakes))


def _by_hand(reason: str) -> Verdict:
    return Verdict(Kind.RELEASE, Outcome.ROLLED_BACK, f"taken back by hand: {reason}")


def _live_colour(state: State) -> Colour:
    assert state.live is not None  # a plan is empty only where the wanted version is live
    return state.live.colour
