"""The gate's floors and ceilings: a limit that the champion misses on the same rows says that the days are hard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidewheel.policies.gate.measurement import NAMES, Comparison


@dataclass(frozen=True)
class Missed:
    """A limit that a challenger does not keep.

    Attributes:
        words: the figure and the limit.
        excuse: why it does not refuse the challenger; empty where it does.
    """

    words: str
    excuse: str = ""


@dataclass(frozen=True)
class Limits:
    """Figures that must be met.

    Refusing a challenger for days on which the champion misses the limit as well would leave the older model serving
    them; so such a miss is reported, and refuses only a challenger that misses it by more than the champion does.

    Attributes:
        floors: figures that must be at least this.
        ceilings: figures that must be at most this.
        margin: share of the champion's figure by which a challenger may miss a limit further than the champion.
    """

    floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    margin: float = 0.05

    def missed(self, challenger: Mapping[str, float], comparison: Comparison | None) -> list[Missed]:
        """The limits that a challenger does not keep, floors first.

        Args:
            challenger: its figures; each limit's is among them.
            comparison: with the champion on the same rows; None where there is none.
        """
        misses = []
        for limits, sign, side in ((self.floors, -1, "below the floor"), (self.ceilings, 1, "above the ceiling")):
            for name, limit in sorted(limits.items()):
                if sign * challenger[name] > sign * limit:
                    words = f"{NAMES[name]} {challenger[name]:.4g}, {side} of {limit:g}"
                    misses.append(Missed(words, self._excuse(name, limit, sign, challenger[name], comparison)))
        return misses

    def _excuse(self, name: str, limit: float, sign: int, value: float, comparison: Comparison | None) -> str:
        theirs = comparison.champion.get(name) if comparison else None
        if comparison is None or theirs is None or sign * theirs <= sign * limit:
            return ""
        if sign * (value - theirs) > self.margin * abs(theirs):
            return ""
        return f"so has version {comparison.champion_version} ({theirs:.4g}): the days are hard"
