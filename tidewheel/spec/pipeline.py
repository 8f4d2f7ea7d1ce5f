"""A pipeline: one model's declaration, as written in `dags/<name>.yaml`."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from tidewheel.partitions import Partitioning
from tidewheel.spec.agreement import METRICS, mistakes
from tidewheel.spec.alerts import Alerts
from tidewheel.spec.decision import Decision
from tidewheel.spec.gate import Gate
from tidewheel.spec.losses import METRIC, Loss
from tidewheel.spec.mistake import refuse
from tidewheel.spec.monitoring import Monitoring
from tidewheel.spec.release import Release
from tidewheel.spec.resources import JobResources, Resources, resources_of
from tidewheel.spec.retention import Retention
from tidewheel.spec.scoring import Scoring
from tidewheel.spec.sections import (
    Features,
    Labels,
    Name,
    Nightly,
    Owner,
    Section,
    Source,
)
from tidewheel.spec.serving import Serving
from tidewheel.spec.spark import Spark
from tidewheel.spec.training import Training
from tidewheel.spec.triggers import Triggers

__all__ = ["LOWER_IS_BETTER", "METRICS", "Pipeline"]

Task = Literal["classification", "multiclass", "regression"]
LOWER_IS_BETTER = frozenset(
    {"log_loss", "brier", "expected_cost", "rmse", "mae", "mape", "poisson_deviance", "pinball_loss"}
)
LONGEST_HOLDOUT = 4
"""A holdout that cannot decide is twice as long the next time, up to this many times `training.holdout_days`."""
MOST_DOUBLINGS = 4
"""A holdout of an alarm, which may be shorter than `training.holdout_days`, is doubled this often at most."""

LONGEST_DELAY = timedelta(days=14)
"""Until labels are known, beyond which a version would serve unjudged for too long."""


class Pipeline(Section):
    """One model, from its source to its endpoint."""

    name: Name = Field(description="the pipeline's name; the file is dags/<name>.yaml")
    description: str = Field(min_length=1, max_length=1000, description="what the model predicts, in a sentence")
    owner: Owner = Field(description="who answers for it")
    task: Task = Field(
        default="classification",
        description="kind of label: classification is of 0 and 1, multiclass of three classes or more, regression of "
        "numbers",
    )
    partition: Partitioning = Field(
        default=Partitioning.DAY,
        description="what one partition of data holds: an hour, a day, or a week from Monday on (UTC). A weekly "
        "pipeline's keys that count days are written with weeks, as delay_weeks, and its partitions are named by their "
        "Monday. An hourly one is judged by day, so only look_back_hours and empty_hours count hours",
    )
    schedule: Nightly = Field(
        default="0 3 * * *",
        description="cron (UTC) of the run for the day before; of a weekly pipeline it names a weekday (default "
        "`0 3 * * 1`), and the run is for the week that has ended; of an hourly one it names a minute (default "
        "`10 * * * *`), and the run is for the hour that has ended",
    )
    source: Source = Field(description="the rows to predict")
    labels: Labels = Field(description="the truth")
    features: Features = Field(description="what the model sees")
    decision: Decision = Field(default_factory=Decision, description="which predictions count as positive")
    training: Training = Field(default_factory=Training, description="how a challenger is made")
    triggers: Triggers = Field(default_factory=Triggers, description="when it is trained again")
    monitoring: Monitoring = Field(default_factory=Monitoring, description="what is looked at every night")
    gate: Gate = Field(default_factory=Gate, description="what a challenger must show")
    serving: Serving = Field(default_factory=Serving, description="how it answers online")
    release: Release = Field(default_factory=Release, description="how a new version takes over")
    scoring: Scoring = Field(default_factory=Scoring, description="batch predictions")
    alerts: Alerts = Field(default_factory=Alerts, description="who is alerted, and about what")
    retention: Retention = Field(default_factory=Retention, description="for how long nightly data is stored")
    resources: JobResources = Field(
        default_factory=dict,
        description="what the pods of jobs get, by job; those that are not named get what was measured to suffice",
        examples=[{"features": {"cpu": 4, "memory": "16Gi"}, "train": {"gpu": 1}}],
    )
    spark: Spark = Field(default_factory=Spark, description="how features and scoring use Spark")

    @property
    def metric(self) -> str:
        """The figure the gate compares."""
        return self.gate.metric or (METRIC[self.training.loss] if self.task == "regression" else "log_loss")

    @property
    def block(self) -> Partitioning:
        """What figures, labels, trainings and decisions go by: the partition, or the day of an hourly pipeline."""
        return self.partition.block

    @property
    def loss(self) -> Loss:
        """What a regression minimises; of no meaning for other tasks."""
        return self.training.minimised

    @property
    def feature_columns(self) -> list[str]:
        """Columns that the features hold beside key and event time: what a model sees, and the rows' weight."""
        weight = self.training.sample_weight
        return list(dict.fromkeys([*self.features.columns, *([weight] if weight else [])]))

    @property
    def on_probation(self) -> bool:
        """Whether a challenger is promoted first and judged on the days that follow."""
        if self.gate.mode is None:
            return self.gate.rule == "non_inferior" and self.labels.delay_days * self.block.step <= LONGEST_DELAY
        return self.gate.mode == "probation"

    def held_days(self, alarmed: bool = False, undecided: int = 0) -> int:
        """How many of the newest matured days are reserved for the gate.

        Args:
            alarmed: whether an alarm called for the training.
            undecided: challengers in a row of which the gate could not tell whether they were better.
        """
        held = self.training.holdout_days
        if alarmed:
            held = min(held, max(self.training.alarm_holdout_days, self.gate.minimum_days))
        doubled = held * 2 ** min(undecided, MOST_DOUBLINGS)
        return int(min(doubled, self.training.holdout_days * LONGEST_HOLDOUT))

    def resources_of(self, job: str) -> Resources | None:
        """What a job's pod gets; None where the job works on this machine only.

        Args:
            job: name of the job, as in `python -m jobs.<name>`.
        """
        return resources_of(job, self.resources)

    @property
    def key(self) -> list[str]:
        """The columns that identify a row."""
        return self.source.entity_key

    @model_validator(mode="after")
    def _sections_agree(self) -> Pipeline:
        refuse(mistakes(self))
        return self
