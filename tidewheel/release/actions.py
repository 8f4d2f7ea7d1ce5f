"""What each stage does. Every action may run twice: a release that was killed runs its last stage again."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tidewheel.errors import ReleaseError
from tidewheel.release.probe import Probe
from tidewheel.release.stages import (
    AwaitReady,
    Confirm,
    Drain,
    Package,
    Retire,
    Stage,
    StartIdle,
    Switch,
    VerifyParity,
    WarmUp,
)

if TYPE_CHECKING:
    from tidewheel.release.artifact import Artifact
    from tidewheel.release.backend import Backend
    from tidewheel.release.stages import Colour

POLL_SECONDS = 0.1
ROUTER_SECONDS = 10.0
"""How long the router may take to accept new routes."""
QUIET_SECONDS = 0.5
"""A colour that has had no request in flight for this long is drained."""
WARM_UP_REQUESTS, JUDGED_REQUESTS = 30, 15


@dataclass(frozen=True)
class Found:
    """What a stage did: a sentence for a person, figures for the ledger."""

    sentence: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Actions:
    """The stages' actions, for one release.

    Attributes:
        backend: where it happens.
        build: makes the artifact of a version.
        artifact: gives the artifact that the release's first stage has built.
        point: says in the ledger what shall answer.
    """

    backend: Backend
    build: Callable[[str], Artifact]
    artifact: Callable[[], Artifact]
    point: Callable[[Colour, str], None]

    def perform(self, stage: Stage) -> Found:
        """Run one stage.

        Raises:
            TidewheelError: it fails.
        """
        match stage:
            case Package(version):
                return self._package(version)
            case StartIdle(colour, version):
                return self._start(colour, version)
            case AwaitReady(colour, timeout_seconds):
                return self._await_ready(colour, timeout_seconds)
            case WarmUp(colour, latency_budget_ms):
                return self._warm_up(colour, latency_budget_ms)
            case VerifyParity(colour, tolerance):
                return self._verify_parity(colour, tolerance)
            case Switch(colour, version):
                return self._switch(colour, version)
            case Confirm(colour, version):
                return self._confirm(colour, version)
            case Drain(colour, timeout_seconds):
                return self.drain(colour, timeout_seconds)
            case Retire(colour):
                self.backend.stop(colour)
                return Found(f"{colour} is stopped", {})

    def _package(self, version: str) -> Found:
        artifact = self.build(version)
        return Found(f"Bento {artifact.tag}, content {artifact.content_hash[:12]}", {"artifact": asdict(artifact)})

    def _start(self, colour: Colour, version: str) -> Found:
        if self.backend.routed() is colour:
            raise ReleaseError(f"{colour} is live: nothing may be started in its place")
        self.backend.start(colour, self.artifact())
        return Found(f"version {version} is starting as {colour} at {self.backend.address(colour)}", {})

    def _await_ready(self, colour: Colour, timeout_seconds: float) -> Found:
        started = time.monotonic()
        with Probe(self.backend.address(colour)) as probe:
            while why := probe.unready():
                if problem := self.backend.problem(colour):
                    raise ReleaseError(f"{colour} did not start: {problem}")
                if time.monotonic() - started > timeout_seconds:
                    raise ReleaseError(f"{colour} is not ready after {timeout_seconds:g} s: {why}")
                time.sleep(POLL_SECONDS)
        seconds = round(time.monotonic() - started, 2)
        return Found(f"{colour} is ready after {seconds:g} s", {"seconds": seconds})

    def _warm_up(self, colour: Colour, latency_budget_ms: float) -> Found:
        rows = [golden.row for golden in self.artifact().golden_rows()]
        with Probe(self.backend.address(colour)) as probe:
            times = [probe.predict([rows[n % len(rows)]]).milliseconds for n in range(WARM_UP_REQUESTS)]
        median = round(statistics.median(times[-JUDGED_REQUESTS:]), 3)
        figures = {"first_ms": round(times[0], 3), "median_ms": median, "worst_ms": round(max(times[1:]), 3)}
        if median > latency_budget_ms:
            raise ReleaseError(
                f"{colour} answers a golden row in {median:g} ms (median of {JUDGED_REQUESTS}), "
                f"more than the {latency_budget_ms:g} ms of serving.latency_budget_ms"
            )
        return Found(f"{colour} answers a golden row in {median:g} ms, {latency_budget_ms:g} ms are allowed", figures)

    def _verify_parity(self, colour: Colour, tolerance: float) -> Found:
        artifact = self.artifact()
        golden = artifact.golden_rows()
        with Probe(self.backend.address(colour)) as probe:
            answer = probe.predict([row.row for row in golden])
        if (answer.version, answer.colour) != (artifact.version, colour):
            raise ReleaseError(
                f"at {self.backend.address(colour)} version {answer.version} answers as {answer.colour}; "
                f"expected version {artifact.version} as {colour}"
            )
        worst, difference = 0, 0.0
        for place, (row, served) in enumerate(zip(golden, answer.predictions, strict=True)):
            apart = abs(served - row.prediction) / max(1.0, abs(row.prediction))
            if not apart <= difference:  # NaN is a difference too
                worst, difference = place, apart
        if not difference <= tolerance:
            raise ReleaseError(
                f"{colour} answers {answer.predictions[worst]:g} for golden row {worst}, offline it was "
                f"{golden[worst].prediction:g}: apart by {difference:.2g}, allowed are {tolerance:g}"
            )
        figures = {"rows": len(golden), "max_difference": difference}
        return Found(f"{len(golden)} golden rows answered as offline, apart by {difference:.1g} at most", figures)

    def _switch(self, colour: Colour, version: str) -> Found:
        with Probe(self.backend.address(colour)) as probe:
            if why := probe.unready():
                raise ReleaseError(f"{colour} is no longer ready, nothing was switched: {why}")
        # The ledger says what is wanted, the router follows: killed in between, the stage runs again.
        self.point(colour, version)
        self.backend.route_to(colour)
        return Found(f"all requests are routed to {colour}", {})

    def _confirm(self, colour: Colour, version: str) -> Found:
        started = time.monotonic()
        self.await_routed(colour)
        row = self.artifact().golden_rows()[0].row
        with Probe(self.backend.endpoint()) as probe:
            while True:
                answer = probe.predict([row])
                if (answer.colour, answer.version) == (colour, version):
                    break
                if time.monotonic() - started > ROUTER_SECONDS:
                    raise ReleaseError(
                        f"{self.backend.endpoint()} is still answered by version {answer.version} as {answer.colour}"
                    )
                time.sleep(POLL_SECONDS)
        seconds = round(time.monotonic() - started, 3)
        sentence = f"{self.backend.endpoint()} is answered by version {version} as {colour}"
        return Found(sentence, {"seconds": seconds, "through_router_ms": round(answer.milliseconds, 3)})

    def await_routed(self, colour: Colour | None) -> None:
        """Wait until the router has accepted where requests go.

        Raises:
            ReleaseError: it has not within `ROUTER_SECONDS`.
        """
        deadline = time.monotonic() + ROUTER_SECONDS
        while (routed := self.backend.routed()) is not colour:
            if time.monotonic() > deadline:
                raise ReleaseError(
                    f"the router still sends requests to {routed or 'no colour'}, it was told {colour or 'no colour'}"
                )
            time.sleep(POLL_SECONDS)

    def drain(self, colour: Colour, timeout_seconds: float) -> Found:
        """Wait until a colour that nothing is routed to has answered what it had begun.

        Raises:
            ReleaseError: requests are still routed to it.
        """
        if self.backend.routed() is colour:
            raise ReleaseError(f"requests are still routed to {colour}: it cannot be drained")
        started = quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < min(QUIET_SECONDS, timeout_seconds):
            if left := self.backend.in_flight(colour):
                if time.monotonic() - started > timeout_seconds:
                    sentence = f"{left} requests to {colour} are not answered after {timeout_seconds:g} s"
                    return Found(sentence, {"left": left})
                quiet_since = time.monotonic()
            time.sleep(POLL_SECONDS)
        return Found(f"{colour} has no request in flight", {"left": 0})
