"""The guard: while a new version bakes, is it as good as the one it replaced?

Every rule is a test, not a comparison of two numbers: a share of requests that failed or were slow is a breach where
chance would seldom bring so many (exact binomial tail), scores have moved where two samples of one distribution would
seldom lie so far apart (Kolmogorov-Smirnov). So ten requests prove little, and ten thousand a lot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tidewheel.policies.significance import (
    binomial_upper_tail,
    kolmogorov_smirnov_distance,
    kolmogorov_smirnov_limit,
)
from tidewheel.policies.verdict import Kind, Outcome, Verdict

TIMED_REQUESTS = 20
"""Fewer say nothing of slowness: a machine that pauses for a moment delays several requests at once."""
CONSTANT_SHARE, CONSTANT_SCORES = 0.01, 10
"""Scores that vary by less than this share of the old ones' range, over at least so many, say nothing."""


@dataclass(frozen=True)
class WindowCounts:
    """What one version did over a window.

    Attributes:
        requests: that were answered, or were to be.
        errors: of them, those that ended in a 5xx or were cut off.
        refused: of them, those that were answered with a 4xx.
        times: milliseconds to the answer, as (at most, how many), ascending.
        scores: predictions since the bake began, one a distinct row, as far as they are known.
    """

    requests: int = 0
    errors: int = 0
    refused: int = 0
    times: tuple[tuple[float, int], ...] = ()
    scores: tuple[float, ...] = ()

    def __add__(self, other: WindowCounts) -> WindowCounts:
        times = dict(self.times)
        for limit, count in other.times:
            times[limit] = times.get(limit, 0) + count
        return WindowCounts(
            self.requests + other.requests,
            self.errors + other.errors,
            self.refused + other.refused,
            tuple(sorted(times.items())),
            other.scores or self.scores,
        )

    @property
    def timed(self) -> int:
        """Requests whose time is known."""
        return sum(count for _, count in self.times)

    def slower_than(self, milliseconds: float) -> int:
        """Requests that took longer."""
        return sum(count for limit, count in self.times if limit > milliseconds)

    def quantile(self, share: float) -> float | None:
        """Time that this share of the requests stayed within, None where no time is known."""
        goal, seen = share * self.timed, 0
        for limit, count in self.times:
            seen += count
            if seen >= goal:
                return limit
        return None

    def figures(self) -> dict[str, float | None]:
        """The figures a person looks at."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "refused": self.refused,
            "p50_ms": self.quantile(0.5),
            "p99_ms": self.quantile(0.99),
            "scores": len(self.scores),
        }


@dataclass(frozen=True)
class RequestCounts:
    """Requests that a router has counted for a colour since it knows it: totals that only grow.

    Attributes:
        requests: answered, by the colour or in its place.
        errors: of them, answered with a 5xx or cut off.
        refused: of them, answered with a 4xx.
        times: milliseconds to the answer, as (at most, how many).
    """

    requests: int = 0
    errors: int = 0
    refused: int = 0
    times: tuple[tuple[float, int], ...] = ()

    def since(self, earlier: RequestCounts) -> WindowCounts | None:
        """What happened since an earlier reading; None where the router has begun to count anew in between."""
        before = dict(earlier.times)
        times = [(limit, count - before.pop(limit, 0)) for limit, count in self.times]
        totals = (self.requests - earlier.requests, self.errors - earlier.errors, self.refused - earlier.refused)
        if before or min(*totals, *(count for _, count in times), 0) < 0:
            return None
        return WindowCounts(*totals, times=tuple((limit, count) for limit, count in times if count))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RequestCounts:
        """Read it as the ledger keeps it."""
        times = tuple((limit, count) for limit, count in document["times"])
        return cls(document["requests"], document["errors"], document["refused"], times)


@dataclass(frozen=True)
class WindowComparison:
    """The new version beside the old one.

    Attributes:
        new: the version that bakes.
        old: the version it replaced, None where nothing is known of it.
        same_window: whether the old one served the same callers at the same time, not before.
    """

    new: WindowCounts
    old: WindowCounts | None = None
    same_window: bool = False

    def __add__(self, other: WindowComparison) -> WindowComparison:
        old = self.old + other.old if self.same_window and self.old and other.old else other.old
        return WindowComparison(self.new + other.new, old, other.same_window)


@dataclass(frozen=True)
class GuardMeasurement:
    """One window, or all windows of a bake together.

    Attributes:
        version: that bakes.
        previous: version that it replaced.
        routed: callers' requests by the router's figures; None where the router's figures are missing.
        golden: golden rows that the bake itself sent to both versions: more of them where there are few callers.
    """

    version: str
    previous: str
    routed: WindowComparison | None
    golden: WindowComparison

    def __add__(self, other: GuardMeasurement) -> GuardMeasurement:
        routed = other.routed if self.routed is None else self.routed
        if self.routed is not None and other.routed is not None:
            routed = self.routed + other.routed
        return GuardMeasurement(self.version, self.previous, routed, self.golden + other.golden)


@dataclass(frozen=True)
class GuardPolicy:
    """What a version that bakes must not do.

    Attributes:
        latency_budget_ms: requests within it are never slow.
        minimum_requests: fewer in a window prove nothing good.
        maximum_error_share: share of failed (or refused) requests allowed beyond the old version's.
        maximum_latency_ratio: slow is what takes longer than this many times the old version's 99th percentile, and
            longer than the budget.
        maximum_slow_share: share of requests that may be slow.
        maximum_score_distance: largest Kolmogorov-Smirnov distance from the old version's scores.
        confidence: with which a breach is one.
        consecutive_breaches: windows in a row that end the bake.
        patience_seconds: how much longer a bake that has proven nothing may take.
        when_inconclusive: what it then leads to.
    """

    latency_budget_ms: float
    minimum_requests: int
    maximum_error_share: float
    maximum_latency_ratio: float
    maximum_slow_share: float
    maximum_score_distance: float
    confidence: float
    consecutive_breaches: int
    patience_seconds: float
    when_inconclusive: Literal["roll_back", "keep"]

    def judge(self, measured: GuardMeasurement) -> Verdict:
        """Judge a window by itself.

        Returns:
            refused (a breach), passed, or inconclusive: too few requests, or figures that are missing.
        """
        if measured.routed is None:
            return self._verdict(measured, Outcome.INCONCLUSIVE, "the router's figures are missing")
        kinds = {"requests": measured.routed, "golden rows": measured.golden}
        breaches = [breach for kind, seen in kinds.items() for breach in self._breaches(kind, seen, measured)]
        if breaches:
            return self._verdict(measured, Outcome.REFUSED, "; ".join(breaches))
        volume = {kind: seen.new.requests for kind, seen in kinds.items()}
        if max(volume.values()) < self.minimum_requests:
            found = " and ".join(f"{count} {kind}" for kind, count in volume.items())
            few = f"only {found} were answered by version {measured.version}, {self.minimum_requests} are required"
            return self._verdict(measured, Outcome.INCONCLUSIVE, few)
        good = ", ".join(_told(kind, seen.new) for kind, seen in kinds.items() if seen.new.requests)
        return self._verdict(measured, Outcome.PASSED, f"version {measured.version} answered {good}")

    def interim(self, windows: Sequence[Verdict]) -> Verdict | None:
        """Whether the bake ends before its time, by its windows so far.

        Returns:
            rolled back after enough breaches in a row, None where it goes on.
        """
        last = windows[-self.consecutive_breaches :]
        if len(last) < self.consecutive_breaches or any(window.outcome is not Outcome.REFUSED for window in last):
            return None
        row = f" ({len(last)} windows in a row)" if len(last) > 1 else ""
        return _concluded(last[-1], Outcome.ROLLED_BACK, f"{last[-1].sentence}{row}")

    def final(self, last: GuardMeasurement, whole: GuardMeasurement) -> Verdict:
        """What a bake that has lasted its time leads to.

        Args:
            last: its last window.
            whole: all its windows taken together.

        Returns:
            passed, rolled back, or inconclusive: then another window may still prove something.
        """
        verdict = self.judge(whole)
        if verdict.outcome is Outcome.REFUSED:
            return _concluded(verdict, Outcome.ROLLED_BACK, verdict.sentence)
        # Good figures that ended before the bake did say nothing of its end.
        return self.judge(last) if last.routed is None else verdict

    def unproven(self, verdict: Verdict) -> Verdict:
        """What an inconclusive verdict counts as where nobody waits any longer."""
        if self.when_inconclusive == "keep":
            said = f"{verdict.sentence}; it stays, as release.guard.when_inconclusive says"
            return _concluded(verdict, Outcome.PASSED, said)
        return _concluded(verdict, Outcome.ROLLED_BACK, f"{verdict.sentence}: it has not proven itself in its bake")

    def scores_breach(self, new: Sequence[float], old: Sequence[float], version: str, previous: str) -> str:
        """How scores have moved in a way that is a breach, in a sentence; empty where they have not."""
        if not new or not old:
            return ""
        new_range, old_range = max(new) - min(new), max(old) - min(old)
        if len(new) >= CONSTANT_SCORES and new_range < CONSTANT_SHARE * old_range:
            return (
                f"version {version} says {new[0]:.4g} to all {len(new)} rows, "
                f"version {previous} {min(old):.4g} to {max(old):.4g}"
            )
        distance = kolmogorov_smirnov_distance(new, old)
        # Rows with one score may be one row to the model, and then are one observation.
        n, m = len(set(new)), len(set(old))
        chance = kolmogorov_smirnov_limit(n, m, self.confidence)
        if distance <= max(self.maximum_score_distance, chance):
            return ""
        return (
            f"the scores of version {version} lie {distance:.2f} apart from those of version {previous} "
            f"(Kolmogorov-Smirnov, {len(new)} and {len(old)} rows), at most {self.maximum_score_distance:g} is allowed"
        )

    def _breaches(self, kind: str, seen: WindowComparison, measured: GuardMeasurement) -> list[str]:
        new, old, breaches = seen.new, seen.old, []
        counted = [("failed", new.errors, old.errors if old else 0)]
        if seen.same_window and old:  # other callers at another time may well send other nonsense
            counted.append(("were refused", new.refused, old.refused))
        for what, count, old_count in counted:
            their_share = old_count / old.requests if old and old.requests else 0.0
            allowed = their_share + self.maximum_error_share
            if self._seldom(count, new.requests, allowed):
                beside = f", {their_share:.1%} of version {measured.previous}" if old and old.requests else ""
                breaches.append(
                    f"{count} of {new.requests} {kind} to version {measured.version} {what} "
                    f"({count / new.requests:.1%}{beside}), {self.maximum_error_share:.1%} more are allowed"
                )
        # Golden rows that the old version answered meanwhile tell the machine's bad seconds from the new version's.
        usual = [each.quantile(0.99) for each in (old, measured.golden.old) if each]
        usual_p99 = max((p99 for p99 in usual if p99 is not None), default=None)
        limit = max(self.latency_budget_ms, self.maximum_latency_ratio * (usual_p99 or 0.0))
        slow = new.slower_than(limit)
        enough = new.timed >= min(TIMED_REQUESTS, self.minimum_requests)
        if enough and self._seldom(slow, new.timed, self.maximum_slow_share):
            theirs = (
                f"; version {measured.previous} answered 99% within {usual_p99:g} ms" if usual_p99 is not None else ""
            )
            breaches.append(
                f"{slow} of {new.timed} {kind} to version {measured.version} took longer than {limit:g} ms "
                f"({slow / new.timed:.1%}, {self.maximum_slow_share:.1%} are allowed{theirs})"
            )
        moved = self.scores_breach(new.scores, old.scores if old else (), measured.version, measured.previous)
        return [*breaches, *([moved] if moved else [])]

    def _seldom(self, count: int, of: int, share: float) -> bool:
        """Whether chance would seldom bring so many where this share is right."""
        return binomial_upper_tail(count, of, share) < 1 - self.confidence

    def _verdict(self, measured: GuardMeasurement, outcome: Outcome, sentence: str) -> Verdict:
        inputs: dict[str, object] = {"version": measured.version, "previous": measured.previous}
        for name, seen in (("routed", measured.routed), ("asked", measured.golden)):
            if seen is not None:
                inputs[name] = {
                    "new": seen.new.figures(),
                    "old": seen.old.figures() if seen.old else None,
                    "same_window": seen.same_window,
                }
        return Verdict(Kind.RELEASE, outcome, sentence, inputs, asdict(self))


def _concluded(verdict: Verdict, outcome: Outcome, sentence: str) -> Verdict:
    return Verdict(verdict.kind, outcome, sentence, verdict.inputs, verdict.thresholds)


def _told(kind: str, seen: WindowCounts) -> str:
    times = f", p50 {seen.quantile(0.5):g} ms, p99 {seen.quantile(0.99):g} ms" if seen.timed else ""
    return f"{seen.requests} {kind} ({seen.errors} failed{times})"
