"""A pipeline: one model's declaration, as written in `dags/<name>.yaml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tidewheel.spec.gate import Gate
from tidewheel.spec.monitoring import Monitoring
from tidewheel.spec.release import Release
from tidewheel.spec.sections import (
    Alerts,
    Features,
    Labels,
    Name,
    Nightly,
    Owner,
    Scoring,
    Section,
    Serving,
    Source,
)
from tidewheel.spec.training import Training
from tidewheel.spec.triggers import Triggers

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae"})
METRICS = {
    "classification": ("log_loss", "brier", "roc_auc"),
    "regression": ("rmse", "mae", "r2"),
}
_FIGURES = frozenset(name for names in METRICS.values() for name in names)


class Pipeline(Section):
    """One model, from its source to its endpoint."""

    name: Name = Field(description="the pipeline's name; the file is dags/<name>.yaml")
    description: str = Field(min_length=1, description="what the model predicts, in a sentence")
    owner: Owner = Field(description="who answers for it")
    task: Literal["classification", "regression"] = Field(default="classification", description="kind of label")
    schedule: Nightly = Field(default="0 3 * * *", description="cron (UTC) of the nightly run, for the day before")
    source: Source = Field(description="the rows to predict")
    labels: Labels = Field(description="the truth")
    features: Features = Field(description="what the model sees")
    training: Training = Field(default_factory=Training, description="how a challenger is made")
    triggers: Triggers = Field(default_factory=Triggers, description="when it is trained again")
    monitoring: Monitoring = Field(default_factory=Monitoring, description="what is looked at every night")
    gate: Gate = Field(default_factory=Gate, description="what a challenger must show")
    serving: Serving = Field(default_factory=Serving, description="how it answers online")
    release: Release = Field(default_factory=Release, description="how a new version takes over")
    scoring: Scoring = Field(default_factory=Scoring, description="batch predictions")
    alerts: Alerts = Field(default_factory=Alerts, description="who hears of a failure")

    @property
    def metric(self) -> str:
        """The figure the gate compares."""
        return self.gate.metric or ("log_loss" if self.task == "classification" else "rmse")

    @property
    def key(self) -> list[str]:
        """The columns that identify a row."""
        return self.source.entity_key

    @model_validator(mode="after")
    def _sections_agree(self) -> Pipeline:
        allowed = METRICS[self.task]
        asked = {*self.gate.floors, *self.gate.ceilings, self.metric}
        if wrong := sorted(asked - set(allowed)):
            raise ValueError(f"gate: {', '.join(wrong)} cannot judge a {self.task}; expected {', '.join(allowed)}")
        if wrong := sorted({limit.figure for limit in self.gate.fairness} & _FIGURES - set(allowed)):
            raise ValueError(
                f"gate.fairness: {', '.join(wrong)} cannot judge a {self.task}; "
                f"expected mean_prediction, bias, {', '.join(sorted(_FIGURES & set(allowed)))}"
            )
        if wrong := sorted(self.gate.columns - set(self.features.categorical)):
            raise ValueError(
                f"gate: {', '.join(wrong)} cannot make slices or groups: no categorical feature; "
                f"expected {', '.join(self.features.categorical) or 'one under features.categorical'}"
            )
        watched = {*(self.monitoring.slices or ()), *self.monitoring.fairness}
        if wrong := sorted(watched - set(self.features.categorical)):
            raise ValueError(
                f"monitoring: {', '.join(wrong)} cannot make slices or groups: no categorical feature; "
                f"expected {', '.join(self.features.categorical) or 'one under features.categorical'}"
            )
        reserved = {*self.source.entity_key, self.source.event_time, self.labels.column, "prediction"}
        if clash := sorted(reserved & set(self.features.columns)):
            raise ValueError(
                f"features: {', '.join(clash)} cannot be a feature: "
                "it is the label, the key, the event time or the prediction"
            )
        return self
