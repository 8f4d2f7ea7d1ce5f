"""In Kubernetes a job is a pod with the same arguments, and its end is judged by the same rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred
from kubernetes.client import models as k8s
from kubernetes.config import incluster_config
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from plugins.operators.command import JobCommand
from plugins.operators.job_operator import JobOperator
from plugins.operators.job_task import job_task
from plugins.operators.pod_operator import PodJobOperator
from tidewheel.lake import Lake
from tidewheel.options import TrainOptions
from tidewheel.runs import JobRecord, write_record
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline
from tidewheel.spec.resources import Resources

if TYPE_CHECKING:
    from tests.plugins.conftest import Project
    from tidewheel.spec import Pipeline

Context = Callable[..., dict[str, Any]]
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: elsewhere, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: airflow, user: {token: secret}}]
contexts: [{name: elsewhere, context: {cluster: elsewhere, user: airflow}}]
current-context: elsewhere
"""
COMMAND = JobCommand(TrainOptions, "flight_delay", "2026-01-05")


@pytest.fixture
def installation(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation with a lake and an image of its own."""
    monkeypatch.setenv("TIDEWHEEL_LAKE_URL", (project.folder / "lake").as_uri())
    monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", "http://mlflow.example")
    monkeypatch.setenv("TIDEWHEEL_MLFLOW_PASSWORD", "secret")
    monkeypatch.setenv("TIDEWHEEL_JOB_IMAGE", "registry.example/tidewheel:1")
    monkeypatch.setenv("TIDEWHEEL_JOB_NAMESPACE", "models")


def task(resources: Resources | None = None) -> PodJobOperator:
    made = job_task("train", COMMAND, orders(resources or Resources(gpu=1)), load_settings(), links=["MLflow run"])
    assert isinstance(made, PodJobOperator)
    return made


def orders(resources: Resources) -> Pipeline:
    settings = load_settings()
    return find_pipeline(settings.pipelines_folder, "orders").model_copy(update={"resources": {"train": resources}})


def pod_of(operator: PodJobOperator) -> k8s.V1Pod:
    return operator.build_pod_request_obj(dry_run=True)


def test_a_process_and_a_pod_run_the_same_command(installation: None) -> None:
    process = job_task("train", COMMAND, orders(Resources(gpu=0)), load_settings())
    assert isinstance(process, JobOperator)
    pod = pod_of(task())
    assert pod.spec.containers[0].command == ["python"]
    assert pod.spec.containers[0].args == process.command.arguments(process.job_options)


def test_the_pod_asks_for_what_the_pipeline_file_says(installation: None) -> None:
    pod = pod_of(task(Resources(cpu=3.5, memory="12Gi", gpu=2)))
    asked = {"cpu": "3.5", "memory": "12Gi", "nvidia.com/gpu": "2"}
    (container,) = pod.spec.containers
    assert (container.resources.requests, container.resources.limits) == (asked, asked)
    assert [(t.key, t.operator, t.effect) for t in pod.spec.tolerations] == [("nvidia.com/gpu", "Exists", "NoSchedule")]


def test_a_pod_without_gpu_keeps_off_the_gpu_nodes(installation: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_JOB_RUNNER", "kubernetes")
    pod = pod_of(task(Resources()))
    assert pod.spec.containers[0].resources.limits == {"cpu": "1", "memory": "2Gi"}
    assert not pod.spec.tolerations


def test_the_pod_runs_this_installations_image_in_its_namespace_and_finds_its_lake(
    installation: None, project: Project
) -> None:
    pod = pod_of(task())
    (container,) = pod.spec.containers
    assert (container.image, pod.metadata.namespace) == ("registry.example/tidewheel:1", "models")
    assert pod.metadata.name.startswith("flight-delay-train")
    assert pod.metadata.labels["tidewheel/pipeline"] == "flight_delay"
    environment = {variable.name: variable.value for variable in container.env}
    assert environment["TIDEWHEEL_LAKE_URL"] == (project.folder / "lake").as_uri()
    assert environment["TIDEWHEEL_MLFLOW_URL"] == "http://mlflow.example"


def test_the_pod_continues_the_span_of_its_task_and_shows_no_key_of_a_collector(
    installation: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def observed() -> dict[str, str]:
        (container,) = pod_of(task()).spec.containers
        names = ("OTEL_", "TRACE", "TIDEWHEEL_LOG")
        return {each.name: each.value for each in container.env if each.name.startswith(names)}

    assert observed() == {}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "key=secret")
    monkeypatch.setenv("TIDEWHEEL_LOG_FORMAT", "json")
    context = SpanContext(0xA11CE, 0xB0B, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    with use_span(NonRecordingSpan(context)):
        assert observed() == {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
            "TIDEWHEEL_LOG_FORMAT": "json",
            "TRACEPARENT": f"00-{0xA11CE:032x}-{0xB0B:016x}-01",
        }


def test_the_jobs_java_gets_half_of_the_pods_memory(installation: None) -> None:
    (container,) = pod_of(task(Resources(memory="6Gi", gpu=1))).spec.containers
    environment = {variable.name: variable.value for variable in container.env}
    assert environment["TIDEWHEEL_SPARK_MEMORY"] == "3072m"


TEMPLATE = """\
apiVersion: v1
kind: Pod
metadata:
  labels: {kueue.x-k8s.io/queue-name: nightly}
spec:
  serviceAccountName: jobs
  priorityClassName: batch
  nodeSelector: {pool: jobs}
  tolerations: [{key: pool, operator: Equal, value: jobs, effect: NoSchedule}]
  imagePullSecrets: [{name: registry}]
  volumes: [{name: scratch, emptyDir: {}}]
  containers:
    - name: job
      env: [{name: HTTPS_PROXY, value: "http://proxy.example"}]
      volumeMounts: [{name: scratch, mountPath: /tmp}]
      resources: {limits: {memory: 1Gi}}
"""


def test_what_the_pod_template_says_is_kept_and_what_the_pipeline_file_says_wins(
    installation: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "pod.yaml"
    template.write_text(TEMPLATE)
    monkeypatch.setenv("TIDEWHEEL_JOB_POD_TEMPLATE", str(template))
    pod = pod_of(task(Resources(gpu=1)))
    spec, (container,) = pod.spec, pod.spec.containers
    assert pod.metadata.labels["kueue.x-k8s.io/queue-name"] == "nightly"
    assert pod.metadata.labels["tidewheel/pipeline"] == "flight_delay"
    assert (spec.service_account_name, spec.priority_class_name) == ("jobs", "batch")
    assert spec.node_selector == {"pool": "jobs"}
    assert [toleration.key for toleration in spec.tolerations] == ["pool", "nvidia.com/gpu"]
    assert [secret.name for secret in spec.image_pull_secrets] == ["registry"]
    assert [volume.name for volume in spec.volumes] == ["scratch"]
    assert [mount.mount_path for mount in container.volume_mounts] == ["/tmp"]
    assert {"HTTPS_PROXY", "TIDEWHEEL_LAKE_URL"} <= {variable.name for variable in container.env}
    assert container.image == "registry.example/tidewheel:1"
    assert container.resources.limits["memory"] == "2Gi"


def test_a_job_has_its_time_after_it_has_waited_for_a_node_and_its_image(
    installation: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_JOB_SCHEDULE_TIMEOUT_SECONDS", "7200")
    monkeypatch.setenv("TIDEWHEEL_JOB_STARTUP_TIMEOUT_SECONDS", "300")
    operator = job_task(
        "train", COMMAND, orders(Resources(gpu=1)), load_settings(), execution_timeout=timedelta(hours=1)
    )
    assert isinstance(operator, PodJobOperator)
    assert (operator.schedule_timeout_seconds, operator.startup_timeout_seconds) == (7200, 300)
    assert pod_of(operator).spec.active_deadline_seconds == 3600 + 300
    assert operator.execution_timeout == timedelta(hours=3, seconds=300)


def test_a_pod_that_could_not_reach_the_lake_is_not_started(installation: None, context: Context) -> None:
    with pytest.raises(
        AirflowFailException, match=r"train cannot run in a pod: the lake is file://.* TIDEWHEEL_LAKE_URL"
    ):
        task().execute(context("run-1"))


def test_no_password_stands_in_the_pods_specification(installation: None) -> None:
    pod = pod_of(task())
    assert "secret" not in str(pod.spec.containers[0].env)
    assert pod.spec.containers[0].env_from[0].secret_ref.name == "tidewheel"


def test_a_waiting_task_holds_no_worker_and_nothing_comes_back_through_a_sidecar(installation: None) -> None:
    operator = task()
    assert (operator.deferrable, operator.do_xcom_push, operator.logging_interval) == (True, False, 15)
    assert len(pod_of(operator).spec.containers) == 1


@pytest.mark.parametrize("inside", [True, False])
def test_the_triggerer_reaches_kubernetes_as_the_worker_does(
    installation: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    extra = {} if inside else {"kube_config_path": str(tmp_path / "kubeconfig")}
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    if inside:
        for variable, file in (("SERVICE_TOKEN_FILENAME", "token"), ("SERVICE_CERT_FILENAME", "ca.crt")):
            (tmp_path / file).write_text("content")
            monkeypatch.setattr(incluster_config, variable, str(tmp_path / file))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    operator = task()
    operator.pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="train-1", namespace="models"), status=k8s.V1PodStatus())
    with pytest.raises(TaskDeferred) as waiting:
        operator.invoke_defer_method()
    assert bool(waiting.value.trigger.in_cluster) is inside


class Ended:
    """A pod that has ended, as the operator finds it when the trigger calls it back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.pushed: dict[str, Any] = {}

    def come_back(self, context: dict[str, Any], exit_code: int | None, last_lines: str = "") -> PodJobOperator:
        operator = task()

        def reentry(self: PodJobOperator, context: Any, event: Any) -> None:
            terminated = None
            if exit_code is not None:
                terminated = k8s.V1ContainerStateTerminated(exit_code=exit_code, message=last_lines)
            status = k8s.V1ContainerStatus(
                name="job",
                image="i",
                image_id="i",
                ready=False,
                restart_count=0,
                state=k8s.V1ContainerState(terminated=terminated),
            )
            self.pod = k8s.V1Pod(
                metadata=k8s.V1ObjectMeta(name="p"), status=k8s.V1PodStatus(container_statuses=[status])
            )
            if exit_code != 0:
                raise AirflowException("Pod flight-delay-train returned a failure.")

        self._patch.setattr(KubernetesPodOperator, "trigger_reentry", reentry)
        ti = SimpleNamespace(xcom_push=lambda key, value: self.pushed.update({key: value}))
        nothing = SimpleNamespace(list_namespaced_event=lambda *_, **__: SimpleNamespace(items=[]))
        self._patch.setattr(PodJobOperator, "client", nothing)
        operator.trigger_reentry(context | {"ti": ti}, {"name": "flight-delay-train-1"})
        return operator


@pytest.fixture
def ended(installation: None, monkeypatch: pytest.MonkeyPatch) -> Ended:
    return Ended(monkeypatch)


def leave_record(**facts: Any) -> None:
    record = JobRecord(pipeline="flight_delay", job="train", run_id="run-1", partition="2026-01-05", **facts)
    write_record(Lake.open("flight_delay"), record)


def test_what_the_pod_made_is_read_from_the_lake(ended: Ended, context: Context) -> None:
    leave_record(figures={"rows": 7}, sentence="trained")
    operator = ended.come_back(context("run-1"), exit_code=0)
    assert ended.pushed["return_value"]["figures"] == {"rows": 7}
    assert operator.outcome is not None
    assert operator.outcome.record is not None


def test_a_pod_that_ended_well_but_left_nothing_is_not_believed(ended: Ended, context: Context) -> None:
    with pytest.raises(AirflowException, match="left no record"):
        ended.come_back(context("run-1"), exit_code=0)


def test_a_pod_that_refused_its_data_is_not_retried(ended: Ended, context: Context) -> None:
    leave_record(refused="too few rows: 12 of 1000")
    with pytest.raises(AirflowFailException, match="too few rows: 12 of 1000"):
        ended.come_back(context("run-1"), exit_code=3)


def test_a_pods_last_error_is_the_reason_of_its_failure(ended: Ended, context: Context) -> None:
    said = "2026-11-22 05:18:00,123 ERROR setting X is not set: set it\nTraceback of a library\n"
    with pytest.raises(AirflowFailException, match=r"train was called wrongly: setting X is not set: set it$"):
        ended.come_back(context("run-1"), exit_code=2, last_lines=said)


@pytest.mark.parametrize("exit_code", [1, 137, None])
def test_a_pod_that_died_is_retried(ended: Ended, context: Context, exit_code: int | None) -> None:
    leave_record(sentence="of an earlier try")
    with pytest.raises(AirflowException) as found:
        ended.come_back(context("run-1"), exit_code=exit_code)
    assert not isinstance(found.value, AirflowFailException)


def begun(monkeypatch: pytest.MonkeyPatch, phase: str, **state: Any) -> PodJobOperator:
    """The operator of a pod that has not ended, as it comes back from its trigger."""
    operator = task()
    container = k8s.V1ContainerStatus(
        name="job", image="i", image_id="i", ready=False, restart_count=0, state=k8s.V1ContainerState(**state)
    )
    status = k8s.V1PodStatus(phase=phase, container_statuses=[container])
    pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="train-1", namespace="models"), status=status)
    monkeypatch.setattr(PodJobOperator, "hook", SimpleNamespace(get_pod=lambda *_: pod))
    monkeypatch.setattr(PodJobOperator, "pod_manager", SimpleNamespace())  # which would wait
    nothing = SimpleNamespace(list_namespaced_event=lambda *_, **__: SimpleNamespace(items=[]))
    monkeypatch.setattr(PodJobOperator, "client", nothing)
    operator.get_logs = False
    return operator


