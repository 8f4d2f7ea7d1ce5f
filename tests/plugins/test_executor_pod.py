"""A job whose Spark starts executors gets an account, its own address, and the Pod that they start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client.exceptions import ApiException

from plugins.operators.command import JobCommand
from plugins.operators.job_task import job_task
from plugins.operators.pod_operator import PodJobOperator
from tidewheel.options import FeaturesOptions
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline
from tidewheel.spec.resources import Resources

if TYPE_CHECKING:
    from tests.plugins.conftest import Project

TEMPLATE = """\
kind: Pod
metadata: {labels: {team: shop}}
spec:
  automountServiceAccountToken: false
  serviceAccountName: jobs
  nodeSelector: {pool: jobs}
  containers:
    - name: job
      env: [{name: HTTPS_PROXY, value: "http://proxy.example"}]
      resources: {limits: {memory: 1Gi}}
"""


@pytest.fixture(autouse=True)
def installation(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs in pods, from a template."""
    (tmp_path / "pod.yaml").write_text(TEMPLATE)
    monkeypatch.setenv("TIDEWHEEL_JOB_RUNNER", "kubernetes")
    monkeypatch.setenv("TIDEWHEEL_JOB_IMAGE", "registry.example/tidewheel:1")
    monkeypatch.setenv("TIDEWHEEL_JOB_POD_TEMPLATE", str(tmp_path / "pod.yaml"))


def task(executors: int) -> PodJobOperator:
    settings = load_settings()
    given = {"features": Resources(cpu=2, memory="4Gi", executors=executors)}
    orders = find_pipeline(settings.pipelines_folder, "orders").model_copy(update={"resources": given})
    made = job_task("features", JobCommand(FeaturesOptions, "orders", "2026-01-05"), orders, settings)
    assert isinstance(made, PodJobOperator)
    return made


def variables(operator: PodJobOperator) -> dict[str, Any]:
    (container,) = operator.build_pod_request_obj(dry_run=True).spec.containers
    return {one.name: one.value_from.field_ref.field_path if one.value_from else one.value for one in container.env}


def test_the_driver_knows_its_pod_and_may_start_others() -> None:
    pod = task(2).build_pod_request_obj(dry_run=True)
    assert (pod.spec.service_account_name, pod.spec.automount_service_account_token) == ("tidewheel-spark", True)
    given = variables(task(2))
    assert given["TIDEWHEEL_POD_NAME"] == "metadata.name"
    assert given["TIDEWHEEL_POD_IP"] == "status.podIP"
    assert given["TIDEWHEEL_JOB_IMAGE"] == "registry.example/tidewheel:1"


def test_a_job_without_executors_gets_neither_account_nor_token() -> None:
    pod = task(0).build_pod_request_obj(dry_run=True)
    assert (pod.spec.service_account_name, pod.spec.automount_service_account_token) == ("jobs", False)
    assert not {"TIDEWHEEL_POD_NAME", "TIDEWHEEL_EXECUTOR_POD"} & set(variables(task(0)))


def test_an_executor_starts_from_the_template_without_a_token_and_with_the_labels_of_its_pipeline() -> None:
    pod = json.loads(variables(task(2))["TIDEWHEEL_EXECUTOR_POD"])
    assert pod["metadata"]["labels"] == {
        "team": "shop",
        "app.kubernetes.io/part-of": "tidewheel",
        "tidewheel/pipeline": "orders",
    }
    assert pod["spec"]["nodeSelector"] == {"pool": "jobs"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["serviceAccountName"] == "tidewheel-spark"  # the driver's, and not that of other jobs
    [container] = pod["spec"]["containers"]
    assert [container["name"], *container["command"], *container["args"]] == [
        "executor",
        "python",
        "-m",
        "jobs.data.executor_process",
    ]
    assert container["env"] == [{"name": "HTTPS_PROXY", "value": "http://proxy.example"}]
    assert "resources" not in container


def test_executors_may_have_a_template_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "executor.yaml").write_text("kind: Pod\nspec: {nodeSelector: {pool: spot}, serviceAccountName: lake}\n")
    monkeypatch.setenv("TIDEWHEEL_EXECUTOR_POD_TEMPLATE", str(tmp_path / "executor.yaml"))
    pod = json.loads(variables(task(2))["TIDEWHEEL_EXECUTOR_POD"])
    assert (pod["spec"]["nodeSelector"], pod["spec"]["serviceAccountName"]) == ({"pool": "spot"}, "lake")


def test_an_account_that_is_not_there_says_which_file_makes_it() -> None:
    error = ApiException(status=403)
    error.body = json.dumps({"message": 'error looking up serviceaccount: serviceaccount "tidewheel-spark" not found'})
    assert (
        task(2)
        .requested.refusal(error)
        .endswith("apply infra/kubernetes/spark.yaml there, or name another account by TIDEWHEEL_SPARK_SERVICE_ACCOUNT")
    )
