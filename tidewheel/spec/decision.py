"""The section `decision` of a pipeline file: which predictions count as positive, and what mistakes cost."""

from __future__ import annotations

from pydantic import Field

from tidewheel.spec.sections import Section


class Costs(Section):
    """What each kind of decision costs, in one unit; a gain is a negative cost."""

    false_positive: float = Field(description="cost of a row that is taken for positive and is not")
    false_negative: float = Field(description="cost of a positive row that is not taken for one")
    true_positive: float = Field(default=0, description="cost of a row that is rightly taken for positive")
    true_negative: float = Field(default=0, description="cost of a row that is rightly taken for negative")


class Decision(Section):
    """How probabilities become decisions; the endpoint answers probabilities all the same."""

    threshold: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="a probability of at least this is a positive decision: accuracy, precision, recall, F1, expected "
        "cost and the rates of fairness are of these decisions",
    )
    costs: Costs | None = Field(
        default=None,
        description="cost of each kind of decision; with it there is the figure expected_cost, the mean cost of a row",
        examples=[{"false_positive": 1, "false_negative": 20}],
    )
