"""What monitoring may expect of a version's predictions, as its gate measured it on the holdout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.models.recalibration import LITERAL, Line
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from tidewheel.ledger import Ledger


@dataclass(frozen=True)
class Expectation:
    """What one version showed on the holdout.

    Attributes:
        squared_error: mean squared error; regression only, NaN where unknown.
        line: what its predictions mean.
    """

    squared_error: float = math.nan
    line: Line = LITERAL


UNKNOWN = Expectation()


def expectations(ledger: Ledger, pipeline: str) -> dict[str, Expectation]:
    """By version, from the gate's verdicts; a version that was judged twice is known by the newer one."""
    found = {}
    for row in reversed(ledger.verdicts(pipeline, Kind.GATE, limit=None)):
        if "version" not in row.inputs:
            continue
        rmse = row.inputs.get("challenger", {}).get("rmse", math.nan)
        if "challenger" in row.inputs:
            found[str(row.inputs["version"])] = Expectation(float(rmse) ** 2, Line.from_json(row.inputs.get("meaning")))
    return found
