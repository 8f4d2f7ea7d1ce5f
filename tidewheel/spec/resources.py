"""The section `resources` of a pipeline file, and with it which jobs may run in pods at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from tidewheel.spec.mistake import Mistake, refuse
from tidewheel.spec.sections import MEMORY, Section

PodJob = Literal["land", "validate", "features", "train", "evaluate", "score", "compact", "monitor"]
"""The jobs that may run in pods: they compute, and reach the lake, the ledger and the registry from anywhere.

`release`, `package` and `requests` work on processes and files of the machine that serves; `assemble`, `promote` and
`review` take less time than a pod takes to start.
"""

SPARK_JOBS: tuple[PodJob, ...] = ("features", "score")
"""The jobs that use Spark."""

DEFAULTS: Mapping[PodJob, Mapping[str, Any]] = {
    # Measured peaks of memory: on the flights 326 MiB for land, 357 MiB for validate, 442 MiB for train, 401 MiB for
    # evaluate; 1.2 GB for monitor on a million rows a day. Spark takes more: 1.6 GB for the features of a year of
    # flights, 3.4 GB for those of a hundred copies of it (benchmarks/README.md). Compact was not measured: it holds one
    # dataset of one day.
    "land": {"cpu": 1, "memory": "2Gi"},
    "validate": {"cpu": 1, "memory": "2Gi"},
    "features": {"cpu": 2, "memory": "4Gi"},
    "train": {"cpu": 1, "memory": "2Gi"},
    "evaluate": {"cpu": 1, "memory": "2Gi"},
    "score": {"cpu": 2, "memory": "4Gi"},
    "compact": {"cpu": 1, "memory": "2Gi"},
    "monitor": {"cpu": 1, "memory": "2Gi"},
}


class Resources(Section):
    """What a job's pod gets, as requests and limits alike."""

    cpu: float = Field(default=1, gt=0, le=256, description="CPU cores; by default 2 for features and score, else 1")
    memory: str = Field(
        default="2Gi", pattern=MEMORY, description="memory; by default 4Gi for features and score, else 2Gi"
    )
    gpu: int = Field(
        default=0, ge=0, le=16, description="GPUs (nvidia.com/gpu); more than 0 runs the job in a pod everywhere"
    )
    executors: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="features and score: the most Spark executors that a large run may use, each a pod with the same "
        "CPU and memory as the job's own; see `spark.executor_rows`",
    )

    @property
    def mebibytes(self) -> int:
        """Memory in MiB."""
        return int(self.memory[:-2]) * (1024 if self.memory.endswith("Gi") else 1)


def _defaults_for_what_is_not_given(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    return {
        job: {**DEFAULTS[job], **requested} if job in DEFAULTS and isinstance(requested, Mapping) else requested
        for job, requested in given.items()
    }


def _executors_where_spark_is(given: dict[PodJob, Resources]) -> dict[PodJob, Resources]:
    refuse(
        [
            Mistake(
                (job, "executors"),
                f"found {requested.executors}",
                f"{job} does not use Spark; expected executors under {' or '.join(SPARK_JOBS)}",
            )
            for job, requested in given.items()
            if requested.executors and job not in SPARK_JOBS
        ]
    )
    return given


JobResources = Annotated[
    dict[PodJob, Resources],
    BeforeValidator(_defaults_for_what_is_not_given),
    AfterValidator(_executors_where_spark_is),
]


def resources_of(job: str, given: Mapping[PodJob, Resources]) -> Resources | None:
    """What a job's pod gets; None where the job may not run in a pod.

    Args:
        job: name of the job, as in `python -m jobs.<name>`.
        given: what the pipeline file says.
    """
    return next((given.get(name) or Resources(**DEFAULTS[name]) for name in get_args(PodJob) if name == job), None)
