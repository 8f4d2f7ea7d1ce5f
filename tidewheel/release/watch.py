"""Watching a new version beside the old one: window after window, measured here and judged by the guard."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidewheel.errors import PlatformError, ReleaseError
from tidewheel.policies.guard import Compared, GuardMeasurement, Seen
from tidewheel.policies.verdict import Outcome
from tidewheel.release.probe import Probe
from tidewheel.release.recall import Recall

if TYPE_CHECKING:
    from tidewheel.policies.verdict import Verdict
    from tidewheel.release.artifact import GoldenRow
    from tidewheel.release.backend import Backend, RequestCounts
    from tidewheel.release.stages import Colour, Watched

log = logging.getLogger("tidewheel.release")

ASKED_TIMEOUT_SECONDS = 2.0
"""A colour that hangs must not keep the window from closing."""
ASKED_BESIDE_CALLERS = 20
"""Golden rows a window where there are callers: they show whether it is the machine that is slow."""

Scores = Callable[[str, datetime, datetime], Sequence[float]]
"""What a version has answered callers between two moments, one prediction a distinct row; the prediction log knows."""


@dataclass(frozen=True)
class Usual:
    """What the old version did before the switch, when callers' requests were its own.

    Attributes:
        seen: by the router's figures; None where they are not known.
        times: from when to when that was.
    """

    seen: Seen | None
    times: tuple[datetime, datetime] | None = None


@dataclass
class Asked:
    """Golden rows that one colour was asked for, over the whole watch and in the present window."""

    probe: Probe
    rows: Sequence[GoldenRow]
    times: list[int] = field(default_factory=list)
    errors: int = 0
    scores: dict[int, float] = field(default_factory=dict)
    failure: str = ""

    def ask(self, row: int) -> None:
        """Ask for one golden row and note what came."""
        started = time.perf_counter()
        try:
            self.scores[row] = self.probe.predict([self.rows[row].row]).scores[0]
        except ReleaseError as error:
            self.errors += 1
            self.failure = str(error)
        self.times.append(math.ceil((time.perf_counter() - started) * 1000))

    def close_window(self) -> Seen:
        """What happened since the last call; scores are those of the whole watch, one a golden row."""
        counts = tuple(sorted((float(ms), self.times.count(ms)) for ms in set(self.times)))
        seen = Seen(len(self.times), self.errors, times=counts, scores=tuple(self.scores.values()))
        self.times, self.errors = [], 0
        return seen


@dataclass(frozen=True)
class Watch:
    """One stage under the guard.

    Attributes:
        stage: which colours, how long, and by which rules.
        backend: where it happens.
        versions: the new one and the old one.
        golden: rows to ask for.
        usual: what the old version did before it lost its traffic; None while it has traffic of its own.
        scores: reads what callers were answered; None where nobody keeps that.
        asked_back: why an operator wants the old version back, empty while nobody does; asked in another thread.
    """

    stage: Watched
    backend: Backend
    versions: tuple[str, str]
    golden: Sequence[GoldenRow]
    usual: Usual | None
    scores: Scores | None
    asked_back: Callable[[], str]

    def run(self) -> Verdict:
        """Watch until the guard has seen enough.

        Returns:
            passed or rolled back.

        Raises:
            AskedBack: an operator wants the old version back.
            TakenOver: another process works on the release.
        """
        policy, end = self.stage.guard, time.monotonic() + self.stage.seconds
        since, verdicts = datetime.now(UTC), []
        whole: GuardMeasurement | None = None
        quiet = True
        with ExitStack() as stack:
            new, old = (self._asked(stack, colour) for colour in (self.stage.colour, self.stage.against))
            recall = stack.enter_context(Recall(self.asked_back))
            while True:
                window = self._window(new, old, since, recall, quiet=quiet)
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

    def _asked(self, stack: ExitStack, colour: Colour) -> Asked:
        probe = Probe(self.backend.address(colour), ASKED_TIMEOUT_SECONDS, platform_token=self.backend.token())
        return Asked(stack.enter_context(probe), self.golden)

    def _window(self, new: Asked, old: Asked, since: datetime, recall: Recall, *, quiet: bool) -> GuardMeasurement:
        opened = self._counted()
        self._ask_and_wait(new, old, recall, quiet=quiet)
        routed = self._routed(opened, self._counted(), since)
        new_asked, old_asked = new.close_window(), old.close_window()
        # A contract that has changed makes the old version refuse the new one's rows: it cannot be compared with.
        comparable = None if old.failure else old_asked
        return GuardMeasurement(*self.versions, routed, Compared(new_asked, comparable, same_window=True))

    def _ask_and_wait(self, new: Asked, old: Asked, recall: Recall, *, quiet: bool) -> None:
        """Let a window pass, asking both colours for golden rows: as many as make a judgement where callers are few."""
        started = time.monotonic()
        closes = started + self.stage.window_seconds
        pace = self.stage.window_seconds / (self.stage.guard.minimum_requests if quiet else ASKED_BESIDE_CALLERS)
        for turn in itertools.count():
            recall.heed()
            if time.monotonic() >= closes:
                return
            new.ask(turn % len(self.golden))
            if not old.failure:
                old.ask(turn % len(self.golden))
            time.sleep(max(0.0, min(started + (turn + 1) * pace, closes) - time.monotonic()))

    def _counted(self) -> tuple[RequestCounts, RequestCounts] | None:
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
    ) -> Compared | None:
        if opened is None or closed is None:
            return None
        new, beside = (now.since(before) for now, before in zip(closed, opened, strict=True))
        if new is None:
            return None
        now = datetime.now(UTC)
        new = replace(new, scores=self._scores(0, since, now))
        if self.usual is None:
            old_scores = self._scores(1, since, now)
            return Compared(new, replace(beside, scores=old_scores) if beside else None, same_window=True)
        if self.usual.seen is None or self.usual.times is None:
            return Compared(new, self.usual.seen)
        # Read in every window: the log is a second behind, and the time before the switch may have been shorter.
        return Compared(new, replace(self.usual.seen, scores=self._scores(1, *self.usual.times)))

    def _scores(self, version: int, since: datetime, until: datetime) -> tuple[float, ...]:
        return tuple(self.scores(self.versions[version], since, until)) if self.scores else ()
