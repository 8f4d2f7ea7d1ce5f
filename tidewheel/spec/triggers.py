"""The section `triggers` of a pipeline file: what calls for a training, and what restrains it."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from tidewheel.spec.sections import Cron, Section


class _Pooled(Section):
    """A reason that looks at several days together."""

    window_days: int = Field(default=14, ge=2, le=365, description="newest measured days that are pooled")
    minimum_days: int = Field(default=5, ge=2, le=365, description="with fewer days nothing is decided")

    @model_validator(mode="after")
    def _the_window_holds_days_enough(self) -> Self:
        if self.minimum_days > self.window_days:
            raise ValueError(
                f"minimum_days is {self.minimum_days}, but window_days is {self.window_days} and never holds so many: "
                "nothing would ever be decided"
            )
        return self


class PerformanceTrigger(_Pooled):
    """The champion loses more than it expected itself."""

    minimum_excess: float = Field(
        default=0.02, ge=0, description="smallest excess loss that matters, as a share of the expected loss"
    )
    t: float = Field(
        default=2.5,
        ge=0,
        description="standard errors over days that the excess must lie above zero, as if there were many days; of few "
        "days the bound is higher, by Student's distribution",
    )


class ConceptDriftTrigger(_Pooled):
    """The label's relation to the features has changed."""

    minimum_regret: float = Field(
        default=0.01,
        ge=0,
        description="smallest loss that correcting the bias alone would save, as a share of the loss",
    )
    t: float = Field(
        default=3.0,
        ge=0,
        description="standard errors over days that labels must differ from predictions, either way, as if there were "
        "many days; with few days the bound is higher",
    )


class DataTrigger(Section):
    """Enough labelled rows have come since the champion was trained."""

    growth: float | None = Field(
        default=0.5,
        gt=0,
        description="new rows as a share of those the champion could learn from; null: not looked at",
    )
    rows: int | None = Field(default=None, ge=1, description="new rows in absolute number; null: not looked at")


class DriftTrigger(Section):
    """Features that the model leans on have moved."""

    minimum_weight: float = Field(
        default=0.3, gt=0, le=1, description="share of the champion's feature importances that must have drifted"
    )


class Budget(Section):
    """Fits, or seconds of CPU, come at a steady rate, and some can be saved (a token bucket)."""

    fits: int | None = Field(
        default=4,
        ge=1,
        description="models that may be fitted in a period, whatever called for them and came of them; a refit counts. "
        "4 in 84 days, one in three weeks, are a third of what training every week costs. Either this or cpu_seconds",
    )
    cpu_seconds: float | None = Field(
        default=None,
        gt=0,
        description="seconds of CPU that trainings may take in a period, instead of fits. A training is expected to "
        "take the median of the pipeline's five newest; until one is recorded, nothing is held back",
    )
    days: int = Field(default=84, ge=1, le=3660, description="length of the period")
    burst: int = Field(
        default=3,
        ge=1,
        description="most fits (with cpu_seconds: trainings of the usual cost) that quiet times save, to be used at "
        "once. The routine leaves one of them to alarms; where something is badly wrong, all but one of as many may be "
        "owed",
    )

    @model_validator(mode="before")
    @classmethod
    def _seconds_replace_fits(cls, data: object) -> object:
        seconds = isinstance(data, dict) and data.get("cpu_seconds") is not None
        return {"fits": None, **data} if seconds and isinstance(data, dict) else data

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if self.fits is not None and self.cpu_seconds is not None:
            raise ValueError(
                f"fits is {self.fits} and cpu_seconds is {self.cpu_seconds:g}: a budget has one unit, leave out either"
            )
        if self.fits is None and self.cpu_seconds is None:
            raise ValueError("fits is null: give fits or cpu_seconds, or set triggers.budget to null for no budget")
        return self


class Triggers(Section):
    """When a model is trained again. Monitoring decides every night; each decision is in the ledger."""

    calendar: Cron | None = Field(
        default=None,
        description="cron (UTC) of days on which a training is due; read at that day's monitoring, and the restraints "
        "below hold it as any other reason; null: no calendar",
    )
    every_days: int | None = Field(
        default=None, ge=1, le=3660, description="a training is due so many days after the last one; null: never"
    )
    maximum_age_days: int | None = Field(
        default=21,
        ge=1,
        le=3660,
        description="a training is due when the champion was trained longer ago; null: never. Three weeks are what the "
        "budget's rate allows",
    )
    minimum_gain: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="share of the champion's loss that a training must be able to save. Where the gate's comparison "
        "shows that the last challenger saved less, at best, maximum_age_days and data.growth are doubled; and doubled "
        "again by each such challenger in a row. What one saved that came before maximum_age_days were over counts in "
        "proportion, as if they had been",
    )
    patience_factor: float = Field(
        default=4.0, ge=1, description="the routine waits at most so many times longer; 1: never longer"
    )
    data: DataTrigger | None = Field(
        default_factory=DataTrigger, description="due when the labelled data has grown enough; null: never"
    )
    performance: PerformanceTrigger | None = Field(
        default_factory=PerformanceTrigger,
        description="due when the champion's matured predictions lose more than it expected itself; null: never",
    )
    concept_drift: ConceptDriftTrigger | None = Field(
        default_factory=ConceptDriftTrigger,
        description="due when labels differ from predictions, in all rows or in a slice; null: never",
    )
    drift: DriftTrigger | None = Field(
        default=None,
        description="due when features have drifted; null (default): drift raises an alarm, but trains nothing, "
        "since features move with the seasons and a training repairs only what labels show",
    )
    cool_down_days: int = Field(default=7, ge=0, le=365, description="days of rest after each training")
    back_off_maximum_days: int = Field(
        default=28,
        ge=1,
        le=365,
        description="after a rejected challenger the cool-down holds; each further one in a row doubles it, up to this",
    )
    patience_days: int = Field(
        default=2,
        ge=1,
        le=30,
        description="a requested training that is not judged after so many days is taken for lost, and requested "
        "for again",
    )
    budget: Budget | None = Field(
        default_factory=Budget,
        description="how many models may be fitted, or what that may cost; null: as many as the cool-down allows",
    )

    @model_validator(mode="after")
    def _nothing_holds_the_calendar_back(self) -> Triggers:
        if self.every_days is not None and self.every_days < self.cool_down_days:
            raise ValueError(
                f"every_days is {self.every_days}, but cool_down_days is {self.cool_down_days} and would hold it back: "
                "lower cool_down_days"
            )
        fits, days = (self.budget.fits, self.budget.days) if self.budget else (None, 0)
        if self.every_days and fits and self.every_days * fits < days:
            raise ValueError(
                f"every_days is {self.every_days}, but the budget allows one fit in {days / fits:g} days and would "
                f"hold it back: raise budget.fits to {math.ceil(days / self.every_days)}, or set budget to null"
            )
        return self
