"""The chart without its Airflow, as beside one that is there already."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kubernetes import client

from tests.cluster import chart
from tests.cluster.chart import SERVICES
from tests.cluster.kubernetes import ROOT, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

OFFICIAL_VALUES = ROOT / "infra" / "helm" / "airflow-values.yaml"


def test_without_its_airflow_the_chart_brings_the_services_and_what_the_values_for_another_airflow_name(
    cluster: Cluster, tmp_path: Path
) -> None:
    with chart.namespace(cluster, tmp_path) as made:
        made.install("install", "--set", "airflow.enabled=false")
        phases = {pod.metadata.labels["app.kubernetes.io/component"]: pod.status.phase for pod in made.pods()}
        assert phases.pop("prepare") == "Succeeded"
        assert phases == dict.fromkeys(SERVICES, "Running")
        made.helm("test", "--timeout", "5m")

        values = yaml.safe_load(OFFICIAL_VALUES.read_text(encoding="utf-8"))
        sources = yaml.safe_load(values["extraEnvFrom"])
        named = [source["configMapRef"]["name"] for source in sources if "configMapRef" in source]
        for name in [*named, *(volume["configMap"]["name"] for volume in values["volumes"])]:
            made.core.read_namespaced_config_map(name, made.namespace)
        for source in sources:
            if "secretRef" in source:
                made.core.read_namespaced_secret(source["secretRef"]["name"], made.namespace)
        for process in ("scheduler", "triggerer"):
            account = values[process]["serviceAccount"]["name"]
            made.core.read_namespaced_service_account(account, made.namespace)
            who = f"system:serviceaccount:{made.namespace}:{account}"
            asked = {"namespace": made.namespace, "verb": "create", "resource": "pods"}
            review = {"spec": {"user": who, "resourceAttributes": asked}}
            assert client.AuthorizationV1Api(cluster.api).create_subject_access_review(review).status.allowed