def test_a_pod_that_the_triggerer_cannot_watch_is_left_at_work_and_no_worker_waits_for_it(
    installation: None, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = begun(monkeypatch, "Running", running=k8s.V1ContainerStateRunning())
    event = {"status": "error", "name": "train-1", "namespace": "models", "message": "no route to host"}
    with pytest.raises(
        AirflowException,
        match=r"triggerer cannot watch pod models/train-1 of job train: no route to host; the pod is still at work, "
        r"and a retry of the task goes on with it",
    ):
        operator.trigger_reentry(context("run-1"), event | {"_redefer_count": operator.MAX_REDEFER_ATTEMPTS})


def test_a_pod_whose_image_cannot_be_pulled_is_taken_away_and_no_worker_waits_for_its_end(
    installation: None, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = k8s.V1ContainerStateWaiting(reason="ErrImagePull", message="connection refused")
    operator = begun(monkeypatch, "Pending", waiting=waiting)
    taken: list[str] = []
    monkeypatch.setattr(PodJobOperator, "post_complete_action", lambda *_, pod, **__: taken.append(pod.metadata.name))
    monkeypatch.setattr(PodJobOperator, "is_istio_enabled", lambda *_: False)
    event = {"status": "error", "name": "train-1", "namespace": "models", "message": "Image cannot be pulled"}
    with pytest.raises(AirflowException, match=r"its image .* cannot be pulled \(ErrImagePull: connection refused\)"):
        operator.trigger_reentry(context("run-1"), event)
    assert taken == ["train-1"]
