"""The chart installed on a real cluster: ready, behind logins, upgraded, rolled back and uninstalled."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from tests.cluster.chart import CHART, RELEASE, SECRETS, SERVICES, HelmError, Installation, helm
from tests.conftest import wait_until
from tests.infra.helm.rendered import SETS
from tidewheel.errors import PlatformError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

AIRFLOW = {f"airflow-{name}" for name in ("api-server", "scheduler", "dag-processor", "triggerer")}
logger = logging.getLogger(__name__)


def test_all_of_the_platform_is_ready_and_helms_own_test_passes(installed: Installation) -> None:
    logger.info("all ready after %.0f s", installed.seconds_to_ready)
    phases = {pod.metadata.labels["app.kubernetes.io/component"]: pod.status.phase for pod in installed.pods()}
    assert phases.pop("prepare") == "Succeeded"
    assert set(phases.values()) == {"Running"}, phases
    assert set(phases) == {*AIRFLOW, *SERVICES}
    installed.helm("test", "--timeout", "3m")


def test_the_exporter_publishes_the_ledgers_state(installed: Installation) -> None:
    page = httpx.get(f"{installed.address('tidewheel-exporter')}/metrics", timeout=30).text

    assert "tidewheel_ledger_up 1.0" in page
    assert 'tidewheel_pipeline_info{pipeline="' in page


def test_the_pages_open_behind_their_logins_only(installed: Installation) -> None:
    airflow, mlflow = installed.address("tidewheel-airflow"), installed.address("tidewheel-mlflow")
    password = installed.secret("tidewheel-platform")["TIDEWHEEL_AIRFLOW_PASSWORD"]

    assert httpx.get(f"{airflow}/api/v2/dags").status_code == 401
    assert httpx.post(f"{airflow}/auth/token", json={"username": "admin", "password": "x"}).status_code == 401
    token = httpx.post(f"{airflow}/auth/token", json={"username": "admin", "password": password})
    assert token.status_code == 201
    host = {"Host": "tidewheel-mlflow:5000"}
    assert httpx.get(f"{mlflow}/api/2.0/mlflow/experiments/search", headers=host).status_code == 401


def test_no_password_stands_in_a_pods_specification_or_a_config_map(installed: Installation) -> None:
    passwords = {
        value
        for name in SECRETS
        for key, value in installed.secret(name).items()
        if len(value) >= 20 and "://" not in value
    }
    public = yaml.safe_dump([pod.to_dict() for pod in installed.pods()])
    public += yaml.safe_dump([m.data for m in installed.core.list_namespaced_config_map(installed.namespace).items])

    assert len(passwords) >= 8
    assert not [password for password in passwords if password in public]


def test_an_upgrade_keeps_every_secret_and_a_rollback_brings_the_former_values_back(installed: Installation) -> None:
    before = {name: installed.secret(name) for name in SECRETS}

    installed.install("upgrade", "--set", "airflow.config.AIRFLOW__API__INSTANCE_NAME=Upgraded")
    assert {name: installed.secret(name) for name in SECRETS} == before
    assert _instance_name(installed) == "Upgraded"
    installed.helm("rollback", "1", "--wait", "--timeout", "6m")

    assert {name: installed.secret(name) for name in SECRETS} == before
    assert _instance_name(installed) == "Tidewheel"
    installed.helm("test", "--timeout", "3m")


def test_all_recovers_from_a_restart_of_postgresql_without_another_pod(installed: Installation) -> None:
    before = _pods(installed)
    installed.kill("postgresql")

    def answers() -> bool:
        try:
            with installed.airflow() as api:
                return api.import_errors() == {}
        except (PlatformError, httpx.HTTPError):  # while its database starts
            return False

    wait_until(answers, "Airflow answers from its database again", 120)
    installed.helm("test", "--timeout", "3m")
    # Airflow's scheduler, triggerer and DAG processor end themselves when their database goes; their containers start
    # again.
    wait_until(lambda: all(installed.ready(name) for name in before), "every component is ready", 240)
    assert {**_pods(installed), "postgresql": ""} == {**before, "postgresql": ""}


def test_a_secret_that_is_missing_is_named_by_the_pod_that_needs_it(installed: Installation) -> None:
    content = installed.core.read_namespaced_secret("tidewheel", installed.namespace)
    installed.core.delete_namespaced_secret("tidewheel", installed.namespace)
    try:
        pod = installed.component("mlflow").metadata.name
        installed.core.delete_namespaced_pod(pod, installed.namespace, grace_period_seconds=0)
        wait_until(lambda: 'secret "tidewheel" not found' in _waiting(installed), "the pod names the Secret", 60)
    finally:
        content.metadata.resource_version = None
        content.metadata.uid = None
        installed.core.create_namespaced_secret(installed.namespace, content)
    wait_until(lambda: installed.ready("mlflow"), "MLflow starts once the Secret is there", 180)


def test_values_that_cannot_be_are_refused_with_the_key_and_what_is_expected(space: Installation) -> None:
    wrong = {
        "lake.url=file:///lake": "/lake/url",
        "postgresql.runAsUser=0": "/postgresql/runAsUser",
        "postgresql.enabled=false": "/postgresql/external/host",
        "airflow.config.PARALLELISM=8": "PARALLELISM",
        "airflow.scheduller.storage=1Gi": "scheduller",
        "jobs.podTemplate.kind=Job": "/jobs/podTemplate/kind",
    }
    for given, named in wrong.items():
        with pytest.raises(HelmError, match="don't meet the specifications") as refused:
            helm("template", RELEASE, str(CHART), "--set", given)
        assert named in str(refused.value), given


def _instance_name(installed: Installation) -> str:
    return str(
        installed.core.read_namespaced_config_map("tidewheel-airflow", installed.namespace).data[
            "AIRFLOW__API__INSTANCE_NAME"
        ]
    )


def _pods(installed: Installation) -> dict[str, str]:
    """Which pod each component has."""
    pods = installed.pods("app.kubernetes.io/component notin (prepare,test)")
    return {pod.metadata.labels["app.kubernetes.io/component"]: pod.metadata.uid for pod in pods}


def _waiting(installed: Installation) -> str:
    statuses = [
        status
        for pod in installed.pods("app.kubernetes.io/component=mlflow")
        for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]
    ]
    return " ".join(status.state.waiting.message or "" for status in statuses if status.state.waiting)


@pytest.mark.parametrize("case", SETS)
@pytest.mark.usefixtures("cluster")
def test_the_api_server_takes_what_each_set_of_values_makes(case: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(SETS[case]), encoding="utf-8")
    # Where nothing of the chart is: only tried, nothing is made. One Role names a namespace of its own.
    objects = helm("template", RELEASE, str(CHART), "--values", str(values), "--no-hooks", "--namespace", "default")
    run = subprocess.run(
        ["kubectl", "apply", "--dry-run=server", "--filename", "-"],
        input=objects, capture_output=True, text=True, check=False,
    )  # fmt: skip
    required = os.environ.get("TIDEWHEEL_TEST_CLUSTER") == "required"
    if 'no matches for kind "Gateway"' in run.stderr and not required:
        pytest.skip("the cluster has no Gateway API")
    assert run.returncode == 0, run.stderr
