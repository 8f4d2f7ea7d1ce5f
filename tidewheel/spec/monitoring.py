"""The section `monitoring` of a pipeline file: what is looked at every night, and when drift is an alarm."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tidewheel.spec.groups import Groups
from tidewheel.spec.sections import Column, Section

NumericDetector = Literal[
    "wasserstein",
    "jensenshannon",
    "psi",
    "hellinger",
    "kl_div",
    "ed",
    "ks",
    "anderson",
    "cramer_von_mises",
    "es",
    "mannw",
    "t_test",
]
CategoricalDetector = Literal["jensenshannon", "psi", "hellinger", "kl_div", "TVD", "chisquare", "g_test"]


class DriftSettings(Section):
    """When a column counts as drifted: far enough, further than it usually moves, and on several days."""

    numeric: NumericDetector = Field(
        default="wasserstein", description="detector of numeric columns: a method of Evidently, by its name there"
    )
    categorical: CategoricalDetector = Field(
        default="jensenshannon", description="detector of categorical columns: a method of Evidently, by its name there"
    )
    minimum_effect: float | None = Field(
        default=None,
        gt=0,
        description="smallest rise of the distance above its usual that matters, in the detector's own unit; default: "
        "0.1 for distances, the level's decimal logarithm for tests",
    )
    level: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="how unlikely each of the confirming days must be under the column's own history, after correction "
        "over all columns",
    )
    correction: Literal["holm", "benjamini_hochberg"] = Field(
        default="holm",
        description="holm bounds the chance of any false column a day; benjamini_hochberg the share of false ones",
    )
    confirmations: int = Field(default=3, ge=1, le=30, description="checks that must agree ...")
    checks: int = Field(default=3, ge=1, le=30, description="... of so many newest ones")
    history_days: int = Field(
        default=28, ge=7, le=365, description="days whose movements say how far a column usually moves"
    )
    reference_days: int = Field(
        default=28,
        ge=7,
        le=365,
        description="days that each day is compared with; they end before the first of the newest checks",
    )
    block_days: Literal[1, 7] = Field(default=1, description="compare single days, or the last seven days as one")
    season: Literal["none", "week", "year"] = Field(
        default="none",
        description="what a day is compared with: the days before it; week: the same weekdays before it; year: the "
        "days around it a year ago, too",
    )

    minimum_weight: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of the champion's feature importances that must have drifted to make the day an alarm; "
        "drifted predictions always do",
    )

    @model_validator(mode="after")
    def _confirmations_are_among_the_checks(self) -> DriftSettings:
        if self.confirmations > self.checks:
            raise ValueError(f"{self.confirmations} of {self.checks} checks can never agree: lower confirmations")
        return self


class StreamSettings(Section):
    """Detectors that watch the stream of errors, row by row."""

    detectors: list[Literal["adwin", "page_hinkley"]] = Field(
        default_factory=list, description="of the library river; each may raise a concept-drift alarm"
    )


class RequestSettings(Section):
    """When what callers send is an alarm."""

    tolerance: float = Field(
        default=1e-6,
        ge=0,
        lt=1,
        description="relative difference up to which two numbers are the same: callers round, and compute in 32 bits",
    )
    maximum_skew: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of requests that may differ in a feature from what the night has computed for the same key "
        "and day",
    )
    maximum_refused: float = Field(
        default=0.05, ge=0, le=1, description="share of a day's requests that may be refused as outside the contract"
    )
    maximum_unusual: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of a day's predicted rows that may have a value that training never had: a number outside "
        "its range, or an unknown category",
    )
    minimum_rows: int = Field(
        default=30, ge=1, description="rows that must be compared, or requests that must be counted, for an alarm"
    )


class Monitoring(Section):
    """What is measured every night."""

    slices: list[Column] | None = Field(
        default=None,
        description="categorical feature columns; each of their larger values is looked at by itself; default: all",
    )
    fairness: list[Groups] = Field(
        default_factory=list,
        description="columns whose groups are compared with one another: categorical features, or any other column of "
        "the landed rows. Two columns in a list: the combinations of their values",
        examples=[["region", ["region", "sex"]]],
    )
    minimum_slice_rows: int = Field(default=30, ge=2, description="slices with fewer labelled rows a day are left out")
    largest_slices: int = Field(default=10, ge=1, le=1000, description="most slices of a column, the largest ones")
    catch_up_days: int = Field(
        default=14,
        ge=0,
        le=365,
        description="matured days before the newest that are measured again when their labels or predictions changed: "
        "late, missing and revised labels come right by themselves",
    )
    drift: DriftSettings = Field(default_factory=DriftSettings, description="when columns count as drifted")
    requests: RequestSettings = Field(default_factory=RequestSettings, description="when what callers send is an alarm")
    streams: StreamSettings = Field(default_factory=StreamSettings, description="detectors over streams of errors")
