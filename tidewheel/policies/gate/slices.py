"""The gate's rule for parts of the rows: a mean may be fine while one slice is harmed.

Twenty slices are twenty chances to look worse by luck, so harm is shown only after Holm's correction ("A Simple
Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979): an equally good challenger
is refused because of any slice with at most the probability the gate's confidence leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidewheel.policies.gate.measurement import SliceComparison
from tidewheel.policies.significance import correct
from tidewheel.policies.verdict import Outcome


@dataclass(frozen=True)
class SlicePolicy:
    """What each slice must show.

    Attributes:
        margin: share of the champion's figure by which the challenger may be worse in a slice.
        confidence: of the whole family of slices.
        minimum_rows: a slice with fewer rows is inconclusive.
        undecided_holds: whether an inconclusive slice makes the whole verdict inconclusive.
    """

    margin: float = 0.05
    confidence: float = 0.975
    minimum_rows: int = 200
    undecided_holds: bool = False

    def judge(self, slices: Sequence[SliceComparison]) -> dict[str, Outcome]:
        """Say of each slice whether it is refused (harm is shown), passed (that there is none), or inconclusive."""
        harmed = self._harmed(slices)
        return {
            part.name: Outcome.REFUSED
            if part.name in harmed
            else (Outcome.PASSED if self._is_harmless(part) else Outcome.INCONCLUSIVE)
            for part in slices
        }

    def _is_decidable(self, part: SliceComparison) -> bool:
        return part.rows >= self.minimum_rows and not math.isnan(part.harm_probability)

    def _is_harmless(self, part: SliceComparison) -> bool:
        return self._is_decidable(part) and part.upper_bound <= self.margin * abs(part.champion)

    def _harmed(self, slices: Sequence[SliceComparison]) -> set[str]:
        probabilities = {part.name: part.harm_probability for part in slices if self._is_decidable(part)}
        return {name for name, p in correct(probabilities, "holm").items() if p <= 1 - self.confidence}
