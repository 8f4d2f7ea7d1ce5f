"""What a router has counted of a colour: totals that only grow, and what happened between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidewheel.policies.guard import Seen


@dataclass(frozen=True)
class Counted:
    """Totals since the router knows the colour.

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

    def since(self, earlier: Counted) -> Seen | None:
        """What happened since an earlier reading; None where the router has begun to count anew in between."""
        before = dict(earlier.times)
        times = [(limit, count - before.pop(limit, 0)) for limit, count in self.times]
        totals = (self.requests - earlier.requests, self.errors - earlier.errors, self.refused - earlier.refused)
        if before or min(*totals, *(count for _, count in times), 0) < 0:
            return None
        return Seen(*totals, times=tuple((limit, count) for limit, count in times if count))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Counted:
        """Read it as the ledger keeps it."""
        times = tuple((limit, count) for limit, count in document["times"])
        return cls(document["requests"], document["errors"], document["refused"], times)
