"""The rules about what callers send: skew, drift of live input, refused requests, and rows unlike training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tidewheel.quantities import listing, quantity
from tidewheel.spec.alerts import Event

if TYPE_CHECKING:
    from tidewheel.ledger.tables import VerdictRow

Found = tuple[Event, str, str, str, str]
"""Event, subject, sentence, action, and what the DAG is for that shows more."""
NAMED = 3


def request_events(pipeline: str, verdict: VerdictRow | None) -> Iterator[Found]:
    """What of a day's requests needs attention.

    Args:
        pipeline: its name.
        verdict: on the newest day's requests.
    """
    inputs: Mapping[str, Any] = verdict.inputs if verdict is not None else {}
    due, day = inputs.get("due", ()), verdict.subject if verdict is not None else ""
    if "skew" in due:
        shares = {name: inputs["skew"][name]["share"] for name in inputs["skewed"]}
        yield (
            Event.SKEW,
            "",
            f"On {day} callers sent other values than the night computed for the same rows: {_named(shares)} of "
            f"{quantity(inputs['compared_rows'], 'row')}.",
            "Compare the callers' code with the transform, column by column: unit, rounding, time zone, nulls; "
            "the model has learned from what the night computes.",
            "monitoring",
        )
    if "live drift" in due:
        yield (
            Event.LIVE_DRIFT,
            "",
            f"On {day} what callers sent has moved away from what the model learns from: "
            f"{', '.join(inputs['drifted'][:NAMED])}.",
            "If a caller has changed or is new, ask for what its requests are; if the world has, the next training "
            "learns it.",
            "monitoring",
        )
    if "contract" in due:
        shares = {name: column["share"] for name, column in inputs["refused_columns"].items()}
        most = f", most often for {_named(shares)}" if shares else ""
        yield (
            Event.REQUESTS_REFUSED,
            "",
            f"On {day}, {inputs['refused']:.1%} of {inputs['requests']:,} requests were refused as outside the "
            f"contract{most}.",
            "Ask the callers to correct their requests: each refusal names row, field, and what was expected. The "
            f"endpoint's /docs.json is the contract. `tidewheel why {pipeline} --kind requests` has the shares.",
            "monitoring",
        )
    if "unusual" in due:
        yield (
            Event.REQUESTS_UNUSUAL,
            "",
            f"On {day}, {inputs['unusual']:.0%} of {quantity(inputs['answered_rows'], 'row')} that callers sent have "
            f"values that training never had: {_named(inputs['unusual_columns'])}.",
            "Compare a few of these values with the callers: a wrong unit or a new code is theirs to correct. Values "
            "that are right and new are learned by the next training; until then the model guesses.",
            "monitoring",
        )


def _named(shares: Mapping[str, float]) -> str:
    return listing([f"{name} ({share:.0%})" for name, share in shares.items()], NAMED, rest=", ...")
