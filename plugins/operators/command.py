"""The command line of a job, the same for a process and for a pod."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RUN_ID = "{{ run_id }}"
"""Airflow keeps a run's id over retries and clears, so a job that runs again finds what it left before."""
ACTOR = "{{ dag_run.triggering_user_name or 'nobody' }} (Airflow, {{ dag_run.run_type.value }})"
"""Who has started a run, as far as Airflow knows: a schedule and an event have no user."""


@dataclass(frozen=True)
class JobCommand:
    """What to start.

    Attributes:
        job: module name below `jobs`.
        pipeline: name of the pipeline.
        partition: day or range; a Jinja template.
        options: further options of the job by name, without the dashes; the values are Jinja templates.
        record: name of the record that the job leaves, where it is not the job's name.
    """

    job: str
    pipeline: str
    partition: str
    options: Mapping[str, str] = field(default_factory=dict)
    record: str = ""

    @property
    def record_name(self) -> str:
        """Name of the record that the job leaves."""
        return self.record or self.job

    @property
    def arguments(self) -> list[str]:
        """Arguments for the Python interpreter, before Airflow renders the templates."""
        return [
            "-m",
            f"jobs.{self.job}",
            f"--pipeline={self.pipeline}",
            f"--partition={self.partition}",
            f"--run-id={RUN_ID}",
            *(f"--{name}={value}" for name, value in self.options.items()),
        ]


def without_empty_options(arguments: Sequence[str]) -> list[str]:
    """Rendered arguments, less the options that were left empty in the form."""
    return [argument for argument in arguments if not re.fullmatch(r"--[a-z-]+=", argument)]
