"""The section `scoring` of a pipeline file: how a day is scored offline."""

from __future__ import annotations

from pydantic import Field

from tidewheel.spec.sections import Section


class Scoring(Section):
    """How a day is scored offline."""

    enabled: bool = Field(
        default=True,
        description="score each published feature partition; false: only the endpoint answers, and what it "
        "answered is monitored",
    )
    explain: int = Field(
        default=0,
        ge=0,
        le=20,
        description="how many of the fields that add most to a prediction stand beside it, as top_field_1, "
        "top_contribution_1 and so on; 0: none. For linear models and trees; a row of a boosted model takes a "
        "millisecond or two instead of microseconds",
    )
