"""Works on a release: runs a stage, writes it into the ledger, and takes the release back where it fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidewheel.errors import LedgerError, ReleaseError
from tidewheel.ledger.releases import Releases, Status
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.release.actions import Actions, GuardBreach, Memory
from tidewheel.release.artifact import Artifact
from tidewheel.release.record import Release
from tidewheel.release.rerouting import drain, reroute
from tidewheel.release.stages import Colour, Drain, Package, Retire, Stage, Switch
from tidewheel.release.watch import AskedBack, Scores

if TYPE_CHECKING:
    from tidewheel.release.backend import Backend
    from tidewheel.release.proofs import Found
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.release")


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

    def run(self, release: Release, position: int) -> Found:
        """Run a stage.

        Raises:
            ReleaseError: it fails; before `drain`, the release is taken back.
            LedgerError: the ledger cannot be reached; the release waits for it.
        """
        stage = release.stages[position]
        self.releases.stage_began(release.number, position, stage.name, _now())
        try:
            self._heed(release, stage)
            found = self._actions(release).perform(stage)
        except LedgerError:
            raise  # nothing is known to be wrong with the release: it waits for the ledger, and is resumed
        except Exception as error:
            self._failed(release, position, error)
            raise ReleaseError(f"{self.pipeline.name}: stage {stage.name} failed: {error}") from error
        if found.verdict is not None:
            self._record(release, stage.name, found.verdict)
        self.releases.stage_ended(
            release.number, position, Status.DONE, {"sentence": found.sentence, **found.figures}, _now()
        )
        log.info("%s: %s", stage.name, found.sentence)
        if position == len(release.stages) - 1:
            self.releases.end(release.number, Status.DONE, release.sentence, _now())
        return found

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
        self.releases.stage_ended(release.number, position, Status.FAILED, {**detail, **seconds}, _now())
        self._end_taken_back(release, f"{stage.name}: {error}")
        if isinstance(error, GuardBreach):
            self._record(release, stage.name, error.verdict)
        if isinstance(error, AskedBack):
            self._record(release, stage.name, _by_hand(error.reason))

    def _route_back(self, release: Release) -> float:
        """Send all requests where they went before; returns the seconds until the router had acknowledged."""
        began = time.monotonic()
        reroute(self.backend, release.traffic_before)
        return round(time.monotonic() - began, 3)

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

        assert isinstance(release.stages[0], Package)  # every plan begins with it: later stages read what it made
        memory = Memory(detail, point, lambda: self.releases.asked_back(release.number))
        return Actions(self.backend, self.build, memory, self.scores)

    def _record(self, release: Release, stage: str, verdict: Verdict) -> None:
        subject = f"version {release.version} in {stage}"
        self.releases.ledger.record(self.pipeline.name, subject, f"release {release.number}", verdict, _now())


def _now() -> datetime:
    return datetime.now(UTC)


def _by_hand(reason: str) -> Verdict:
    return Verdict(Kind.RELEASE, Outcome.ROLLED_BACK, f"taken back by hand: {reason}")
