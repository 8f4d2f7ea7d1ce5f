"""Watching a new version beside the old one: window after window, measured here and judged by the guard.

An operator's request to go back is listened for beside it, so that a ledger that is away never holds up the guard.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from tidewheel.errors import LedgerError, PlatformError, ReleaseError
from tidewheel.ledger.releases import TakenOver
from tidewheel.policies.guard import GuardMeasurement, WindowComparison, WindowCounts
from tidewheel.policies.verdict import Outcome
from tidewheel.release.probe import Probe
from tidewheel.release.stages import AskedBack, Bake

if TYPE_CHECKING:
    from tidewheel.policies.guard import RequestCounts
    from tidewheel.policies.verdict import Verdict
    from tidewheel.release.artifact import ExpectedPrediction
    from tidewheel.release.backend import Backend
    from tidewheel.release.stages import Colour, GuardedStage

log = logging.getLogger("tidewheel.release")

GOLDEN_TIMEOUT_SECONDS = 2.0
"""A colour that hangs must not keep the window from closing."""
GOLDEN_BESIDE_CALLERS = 20
"""Golden rows a window where there are callers: they show whether it is the machine that is slow."""

LISTEN_SECONDS = 0.2
"""How long an operator who asks for a rollback waits at most until it is seen."""

Scores = Callable[[str, datetime, datetime], Sequence[float]]
"""What a version has answered callers between two moments, one prediction a distinct row; the prediction log knows."""


@dataclass(frozen=True)
class Baseline:
    """What the old version did before the switch, when callers' requests were its own.

    Attributes:
        seen: by the router's figures.
        times: from when to when that was.
    """

    seen: WindowCounts
    times: tuple[datetime, datetime]


@dataclass
class GoldenRequests:
    """Requests for golden rows to one colour, over the whole watch and in the present window."""

    probe: Probe
    rows: Sequence[ExpectedPrediction]
    times: list[int] = field(default_factory=list)
    errors: int = 0
    scores: dict[int, float] = field(default_factory=dict)
    failure: str = ""

    def send(self, row: int) -> None:
        """Request one golden row and note the answer."""
        started = time.perf_counter()
        try:
            self.scores[row] = self.probe.predict([self.rows[row].row]).scores[0]
        except ReleaseError as error:
            self.errors += 1
            self.failure = str(error)
        self.times.append(math.ceil((time.perf_counter() - started) * 1000))

    def close_window(self) -> WindowCounts:
        """What happened since the last call; scores are those of the whole watch, one a golden row."""
        counts = tuple(sorted((float(ms), self.times.count(ms)) for ms in set(self.times)))
        seen = WindowCounts(len(self.times), self.errors, times=counts, scores=tuple(self.scores.values()))
        self.times, self.errors = [], 0
        return seen


class RollbackListener:
    """Reads from the ledger whether an operator asks for a rollback, in a thread of its own, while the block runs.

    A ledger that is away, or that hangs, is tried until it answers; meanwhile the watch goes on.

    Args:
        requested: why an operator asks for the old version, empty while nobody does.
    """

    def __init__(self, requested: Callable[[], str]) -> None:
        self._requested = requested
        self._reason = ""
        self._taken_over: TakenOver | None = None
        self._over = threading.Event()
        # A daemon: it may hang in a question when all else is done.
        self._thread = threading.Thread(target=self._listen, name="rollback-listener", daemon=True)

    def __enter__(self) -> RollbackListener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def check(self) -> None:
        """See that the watch is to go on.

        Raises:
            AskedBack: an operator asks for the old version.
            TakenOver: another process works on the release since the ledger was away, and watches it.
        """
        if self._taken_over is not None:
            raise self._taken_over
        if self._reason:
            raise AskedBack(self._reason)

    def _listen(self) -> None:
        away = False
        while not self._over.is_set():
            try:
                self._reason = self._requested()
                if away:
                    log.info("the ledger is back")
                away = False
            except TakenOver as error:
                self._taken_over = error
                return
            except LedgerError as error:
                if not away:
                    log.warning("the guard watches on without the ledger: %s", error)
                away = True
            self._over.wait(LISTEN_SECONDS)


@dataclass(frozen=True)
class StageWatch:
    """One stage under the guard.

    Attributes:
        stage: which colours, how long, and by which rules.
        backend: where it happens.
        golden: rows to send.
        rollback_requested: why an operator asks for the old version, empty while nobody does; read in another thread.
        scores: reads what callers were answered; None where nobody keeps that.
        baseline: what the old version did before a bake, which takes its traffic; None where that is not known.
    """

    stage: GuardedStage
    backend: Backend
    golden: Sequence[ExpectedPrediction]
    rollback_requested: Callable[[], str]
    scores: Scores | None
    baseline: Baseline | None

    @cached_property
    def versions(self) -> tuple[str, str]:
        """The new one and the old one."""
        new, old = (self.backend.version(colour) or "unknown" for colour in (self.stage.colour, self.stage.against))
        return new, old

    def run(self) -> Verdict:
        """Watch until the guard has seen enough.

        Returns:
            passed or rolled back.

        Raises:
            AskedBack: an operator asks for the old version.
            TakenOver: another process works on the release.
        """
        policy, end = self.stage.guard, time.monotonic() + self.stage.seconds
        since, verdicts = datetime.now(UTC), []
        whole: GuardMeasurement | None = None
        quiet = True
        with ExitStack() as stack:
            new, old = (self._golden_requests(stack, colour) for colour in (self.stage.colour, self.stage.against))
            listener = stack.enter_context(RollbackListener(self.rollback_requested))
            while True:
                window = self._window(new, old, since, listener, quiet=quiet)
                whole = window if whole is None else whole + window
                verdicts.append(policy.judge(window))
                log.info("window %s: %s", len(verdicts), verdicts[-1].sentence)
                if (ended := policy.interim(verdicts)) is not None:
                    return ended
                if time.monotonic() >= end:
                    verdict = policy.final(window, whole)
                    if verdict.outcome is not Outcome.INCONCLUSIVE:
                        return verdict
                    if time.monotonic() >= end + policy.patience_seconds:
                        return policy.unproven(verdict)
                quiet = window.routed is None or window.routed.new.requests < policy.minimum_requests

    def _golden_requests(self, stack: ExitStack, colour: Colour) -> GoldenRequests:
        probe = Probe(self.backend.address(colour), GOLDEN_TIMEOUT_SECONDS, platform_token=self.backend.token())
        return GoldenRequests(stack.enter_context(probe), self.golden)

    def _window(
        self, new: GoldenRequests, old: GoldenRequests, since: datetime, listener: RollbackListener, *, quiet: bool
    ) -> GuardMeasurement:
        opened = self._request_counts()
        self._send_golden_rows(new, old, listener, quiet=quiet)
        routed = self._routed(opened, self._request_counts(), since)
        new_golden, old_golden = new.close_window(), old.close_window()
        # A contract that has changed makes the old version refuse the new one's rows: it cannot be compared with.
        comparable = None if old.failure else old_golden
        return GuardMeasurement(*self.versions, routed, WindowComparison(new_golden, comparable, same_window=True))

    def _send_golden_rows(
        self, new: GoldenRequests, old: GoldenRequests, listener: RollbackListener, *, quiet: bool
    ) -> None:
        """Let a window pass, sending both colours golden rows: as many as make a judgement where callers are few."""
        started = time.monotonic()
        closes = started + self.stage.window_seconds
        pace = self.stage.window_seconds / (self.stage.guard.minimum_requests if quiet else GOLDEN_BESIDE_CALLERS)
        for turn in itertools.count():
            listener.check()
            if time.monotonic() >= closes:
                return
            new.send(turn % len(self.golden))
            if not old.failure:
                old.send(turn % len(self.golden))
            time.sleep(max(0.0, min(started + (turn + 1) * pace, closes) - time.monotonic()))

    def _request_counts(self) -> tuple[RequestCounts, RequestCounts] | None:
        try:
            return self.backend.request_counts(self.stage.colour), self.backend.request_counts(self.stage.against)
        except PlatformError as error:
            log.warning("the router's figures are missing: %s", error)
            return None

    def _routed(
        self,
        opened: tuple[RequestCounts, RequestCounts] | None,
        closed: tuple[RequestCounts, RequestCounts] | None,
        since: datetime,
    ) -> WindowComparison | None:
        if opened is None or closed is None:
            return None
        new, beside = (now.since(before) for now, before in zip(closed, opened, strict=True))
        if new is None:
            return None
        now = datetime.now(UTC)
        new = replace(new, scores=self._scores(0, since, now))
        if not isinstance(self.stage, Bake):
            old_scores = self._scores(1, since, now)
            return WindowComparison(new, replace(beside, scores=old_scores) if beside else None, same_window=True)
        if self.baseline is None:
            return WindowComparison(new)
        # Read in every window: the log is a second behind, and the time before the switch may have been shorter.
        return WindowComparison(new, replace(self.baseline.seen, scores=self._scores(1, *self.baseline.times)))

    def _scores(self, version: int, since: datetime, until: datetime) -> tuple[float, ...]:
        return tuple(self.scores(self.versions[version], since, until)) if self.scores else ()
