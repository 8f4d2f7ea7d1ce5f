"""What each stage does. Every action may run twice: a release that was killed runs its last stage again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tidewheel.errors import ReleaseError
from tidewheel.policies.guard import RequestCounts
from tidewheel.policies.verdict import Outcome
from tidewheel.polling import poll
from tidewheel.release.artifact import Artifact
from tidewheel.release.checks import confirm, verify_parity, warm_up
from tidewheel.release.probe import Probe, Unanswered
from tidewheel.release.stages import (
    AwaitReady,
    Bake,
    CanaryStage,
    Colour,
    Confirm,
    Drain,
    GuardBreach,
    GuardedStage,
    Mirror,
    Package,
    Retire,
    Stage,
    StageResult,
    StartIdle,
    Switch,
    VerifyParity,
    WarmUp,
)
from tidewheel.release.traffic import POLL_SECONDS, Traffic, await_router, current_traffic, drain, reroute
from tidewheel.release.watch import Baseline, Scores, StageWatch

if TYPE_CHECKING:
    from tidewheel.release.artifact import ExpectedPrediction
    from tidewheel.release.backend import Backend
    from tidewheel.release.record import RecordedRelease, ReleaseRecord


READY_AGAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Actions:
    """The stages' actions, for one release.

    Attributes:
        release: whose stages.
        backend: where it happens.
        record: what earlier stages have written down, also in another process.
        build: makes the artifact of a version.
        scores: reads what callers were answered; None where nobody keeps that.
    """

    release: RecordedRelease
    backend: Backend
    record: ReleaseRecord
    build: Callable[[str], Artifact]
    scores: Scores | None

    def perform(self, stage: Stage) -> StageResult:
        """Run one stage.

        Raises:
            TidewheelError: it fails.
        """
        match stage:
            case Package(version):
                return self._package(version)
            case StartIdle(colour, version, replicas):
                return self._start(colour, version, replicas)
            case AwaitReady(colour, timeout_seconds):
                return self._await_ready(colour, timeout_seconds)
            case WarmUp():
                return self._try_again(stage.colour, lambda: warm_up(stage, self.backend, self._golden_rows()))
            case VerifyParity():
                return self._try_again(stage.colour, lambda: verify_parity(stage, self.backend, self._artifact()))
            case Mirror(colour, against):
                return self._beside(stage, Traffic(against, mirrored=True))
            case CanaryStage(colour, against, share=share):
                return self._beside(stage, Traffic(against, share=share))
            case Bake(colour, against):
                return self._bake(stage)
            case Switch(colour):
                return self._switch(colour)
            case Confirm():
                return confirm(stage, self.backend, self._golden_rows()[0].row)
            case Drain(colour, timeout_seconds):
                return drain(self.backend, colour, timeout_seconds)
            case Retire(colour):
                self.backend.stop(colour)
                return StageResult(f"{colour} is stopped", {})

    def _package(self, version: str) -> StageResult:
        artifact = self.build(version)
        return StageResult(
            f"Bento {artifact.tag}, content {artifact.content_hash[:12]}", {"artifact": asdict(artifact)}
        )

    def _start(self, colour: Colour, version: str, replicas: int) -> StageResult:
        if colour in self.backend.traffic().reached:
            raise ReleaseError(f"{colour} is live: nothing may be started in its place")
        figures = self._request_counts(colour.other)
        self.backend.start(colour, self._artifact(), replicas)
        addresses = ", ".join(self.backend.addresses(colour))
        return StageResult(f"version {version} is starting as {colour} at {addresses}", figures)

    def _await_ready(self, colour: Colour, timeout_seconds: float) -> StageResult:
        started = time.monotonic()
        for _ in poll(timeout_seconds, every=POLL_SECONDS):
            if not (why := self.backend.missing(colour) or self._unreached(colour)):
                seconds = round(time.monotonic() - started, 2)
                return StageResult(f"{colour} is ready after {seconds:g} s", {"seconds": seconds})
            if problem := self.backend.problem(colour):
                raise ReleaseError(f"{colour} did not start: {problem}")
        raise ReleaseError(f"{colour} is not ready after {timeout_seconds:g} s: {why}")

    def _unreached(self, colour: Colour) -> str:
        """Why a colour's own address is not answered by a ready pod, empty where it is.

        A Service of Kubernetes follows the readiness of its pods with a delay, in both directions.
        """
        with Probe(self.backend.address(colour), platform_token=self.backend.token()) as probe:
            return probe.unready()

    def _try_again(self, colour: Colour, check: Callable[[], StageResult]) -> StageResult:
        """Check a colour that is not routed to; if it stops answering, once more when it is ready again."""
        try:
            return check()
        except Unanswered:
            self._await_ready(colour, READY_AGAIN_SECONDS)
            return check()

    def _switch(self, colour: Colour) -> StageResult:
        for address in self.backend.addresses(colour):
            with Probe(address, platform_token=self.backend.token()) as probe:
                if why := probe.unready():
                    raise ReleaseError(f"{colour} is no longer ready, nothing was switched: {why}")
        figures = self._request_counts(colour.other)
        # The ledger says what is live, the router follows: killed in between, the stage runs again.
        self.record.switch(self.release)
        self.backend.route(Traffic(colour))
        return StageResult(f"all requests are routed to {colour}", figures)

    def _beside(self, stage: Mirror | CanaryStage, traffic: Traffic) -> StageResult:
        """Let the new colour have requests beside the old one, and watch both."""
        reroute(self.backend, traffic)
        return self._watch(stage)

    def _bake(self, stage: Bake) -> StageResult:
        if (traffic := current_traffic(self.backend)) != Traffic(stage.colour):
            raise ReleaseError(f"requests go to {traffic}, not to {stage.colour} alone: it has been taken back")
        started, switched = self.record.detail(self.release, StartIdle), self.record.detail(self.release, Switch)
        if "counted" not in started or "counted" not in switched:
            return self._watch(stage)
        seen = RequestCounts.from_json(switched["counted"]).since(RequestCounts.from_json(started["counted"]))
        if seen is None:
            return self._watch(stage)
        times = datetime.fromisoformat(started["at"]), datetime.fromisoformat(switched["at"])
        return self._watch(stage, Baseline(seen, times))

    def _watch(self, stage: GuardedStage, baseline: Baseline | None = None) -> StageResult:
        rollback_requested = partial(self.record.rollback_requested, self.release)
        watch = StageWatch(stage, self.backend, self._golden_rows(), rollback_requested, self.scores, baseline)
        verdict = watch.run()
        if verdict.outcome is not Outcome.PASSED:
            raise GuardBreach(verdict)
        return StageResult(verdict.sentence, dict(verdict.inputs), verdict)

    def _artifact(self) -> Artifact:
        """What the release's first stage has built."""
        return Artifact(**self.record.detail(self.release, Package)["artifact"])

    def _golden_rows(self) -> list[ExpectedPrediction]:
        return self._artifact().golden_rows()

    def _request_counts(self, colour: Colour) -> dict[str, Any]:
        """What the router has counted of a colour by now, for the guard to compare with later."""
        if self.backend.version(colour) is None:
            return {}
        counted = await_router(lambda: self.backend.request_counts(colour))
        return {"counted": asdict(counted), "at": datetime.now(UTC).isoformat()}
