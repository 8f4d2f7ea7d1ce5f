"""The section `spark` of a pipeline file: when its jobs use executors in pods, and Spark's own options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from tidewheel.spec.mistake import Mistake, refuse
from tidewheel.spec.sections import Section

POD = "TIDEWHEEL_EXECUTOR_POD_TEMPLATE"
MEMORY, CPU, COUNT = "resources.<job>.memory", "resources.<job>.cpu", "resources.<job>.executors"
RESERVED: Mapping[str, str] = {
    "spark.master": "TIDEWHEEL_SPARK_MASTER",
    "spark.driver.memory": MEMORY,
    "spark.executor.memory": MEMORY,
    "spark.executor.memoryOverhead": MEMORY,
    "spark.executor.cores": CPU,
    "spark.kubernetes.executor.request.cores": CPU,
    "spark.executor.instances": COUNT,
    "spark.dynamicAllocation.minExecutors": COUNT,
    "spark.dynamicAllocation.maxExecutors": COUNT,
    "spark.dynamicAllocation.initialExecutors": COUNT,
    "spark.kubernetes.container.image": "TIDEWHEEL_JOB_IMAGE",
    "spark.kubernetes.namespace": "TIDEWHEEL_JOB_NAMESPACE",
    "spark.kubernetes.executor.podTemplateFile": POD,
    "spark.local.dir": "TIDEWHEEL_HOME",
    # Addresses and permissions, which belong to the job's pod.
    "spark.driver.host": "",
    "spark.driver.bindAddress": "",
    "spark.driver.port": "",
    "spark.blockManager.port": "",
    "spark.kubernetes.driver.pod.name": "",
    "spark.kubernetes.executor.podNamePrefix": "",
    "spark.kubernetes.authenticate.caCertFile": "",
    "spark.kubernetes.authenticate.oauthTokenFile": "",
    "spark.kubernetes.executor.disableConfigMap": "",
    "spark.kubernetes.driver.ownPersistentVolumeClaim": "",
    "spark.kubernetes.driver.service.deleteOnTermination": "",
    "spark.dynamicAllocation.enabled": "",
    "spark.dynamicAllocation.shuffleTracking.enabled": "",
    "spark.authenticate": "",
    "spark.network.crypto.enabled": "",
    # The same rows must give the same bytes.
    "spark.sql.session.timeZone": "",
    "spark.sql.timeType.enabled": "",
    "spark.sql.execution.arrow.pyspark.enabled": "",
    "spark.sql.parquet.outputTimestampType": "",
    "spark.sql.parquet.compression.codec": "",
}
"""Options that Tidewheel sets, and the setting or key that decides each; empty where none does."""

Option = Annotated[str, StringConstraints(pattern=r"^spark\.[A-Za-z][\w.-]*$")]


class Spark(Section):
    """How features and scoring use Spark."""

    executor_rows: int = Field(
        default=10_000_000,
        ge=1,
        description="a job reads at least so many rows before it uses the `executors` of its resources; with fewer, "
        "Spark runs inside the job's own pod",
    )
    conf: dict[Option, bool | int | float | str] = Field(
        default_factory=dict,
        description="further options of Spark, by their own names",
        examples=[{"spark.sql.shuffle.partitions": 400}],
    )

    @property
    def options(self) -> dict[str, str]:
        """`conf` as Spark reads it."""
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.conf.items()
        }

    @model_validator(mode="after")
    def _leaves_what_tidewheel_sets(self) -> Spark:
        refuse(
            [
                Mistake(
                    ("conf", name),
                    f"found {self.conf[name]!r}",
                    f"Tidewheel sets {name} itself; expected {'a change of ' + other if other else 'no entry'}",
                )
                for name, other in RESERVED.items()
                if name in self.conf
            ]
        )
        return self
