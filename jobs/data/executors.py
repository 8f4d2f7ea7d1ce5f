"""Spark's executors as pods beside the job's own: what Spark must know of both, and why none has started.

The driver runs inside the job (client mode). Spark reads no data itself, so an executor needs no jar besides Spark's:
files go through fsspec and Arrow in its Python workers, as everywhere else in the lake.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.data.pods_api import PodsApi
from tidewheel.errors import PlatformError
from tidewheel.polling import poll

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline
    from tidewheel.spec.resources import Resources

log = logging.getLogger("tidewheel.spark")

MASTER = "k8s://https://kubernetes.default.svc"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DRIVER_PORT, BLOCK_MANAGER_PORT = 7078, 7079
LONGEST_PREFIX = 47
"""Characters that Spark allows before `-exec-<number>` in the name of an executor's pod."""


@dataclass(frozen=True)
class Executors:
    """The executors that a run of a job may use.

    Attributes:
        job: name of the job.
        pipeline: name of the pipeline.
        asks: what its pipeline file gives the job; each executor gets the same.
        settings: of this pod.
    """

    job: str
    pipeline: str
    asks: Resources
    settings: Settings

    @property
    def cores(self) -> int:
        """Tasks that one executor works on at once."""
        return max(1, int(self.asks.cpu))

    @property
    def name_prefix(self) -> str:
        """What the names of their pods begin with: the end of the job's pod's name, which differs with each try."""
        return self.settings.pod_name[-LONGEST_PREFIX:].lstrip("-.")

    def conf(self, template: Path) -> Mapping[str, str]:
        """Spark's options for a driver in this pod.

        Args:
            template: file of the Pod that executors start from.
        """
        heap = self.asks.mebibytes // 2  # as for the driver: Python takes the other half
        most = str(self.asks.executors)
        return {
            "spark.master": MASTER,
            "spark.driver.host": self.settings.pod_ip,
            "spark.driver.bindAddress": self.settings.pod_ip,  # Spark names it to its executors
            "spark.driver.port": str(DRIVER_PORT),
            "spark.blockManager.port": str(BLOCK_MANAGER_PORT),
            # A client that reaches these ports could run code here, and what passes them holds the lake's keys.
            "spark.authenticate": "true",
            "spark.network.crypto.enabled": "true",
            "spark.kubernetes.namespace": self.settings.job_namespace,
            "spark.kubernetes.container.image": self.settings.job_image,
            "spark.kubernetes.driver.pod.name": self.settings.pod_name,  # their owner: they end with it
            "spark.kubernetes.executor.podNamePrefix": self.name_prefix,
            "spark.kubernetes.executor.podTemplateFile": str(template),
            "spark.kubernetes.authenticate.caCertFile": str(ACCOUNT / "ca.crt"),
            "spark.kubernetes.authenticate.oauthTokenFile": str(ACCOUNT / "token"),
            # What else Spark would make or delete, and would need permissions for.
            "spark.kubernetes.executor.disableConfigMap": "true",
            "spark.kubernetes.driver.ownPersistentVolumeClaim": "false",
            "spark.kubernetes.driver.service.deleteOnTermination": "false",
            "spark.executor.cores": str(self.cores),
            "spark.kubernetes.executor.request.cores": f"{self.asks.cpu:g}",  # and no limit, as is Spark's custom
            "spark.executor.memory": f"{heap}m",
            "spark.executor.memoryOverhead": f"{self.asks.mebibytes - heap}m",
            "spark.dynamicAllocation.enabled": "true",
            "spark.dynamicAllocation.shuffleTracking.enabled": "true",
            "spark.dynamicAllocation.minExecutors": "0",
            "spark.dynamicAllocation.initialExecutors": most,
            "spark.dynamicAllocation.maxExecutors": most,
        }

    def write_template(self) -> Path:
        """Write the Pod that executors start from, as Spark reads it.

        Raises:
            PlatformError: Kubernetes would refuse such a pod: no permission, a quota, an account that is not there.
        """
        self._try_one()
        with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="executor-", delete=False) as file:
            json.dump(self.settings.executor_pod, file)
        return Path(file.name)

    def await_first(self, spark: SparkSession) -> None:
        """Wait until one executor is there: without any, Spark would wait for ever.

        Raises:
            PlatformError: none came within the time that a pod may take; the message says what its pod lacks.
        """
        limit = self.settings.job_schedule_timeout_seconds + self.settings.job_startup_timeout_seconds
        block_managers = spark.sparkContext._jsc.sc()  # PySpark itself has no list of executors
        for _ in poll(limit, every=0.2):
            if block_managers.getExecutorMemoryStatus().size() >= 2:  # one is the driver's
                log.info("up to %d executors, pods %s-exec-*", self.asks.executors, self.name_prefix)
                return
        reason = self._api().why_none_runs(f"spark-app-selector={spark.sparkContext.applicationId}")
        raise PlatformError(
            f"none of the executors of job {self.job} joined within {limit} s: {reason}; each requests "
            f"cpu {self.asks.cpu:g}, memory {self.asks.memory}: see to that, request less under "
            f"resources.{self.job} in dags/{self.pipeline}.yaml, or take `executors` out"
        )

    def _try_one(self) -> None:
        if refused := self._api().refusal(self._example()):
            raise PlatformError(
                f"no executor pod for job {self.job} in namespace {self.settings.job_namespace}: {refused.message}; "
                + (
                    "bind the job's account to the Role of infra/kubernetes/spark.yaml in this namespace"
                    if refused.permission
                    else f"raise that limit, request less under resources.{self.job} in dags/{self.pipeline}.yaml, "
                    "or change the template (TIDEWHEEL_EXECUTOR_POD_TEMPLATE)"
                )
            )

    def _example(self) -> dict[str, object]:
        pod = self.settings.executor_pod
        memory = {"memory": self.asks.memory}
        size = {"requests": {"cpu": f"{self.asks.cpu:g}", **memory}, "limits": memory}
        first, *others = pod["spec"]["containers"]
        sized = first | {"image": self.settings.job_image, "resources": size}
        name = {"name": f"{self.name_prefix}-exec-0"}
        return pod | {"metadata": pod["metadata"] | name, "spec": pod["spec"] | {"containers": [sized, *others]}}

    def _api(self) -> PodsApi:
        return PodsApi(ACCOUNT, self.settings.job_namespace)


def executors(pipeline: Pipeline, job: str, settings: Settings, rows: int) -> Executors | None:
    """The executors of a run; None where it is to stay in its own process.

    Args:
        pipeline: says how many at most, and from how many rows on.
        job: name of the job.
        settings: of this process; only in a pod, and one that the operator has prepared, can executors be started.
        rows: how many rows the run reads.
    """
    asks = pipeline.resources_of(job)
    if asks is None or not asks.executors or not settings.executor_pod or rows < pipeline.spark.executor_rows:
        return None
    return Executors(job, pipeline.name, asks, settings)
