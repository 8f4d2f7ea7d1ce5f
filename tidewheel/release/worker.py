"""Works on a release: runs a stage, writes it into the ledger, and takes the release back where it fails."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidewheel.errors import LedgerError, ReleaseError
from tidewheel.ledger.outage import LedgerAway
from tidewheel.ledger.releases import Releases, Status, TakenOver
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.release.actions import Actions, GuardBreach, Memory
from tidewheel.release.artifact import Artifact
from tidewheel.release.recall import AskedBack
from tidewheel.release.record import Release
from tidewheel.release.stages import Colour, Confirm, Drain, Package, Retire, Stage, Switch, Watched
from tidewheel.release.traffic import drain, reroute
from tidewheel.release.watch import Scores

if TYPE_CHECKING:
    from tidewheel.release.backend import Backend
    from tidewheel.release.stages import StageResult
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.release")

RECORD_SECONDS = 600.0
"""How long what a stage has found, or that a release was taken back, waits for a ledger that is away."""
UNGUARDED_SECONDS = 10.0
"""How long it waits where a new version answers callers and no guard watches it yet: then the old one answers again."""
HOLD_SECONDS = 2.0


@dataclass(frozen=True)
class Worker:
    """Works on the releases of one pipeline. Whoever calls sees to it that nobody else does.

    Attributes:
        pipeline: its declaration.
        backend: where it is released to.
        releases: the ledger.
        build: makes the artifact of a version.
        scores: reads what callers were answered; None where nobody keeps that.
    """

    pipeline: Pipeline
    backend: Backend
    releases: Releases
    build: Callable[[str], Artifact]
    scores: Scores | None

    def done(self, release: Release) -> set[int]:
        """Positions of the stages that are done."""
        return {row.position for row in self.releases.stages(release.number) if row.status == Status.DONE}

    def reached(self, release: Release, kind: type[Stage]) -> bool:
        """Whether a stage of this kind has begun."""
        begun = {row.position for row in self.releases.stages(release.number)}
        return any(isinstance(stage, kind) and n in begun for n, stage in enumerate(release.stages))

    def run(self, release: Release, position: int) -> StageResult:
        """Run a stage.

        Raises:
            ReleaseError: it fails; before `drain`, the release is taken back.
            TakenOver: another process works on the release.
            LedgerAway: the ledger has been away for long; the release waits for it, unless its version answers
                callers and is not proven yet: then it is taken back as far as requests go.
        """
        stage, ledger = release.stages[position], self.releases.ledger
        unproven = isinstance(stage, Switch | Confirm | Watched)
        try:
            with ledger.patient(UNGUARDED_SECONDS if unproven else ledger.patience_seconds):
                self.releases.stage_began(release.number, position, stage.name, _now())
                self._heed(release, stage)
                found = self._actions(release).perform(stage)
            with ledger.patient(UNGUARDED_SECONDS if isinstance(stage, Switch | Confirm) else RECORD_SECONDS):
                self._done(release, position, found)
        except LedgerAway:
            # Nothing is known to be wrong with the release: it is resumed. But no version answers without a guard.
            self.retreat(release, stage)
            raise
        except LedgerError:
            raise
        except Exception as error:
            self._failed(release, position, error)
            raise ReleaseError(f"{self.pipeline.name}: stage {stage.name} failed: {error}") from error
        return found

    def _done(self, release: Release, position: int, found: StageResult) -> None:
        stage = release.stages[position]
        if found.verdict is not None:
            self._record(release, stage.name, found.verdict)
        detail = {"sentence": found.sentence, **found.figures}
        self.releases.stage_ended(release.number, position, Status.DONE, detail, _now())
        log.info("%s: %s", stage.name, found.sentence)
        if position == len(release.stages) - 1:
            self.releases.end(release.number, Status.DONE, release.sentence, _now())

    def retreat(self, release: Release, stage: Stage) -> None:
        """Send all requests to the old version, where the ledger has been away for so long that nobody would watch.

        Raises:
            ReleaseError: the router does not accept it.
        """
        if isinstance(stage, Switch | Confirm | Watched) and release.before and release.before.healthy:
            self._route_back(release)

    def run_rest(self, release: Release) -> None:
        """Run what is left of a release.

        Raises:
            ReleaseError: a stage fails.
        """
        done = self.done(release)
        for position in range(len(release.stages)):
            if position not in done:
                self.run(release, position)

    def take_back(self, release: Release, reason: str) -> None:
        """Take a release back as an operator asks; one that drains the old colour is brought to its end instead."""
        if self.releases.get(release.number).status != Status.RUNNING:
            return
        if self.reached(release, Drain):  # the old colour is no longer whole: it is too late for this way
            self.run_rest(release)
            return
        self._route_back(release)
        verdict = _by_hand(reason)
        self._end_taken_back(release, verdict.sentence)
        self._record(release, "between two stages", verdict)

    def overtake(self, release: Release, wanted: str) -> None:
        """End a release because another version is wanted: before its switch it is taken back, after it finished.

        Raises:
            ReleaseError: its old colour can be neither drained nor stopped.
        """
        if self.reached(release, Switch):
            log.info("release %s has switched already: it is brought to its end first", release.number)
            try:
                self.run_rest(release)
            except ReleaseError as error:
                if self.releases.get(release.number).status == Status.RUNNING:
                    raise
                log.warning("release %s is taken back, and version %s comes next: %s", release.number, wanted, error)
            return
        self._route_back(release)
        self._end_taken_back(release, f"overtaken by version {wanted}", Status.SUPERSEDED)

    def _heed(self, release: Release, stage: Stage) -> None:
        """See that nobody has asked for the old version while an earlier stage ran.

        Raises:
            AskedBack: somebody has, and the old colour is still whole.
        """
        reason = self.releases.asked_back(release.number)
        if reason and not isinstance(stage, Drain | Retire):
            raise AskedBack(reason)

    def _failed(self, release: Release, position: int, error: Exception) -> None:
        stage, detail = release.stages[position], {"sentence": str(error), "error": type(error).__name__}
        log.error("%s: %s", stage.name, error)
        if isinstance(stage, Drain | Retire):  # the new colour has proven itself and stays: only tried again
            self.releases.stage_ended(release.number, position, Status.FAILED, detail, _now())
            return
        # Requests first: nothing that could fail by itself, such as the ledger, comes before them.
        seconds = {"back_after_seconds": self._route_back(release)}
        with self.releases.ledger.patient(RECORD_SECONDS):
            self.releases.stage_ended(release.number, position, Status.FAILED, {**detail, **seconds}, _now())
            self._end_taken_back(release, f"{stage.name}: {error}")
            if isinstance(error, GuardBreach):
                self._record(release, stage.name, error.verdict)
            if isinstance(error, AskedBack):
                self._record(release, stage.name, _by_hand(error.reason))

    def _route_back(self, release: Release) -> float:
        """Send all requests where they went before; returns the seconds until the router had acknowledged.

        Raises:
            TakenOver: another process works on the release, or has brought it to its end.
            ReleaseError: the router does not accept it.
        """
        began, before = time.monotonic(), release.before
        if not self._holds():
            # Nobody can have taken a release over while the ledger is away, but somebody may have before.
            if before and self.backend.version(before.colour) != before.version:
                raise TakenOver(
                    f"{before.colour} no longer runs version {before.version}: another process has brought release "
                    f"{release.number} to its end"
                )
            log.warning("%s: requests are routed back while the ledger is away", self.pipeline.name)
        reroute(self.backend, release.traffic_before)
        return round(time.monotonic() - began, 3)

    def _holds(self) -> bool:
        """Whether this process is known to work alone; False where the ledger is away, or does not answer at once.

        Raises:
            TakenOver: it does not.
        """
        answers: queue.SimpleQueue[LedgerError | None] = queue.SimpleQueue()

        def ask() -> None:
            try:
                self.releases.hold()
            except LedgerError as error:
                answers.put(error)
            else:
                answers.put(None)

        # A ledger that hangs would hold up the way back: it is asked in a thread that nobody waits for.
        threading.Thread(target=ask, name="hold", daemon=True).start()
        try:
            found = answers.get(timeout=HOLD_SECONDS)
        except queue.Empty:
            return False
        if isinstance(found, TakenOver):
            raise found
        return found is None

    def _end_taken_back(self, release: Release, reason: str, status: Status = Status.FAILED) -> None:
        """Make ledger and colours as they were before the release, to which requests are no longer routed."""
        before, name = release.before, self.pipeline.name
        endpoint = self.releases.endpoint(name)
        if endpoint is not None and (endpoint.colour, endpoint.version) == (release.colour, release.version):
            if before:
                self.releases.point(name, before.colour, before.version, release.previous_version, _now())
            else:
                self.releases.forget_endpoint(name)
        drain(self.backend, release.colour, self.pipeline.release.drain_seconds)
        self.backend.stop(release.colour)
        now = f"version {before.version} answers as {before.colour}" if before else "nothing answers yet"
        self.releases.end(release.number, status, f"{reason} ({release.colour} is stopped; {now})", _now())

    def _actions(self, release: Release) -> Actions:
        def detail(stage: str) -> Mapping[str, Any]:
            rows = self.releases.stages(release.number)
            return next((row.detail for row in rows if row.name == stage and row.status == Status.DONE), {})

        def point(colour: Colour, version: str) -> None:
            replaced = release.before.version if release.before else None
            # A version that replaces itself, because it had fallen ill, keeps its way back.
            previous = release.previous_version if replaced == version else replaced
            self.releases.point(self.pipeline.name, colour, version, previous, _now())

        def asked_back() -> str:
            self.releases.hold()  # after an outage the right to work alone is taken again as soon as can be
            return self.releases.asked_back(release.number)

        assert isinstance(release.stages[0], Package)  # every plan begins with it: later stages read what it made
        memory = Memory(detail, point, asked_back)
        return Actions(self.backend, self.build, memory, self.scores)

    def _record(self, release: Release, stage: str, verdict: Verdict) -> None:
        subject = f"version {release.version} in {stage}"
        self.releases.ledger.record(self.pipeline.name, subject, f"release {release.number}", verdict, _now())


def _now() -> datetime:
    return datetime.now(UTC)


def _by_hand(reason: str) -> Verdict:
    return Verdict(Kind.RELEASE, Outcome.ROLLED_BACK, f"taken back by hand: {reason}")
