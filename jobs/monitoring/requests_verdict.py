"""The verdict on what callers sent on a day: skew, drift of live input, and requests outside the contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.monitoring.contract_shares import ContractShares
from jobs.monitoring.daily_rows import PREDICTION
from jobs.monitoring.drift import DayDrift
from jobs.monitoring.drift_verdict import drift_words
from jobs.monitoring.skew import Skew, worst
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.quantities import listing, quantity
from tidewheel.unknown import is_unknown

if TYPE_CHECKING:
    from tidewheel.policies.trigger.measurement import FeatureDrift
    from tidewheel.spec import Pipeline

SKEW, LIVE_DRIFT, CONTRACT, UNUSUAL = "skew", "live drift", "contract", "unusual"
"""What may be due for somebody's attention."""
NAMED = 3
MOST_NAMED = 100
"""Columns of which the verdict has the figures, the worst first."""


@dataclass(frozen=True)
class RequestsOfDay:
    """What was measured of a day's requests.

    Attributes:
        day: YYYY-MM-DD.
        answers: rows that were answered, retries included; None where no requests are published.
        skew: against the night's features.
        contract: as the services have counted; None where they have counted nothing.
        drift: of live input; None where the pipeline's own drift is that of its requests.
        moved: the drift, weighed by the champion's importances.
    """

    day: str
    answers: int | None = None
    skew: Skew = field(default_factory=Skew)
    contract: ContractShares | None = None
    drift: DayDrift | None = None
    moved: FeatureDrift | None = None


def skewed(pipeline: Pipeline, skew: Skew) -> list[str]:
    """Features that differ in too many requests, the worst first."""
    settings = pipeline.monitoring.requests
    found = (name for name in worst(skew.columns) if skew.columns[name].rows >= settings.minimum_rows)
    return [name for name in found if skew.columns[name].share > settings.maximum_skew]


def requests_verdict(pipeline: Pipeline, measured: RequestsOfDay) -> Verdict:
    """Fired where anything of what callers sent is beyond its limit; inconclusive on a day without requests."""
    settings, contract = pipeline.monitoring.requests, measured.contract
    wrong = skewed(pipeline, measured.skew)
    due = [SKEW] if wrong else []
    if measured.drift is not None and measured.moved is not None:
        weighty = measured.moved.weight >= pipeline.monitoring.drift.minimum_weight
        due += [LIVE_DRIFT] if weighty or PREDICTION in measured.drift.drifted else []
    if contract and contract.requests >= settings.minimum_rows and contract.refused > settings.maximum_refused:
        due.append(CONTRACT)
    if contract and contract.rows >= settings.minimum_rows and contract.unusual > settings.maximum_unusual:
        due.append(UNUSUAL)
    nothing = measured.answers is None and contract is None
    outcome = Outcome.INCONCLUSIVE if nothing else Outcome.FIRED if due else Outcome.NO_ACTION
    words = f"no requests on {measured.day}" if nothing else requests_words(pipeline, measured)
    columns = measured.skew.columns
    return Verdict(
        Kind.REQUESTS,
        outcome,
        f"{outcome.words}: {words}",
        {
            "due": due,
            "answers": measured.answers,
            "compared_rows": measured.skew.rows,
            "elsewhere": measured.skew.elsewhere,
            "skewed": wrong[:MOST_NAMED],
            "skew": {
                name: {"share": columns[name].share, "size": columns[name].size} for name in worst(columns)[:MOST_NAMED]
            },
            "drifted": measured.drift.drifted if measured.drift else [],
            "requests": contract.requests if contract else None,
            "refused": contract.refused if contract else None,
            "answered_rows": contract.rows if contract else None,
            "unusual": contract.unusual if contract else None,
            "unusual_columns": {name: contract.columns[name].unusual for name in contract.most_unusual[:MOST_NAMED]}
            if contract
            else {},
            "refused_columns": {
                name: {"share": contract.columns[name].refused, **contract.columns[name].problems}
                for name in contract.worst[:MOST_NAMED]
            }
            if contract
            else {},
        },
        settings.model_dump(),
    )


def requests_words(pipeline: Pipeline, measured: RequestsOfDay) -> str:
    """What was found, in clauses."""
    words = [_skew_words(measured.skew, skewed(pipeline, measured.skew))]
    if measured.drift is not None:
        words.append(f"live input: {drift_words(measured.drift)}")
    if measured.contract is not None:
        words.append(_contract_words(measured.contract))
        words += [_unusual_words(measured.contract)] if measured.contract.unusual else []
    return "; ".join(words)


def _skew_words(skew: Skew, wrong: list[str]) -> str:
    if skew.missing:
        return f"skew unknown: {skew.missing}"
    if not wrong:
        return f"callers sent what the night computed ({quantity(skew.rows, 'row')} compared)"
    columns = listing([_column_words(name, skew) for name in wrong], NAMED, rest=", ...")
    return f"callers sent other values than the night computed: {columns} ({quantity(skew.rows, 'row')} compared)"


def _column_words(name: str, skew: Skew) -> str:
    column = skew.columns[name]
    by = "" if is_unknown(column.size) else f", by {column.size:.2g} standard deviations"
    return f"{name} in {column.share:.0%}{by}"


def _contract_words(contract: ContractShares) -> str:
    words = f"{contract.refused:.1%} of {contract.requests:,} requests refused as outside the contract"
    if not contract.worst:
        return words
    named = [
        f"{name} {contract.columns[name].refused:.1%} ({_problems(contract.columns[name].problems)})"
        for name in contract.worst[:NAMED]
    ]
    return f"{words}: {', '.join(named)}"


def _unusual_words(contract: ContractShares) -> str:
    columns = [f"{name} {contract.columns[name].unusual:.1%}" for name in contract.most_unusual]
    return (
        f"{contract.unusual:.1%} of {quantity(contract.rows, 'row')} with values that training never had: "
        f"{listing(columns, NAMED, rest=', ...')}"
    )


def _problems(problems: object) -> str:
    assert isinstance(problems, dict)
    return ", ".join(name.replace("_", " ") for name in sorted(problems))
