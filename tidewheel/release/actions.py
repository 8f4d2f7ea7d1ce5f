"""What each stage does. Every action may run twice: a release that was killed runs its last stage again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidewheel.errors import ReleaseError
from tidewheel.policies.verdict import Outcome
from tidewheel.release.artifact import Artifact
from tidewheel.release.backend import RequestCounts
from tidewheel.release.checks import confirm, verify_parity, warm_up
from tidewheel.release.probe import Probe, Unanswered
from tidewheel.release.stages import (
    AwaitReady,
    Bake,
    Canary,
    Colour,
    Confirm,
    Drain,
    Mirror,
    Package,
    Retire,
    Stage,
    StageResult,
    StartIdle,
    Switch,
    VerifyParity,
    WarmUp,
    Watched,
)
from tidewheel.release.traffic import POLL_SECONDS, Traffic, await_router, current_traffic, drain, reroute
from tidewheel.release.watch import Scores, Usual, Watch

if TYPE_CHECKING:
    from tidewheel.policies.verdict import Verdict
    from tidewheel.release.artifact import GoldenRow
    from tidewheel.release.backend import Backend


READY_AGAIN_SECONDS = 30.0


class GuardBreach(ReleaseError):
    """The guard takes the release back.

    Attributes:
        verdict: why.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.sentence)
        self.verdict = verdict


@dataclass(frozen=True)
class Memory:
    """What the ledger remembers of a release; each may be asked by another process than the one that wrote it.

    Attributes:
        detail: what a stage has found, by its name; empty where it is not done.
        point: says what shall answer.
        asked_back: why an operator wants the old version back, empty while nobody does.
    """

    detail: Callable[[str], Mapping[str, Any]]
    point: Callable[[Colour, str], None]
    asked_back: Callable[[], str]


@dataclass(frozen=True)
class Actions:
    """The stages' actions, for one release.

    Attributes:
        backend: where it happens.
        build: makes the artifact of a version.
        memory: what earlier stages have found.
        scores: reads what callers were answered; None where nobody keeps that.
    """

    backend: Backend
    build: Callable[[str], Artifact]
    memory: Memory
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
                return self._answered(stage.colour, lambda: warm_up(stage, self.backend, self._golden()))
            case VerifyParity():
                return self._answered(stage.colour, lambda: verify_parity(stage, self.backend, self._artifact()))
            case Mirror(colour, against):
                return self._beside(stage, Traffic(against, mirrored=True))
            case Canary(colour, against, share=share):
                return self._beside(stage, Traffic(against, share=share))
            case Bake(colour, against):
                return self._bake(stage)
            case Switch(colour, version):
                return self._switch(colour, version)
            case Confirm():
                return confirm(stage, self.backend, self._golden()[0].row)
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
        figures = self._counted_of(colour.other)
        self.backend.start(colour, self._artifact(), replicas)
        addresses = ", ".join(self.backend.addresses(colour))
        return StageResult(f"version {version} is starting as {colour} at {addresses}", figures)

    def _await_ready(self, colour: Colour, timeout_seconds: float) -> StageResult:
        started = time.monotonic()
        while why := self.backend.missing(colour):
            if problem := self.backend.problem(colour):
                raise ReleaseError(f"{colour} did not start: {problem}")
            if time.monotonic() - started > timeout_seconds:
                raise ReleaseError(f"{colour} is not ready after {timeout_seconds:g} s: {why}")
            time.sleep(POLL_SECONDS)
        seconds = round(time.monotonic() - started, 2)
        return StageResult(f"{colour} is ready after {seconds:g} s", {"seconds": seconds})

    def _answered(self, colour: Colour, prove: Callable[[], StageResult]) -> StageResult:
        """Prove something of a colour that is not routed to; if it stops answering, once more when it is ready again.

        A Service of Kubernetes follows the readiness of its pods with a delay, in both directions.
        """
        try:
            return prove()
        except Unanswered:
            self._await_ready(colour, READY_AGAIN_SECONDS)
            return prove()

    def _switch(self, colour: Colour, version: str) -> StageResult:
        for address in self.backend.addresses(colour):
            with Probe(address, platform_token=self.backend.token()) as probe:
                if why := probe.unready():
                    raise ReleaseError(f"{colour} is no longer ready, nothing was switched: {why}")
        figures = self._counted_of(colour.other)
        # The ledger says what is wanted, the router follows: killed in between, the stage runs again.
        self.memory.point(colour, version)
        self.backend.route(Traffic(colour))
        return StageResult(f"all requests are routed to {colour}", figures)

    def _beside(self, stage: Mirror | Canary, traffic: Traffic) -> StageResult:
        """Let the new colour have requests beside the old one, and watch both."""
        reroute(self.backend, traffic)
        return self._watch(stage, None)

    def _bake(self, stage: Bake) -> StageResult:
        if (traffic := current_traffic(self.backend)) != Traffic(stage.colour):
            raise ReleaseError(f"requests go to {traffic}, not to {stage.colour} alone: it has been taken back")
        started, switched = self.memory.detail("start"), self.memory.detail("switch")
        if "counted" not in started or "counted" not in switched:
            return self._watch(stage, Usual(None))
        seen = RequestCounts.from_json(switched["counted"]).since(RequestCounts.from_json(started["counted"]))
        times = datetime.fromisoformat(started["at"]), datetime.fromisoformat(switched["at"])
        return self._watch(stage, Usual(seen, times))

    def _watch(self, stage: Watched, usual: Usual | None) -> StageResult:
        versions = (self._version(stage.colour), self._version(stage.against))
        watch = Watch(stage, self.backend, versions, self._golden(), usual, self.scores, self.memory.asked_back)
        verdict = watch.run()
        if verdict.outcome is not Outcome.PASSED:
            raise GuardBreach(verdict)
        return StageResult(verdict.sentence, dict(verdict.inputs), verdict)

    def _artifact(self) -> Artifact:
        """What the release's first stage has built."""
        return Artifact(**self.memory.detail(Package.kind)["artifact"])

    def _golden(self) -> list[GoldenRow]:
        return self._artifact().golden_rows()

    def _version(self, colour: Colour) -> str:
        return self.backend.version(colour) or "unknown"

    def _counted_of(self, colour: Colour) -> dict[str, Any]:
        """What the router has counted of a colour by now, for the guard to compare with later."""
        if self.backend.version(colour) is None:
            return {}
        counted = await_router(lambda: self.backend.request_counts(colour))
        return {"counted": asdict(counted), "at": datetime.now(UTC).isoformat()}
