"""The command line of a job, the same for a process and for a pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from tidewheel.errors import UsageError, did_you_mean
from tidewheel.options import JobOptions, RunOptions, parse_options
from tidewheel.options.command_line import arguments_of
from tidewheel.options.validation import title_of

RUN_ID = "{{ run_id }}"
"""Airflow keeps a run's id over retries and clears, so a job that runs again finds what it left before."""
ACTOR = "{{ dag_run.triggering_user_name or 'nobody' }} (Airflow, {{ dag_run.run_type.value }})"
"""Who has started a run, as far as Airflow knows: a schedule and an event have no user."""


@dataclass(frozen=True)
class JobCommand:
    """What to start.

    Attributes:
        model: of the job's options; says which job.
        pipeline: name of the pipeline.
        partition: day or range; a Jinja template.
        options: further options of the job by name; the values are Jinja templates.
        actor: who has started the run; a Jinja template, empty where the job need not know.

    Raises:
        UsageError: the job has no such option.
    """

    model: type[JobOptions]
    pipeline: str
    partition: str
    options: Mapping[str, str] = field(default_factory=dict)
    actor: str = ""

    def __post_init__(self) -> None:
        known = self.model.model_fields
        for name in self.options.keys() - known.keys():
            raise UsageError(f"job {self.job} has no option {name!r}{did_you_mean(name, known)}")

    @property
    def job(self) -> str:
        """Module name below `jobs`."""
        return self.model.job

    @property
    def record_name(self) -> str:
        """Name of the record that the job leaves."""
        return self.model.record_name(self.options)

    @property
    def templates(self) -> dict[str, Any]:
        """Every option by its name, for Airflow to fill in."""
        run = {"pipeline": self.pipeline, "partition": self.partition, "run_id": RUN_ID, "actor": self.actor}
        return run | {name: str(value) for name, value in self.options.items()}

    def arguments(self, values: Mapping[str, Any]) -> list[str]:
        """Arguments for the Python interpreter.

        Args:
            values: of the options, filled in by Airflow; one that is empty in the form is left out.

        Raises:
            AirflowFailException: a value is none that the option takes; trying again will not help.
        """
        run = {name: value for name, value in values.items() if name in RunOptions.model_fields}
        own = {name: value for name, value in values.items() if name not in run}
        try:
            run_options, options = parse_options(RunOptions, run, title_of), parse_options(self.model, own, title_of)
        except UsageError as error:
            raise AirflowFailException(f"{self.job} was called wrongly: {error}") from None
        return ["-m", f"jobs.{self.job}", *arguments_of(run_options), *arguments_of(options)]
