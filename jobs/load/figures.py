"""What the outcomes of a load say, all in all and second by second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jobs.load.arrivals import LoadResult

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
REACHED = 0.98
LATE_SECONDS = 0.05
"""A process that sends one request of a hundred later than this cannot keep the rate."""


@dataclass(frozen=True)
class Figures:
    """The figures; latencies in milliseconds, of good answers only.

    Attributes:
        requests: sent.
        errors: how many failed, by kind.
        answered: how many were answered, by version and colour.
        latency: by name of `SHARES`, and `max`; NaN where nothing was answered.
        rate: requests that were sent a second.
        good_rate: of them, answered well.
        late: milliseconds by which this machine was late to send, the 99th percentile.
        sent: requests of each second, by when they were due.
        failed: of them, failed.
        over_time: latency of each second, by name of `SHARES`; NaN where nothing was answered.
    """

    requests: int
    errors: Mapping[str, int]
    answered: Mapping[tuple[str, str], int]
    latency: Mapping[str, float]
    rate: float
    good_rate: float
    late: float
    sent: Sequence[float]
    failed: Sequence[float]
    over_time: Mapping[str, Sequence[float]]

    @property
    def failures(self) -> int:
        """How many requests failed."""
        return sum(self.errors.values())


def figures(played: LoadResult) -> Figures:
    """Sum up what came of a load."""
    outcomes = played.outcomes
    second = np.array([int(one.due) for one in outcomes])
    good = np.array([not one.error for one in outcomes])
    latency = np.array([one.latency for one in outcomes]) * 1000
    late = float(np.quantile([one.late for one in outcomes], 0.99))
    seconds = range(int(second.max()) + 1)
    by_second = [latency[good & (second == each)] for each in seconds]
    rate = len(outcomes) / max(played.sending_seconds, played.plan.seconds)
    return Figures(
        requests=len(outcomes),
        errors=dict(Counter(one.error for one in outcomes if one.error).most_common()),
        answered=dict(sorted(Counter(one.answered_by for one in outcomes if not one.error).items())),
        latency={
            **{name: _quantile(latency[good], share) for name, share in SHARES.items()},
            "max": _quantile(latency[good], 1),
        },
        rate=rate,
        good_rate=rate * float(good.mean()),
        late=late * 1000,
        sent=[float((second == each).sum()) for each in seconds],
        failed=[float((~good & (second == each)).sum()) for each in seconds],
        over_time={name: [_quantile(part, share) for part in by_second] for name, share in SHARES.items()},
    )


def not_reached(played: LoadResult, figures: Figures) -> str:
    """Why the figures are not those of the requested rate; empty where they are."""
    aimed = played.plan.rate
    if figures.rate >= aimed * REACHED and figures.late <= LATE_SECONDS * 1000:
        return ""
    return (
        f"this machine did not keep the rate of {aimed:g} requests/s: it sent {figures.rate:.0f} a second, one of a "
        f"hundred more than {figures.late:.0f} ms late. The latencies include that delay: use a lower --rps, or send "
        "from a machine with free cores"
    )


def _quantile(values: np.ndarray[tuple[int], np.dtype[np.float64]], share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else float("nan")
