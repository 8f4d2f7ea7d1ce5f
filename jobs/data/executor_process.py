"""The process of a Spark executor in a pod: `python -m jobs.data.executor_process executor`.

Spark's own images bring a shell script for this. Here the same image runs jobs and executors, so this module starts
Java with the arguments that the driver has put into the pod's environment, in place of Python.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

BACKEND = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
ARGUMENTS = {
    "--driver-url": "SPARK_DRIVER_URL",
    "--executor-id": "SPARK_EXECUTOR_ID",
    "--cores": "SPARK_EXECUTOR_CORES",
    "--app-id": "SPARK_APPLICATION_ID",
    "--hostname": "SPARK_EXECUTOR_POD_IP",
    "--resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
    "--podName": "SPARK_EXECUTOR_POD_NAME",
}


def command(environment: Mapping[str, str], java: str, jars: Path) -> list[str]:
    """The command line of an executor.

    Args:
        environment: of the pod, as Spark's driver has written it.
        java: the Java program.
        jars: folder of Spark's jars.
    """
    options = {
        int(found[1]): value
        for name, value in environment.items()
        if (found := re.fullmatch(r"SPARK_JAVA_OPT_(\d+)", name))
    }
    memory = environment["SPARK_EXECUTOR_MEMORY"]
    return [
        java,
        *(options[number] for number in sorted(options)),
        f"-Xms{memory}",
        f"-Xmx{memory}",
        "-cp",
        f"{jars}/*",
        BACKEND,
        *(part for flag, variable in ARGUMENTS.items() for part in (flag, environment[variable])),
    ]


def main() -> None:
    """Become the executor."""
    import pyspark

    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    if java is None:
        sys.exit("Spark needs Java 17 or newer, but this image has no JAVA_HOME and no `java` on its PATH")
    spark_home = Path(pyspark.__file__).parent
    os.environ["SPARK_HOME"] = str(spark_home)
    line = command(os.environ, java, spark_home / "jars")
    os.execv(java, line)  # noqa: S606


if __name__ == "__main__":
    main()
