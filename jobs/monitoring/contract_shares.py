"""Which share of a day's requests was outside the model's contract, as the services have counted it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bentos.contract_kinds import ANY, REFUSED
from jobs.data.request_log import COUNTS
from jobs.monitoring.labelled_predictions import input_hashes

if TYPE_CHECKING:
    from tidewheel.lake import Lake


@dataclass(frozen=True)
class ColumnShare:
    """One column of the contract.

    Attributes:
        refused: share of all requests that were refused for a value of it.
        unusual: share of the answered rows with a value of it that training never had.
        problems: refused requests by what was wrong.
    """

    refused: float = 0.0
    unusual: float = 0.0
    problems: Mapping[str, int] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        """The larger of its two shares."""
        return max(self.refused, self.unusual)


@dataclass(frozen=True)
class ContractShares:
    """One day.

    Attributes:
        requests: that were answered, or refused as outside the contract; copies and a release's own are not.
        refused: share of them that was refused.
        unusual: share of the answered rows with any value that training never had.
        columns: by column.
        inputs: the batch looked at, `dataset/partition` to content hash.
        rows: that were answered.
    """

    requests: int = 0
    refused: float = 0.0
    unusual: float = 0.0
    columns: Mapping[str, ColumnShare] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0

    @property
    def worst(self) -> list[str]:
        """Columns that requests were refused for, the largest share first."""
        having = [name for name, share in self.columns.items() if share.refused]
        return sorted(having, key=lambda name: (-self.columns[name].refused, name))

    @property
    def most_unusual(self) -> list[str]:
        """Columns with values that training never had, the largest share first."""
        having = [name for name, share in self.columns.items() if share.unusual]
        return sorted(having, key=lambda name: (-self.columns[name].unusual, name))


def contract_shares(lake: Lake, day: str) -> ContractShares | None:
    """Add up what the services have counted; None where they have counted nothing.

    Args:
        lake: the pipeline's lake.
        day: the day, YYYY-MM-DD in UTC.
    """
    manifest = lake.published(COUNTS.dataset, day)
    if manifest is None:
        return None
    counted = lake.read(manifest, ["field", "problem", "outcome", "requests", "rows"])
    requests: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    rows: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for row in (
        counted.group_by(["field", "problem", "outcome"]).aggregate([("requests", "sum"), ("rows", "sum")]).to_pylist()
    ):
        key = row["field"], row["problem"], row["outcome"]
        requests[key], rows[key] = row["requests_sum"], row["rows_sum"]
    of_all = sum(count for (name, problem, _), count in requests.items() if not name and not problem)
    answered_rows = sum(count for (name, problem, _), count in rows.items() if not name and not problem)
    if not of_all:
        return None
    columns = {}
    for column in sorted({name for name, _, _ in requests if name}):
        refused = {p: n for (name, p, outcome), n in requests.items() if name == column and outcome == REFUSED}
        unusual = sum(n for (name, _, outcome), n in rows.items() if name == column and outcome != REFUSED)
        any_of = refused.pop(ANY, 0)
        columns[column] = ColumnShare(any_of / of_all, unusual / answered_rows if answered_rows else 0.0, refused)
    refused_requests = sum(n for (name, p, outcome), n in requests.items() if not name and not p and outcome == REFUSED)
    unusual_rows = rows["", ANY, "answered"]
    return ContractShares(
        of_all,
        refused_requests / of_all,
        unusual_rows / answered_rows if answered_rows else 0.0,
        columns,
        input_hashes(manifest),
        answered_rows,
    )
