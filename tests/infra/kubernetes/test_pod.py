"""The pods that serve: an installation's template, ours laid on it, and the part that brings the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.kubernetes.merge import merged
from infra.kubernetes.pod import CONTAINER, from_lake, pod_template
from infra.kubernetes.workload import autoscaler, deployment
from tests.small_models import pipeline
from tidewheel.errors import SettingsError
from tidewheel.release.artifact import Artifact
from tidewheel.release.stages import Colour
from tidewheel.settings import Settings
from tidewheel.spec.serving import Replicas

ARTIFACT = Artifact("7", "orders:7", "/nowhere", "c0ffee")
TEMPLATE = """
kind: Pod
metadata: {labels: {team: growth, tidewheel/colour: red}, annotations: {note: ours}}
spec:
  nodeSelector: {pool: models}
  tolerations: [{key: models, operator: Exists}]
  volumes: [{name: tokens, secret: {secretName: tokens}}]
  containers:
    - name: endpoint
      env:
        - {name: TIDEWHEEL_ENDPOINT_TOKEN_FILE, value: /tokens/all}
        - {name: TIDEWHEEL_COLOUR, value: red}
      volumeMounts: [{name: tokens, mountPath: /tokens}]
    - {name: agent, image: "agent:1"}
"""


def settings(folder: Path, template: str | None = TEMPLATE) -> Settings:
    path = folder / "pod.yaml"
    path.write_text(template or "")
    return Settings(
        home=folder,
        lake_url="s3://lake/root",
        serving_image="models:1",
        serving_pod_template=path if template is not None else None,
    )


def test_an_installations_template_adds_to_a_pod_and_never_changes_what_makes_it_one_of_ours(tmp_path: Path) -> None:
    made = pod_template(settings(tmp_path), pipeline(tmp_path), Colour.BLUE, ARTIFACT, from_lake)
    labels, spec = made["metadata"]["labels"], made["spec"]
    assert (labels["team"], labels["tidewheel/colour"], labels["tidewheel/pipeline"]) == ("growth", "blue", "orders")
    assert made["metadata"]["annotations"] == {
        "note": "ours",
        "tidewheel/pipeline": "orders",
        "tidewheel/version": "7",
        "tidewheel/content-hash": "c0ffee",
    }
    assert spec["nodeSelector"] == {"pool": "models"}
    assert spec["tolerations"] == [{"key": "models", "operator": "Exists"}]
    containers = {container["name"]: container for container in spec["containers"]}
    assert containers["agent"] == {"name": "agent", "image": "agent:1"}
    ours = containers[CONTAINER]
    environment = {entry["name"]: entry.get("value") for entry in ours["env"]}
    assert environment["TIDEWHEEL_ENDPOINT_TOKEN_FILE"] == "/tokens/all"
    assert environment["TIDEWHEEL_COLOUR"] == "blue"
    assert "/tokens" in [mount["mountPath"] for mount in ours["volumeMounts"]]
    assert {"tokens", "model", "requests", "tmp"} <= {volume["name"] for volume in spec["volumes"]}


def test_a_pod_runs_confined_with_probes_and_time_to_drain(tmp_path: Path) -> None:
    spec = pod_template(settings(tmp_path, None), pipeline(tmp_path), Colour.BLUE, ARTIFACT, from_lake)["spec"]
    [ours] = spec["containers"]
    assert ours["securityContext"]["readOnlyRootFilesystem"]
    assert ours["securityContext"]["runAsNonRoot"]
    assert spec["automountServiceAccountToken"] is False
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= ours.keys()
    assert spec["terminationGracePeriodSeconds"] > ours["lifecycle"]["preStop"]["sleep"]["seconds"] + 30
    assert ours["resources"] == {"requests": {"cpu": "0.5", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    token = next(entry for entry in ours["env"] if entry["name"] == "TIDEWHEEL_PLATFORM_TOKEN")
    assert token["valueFrom"]["secretKeyRef"]["name"] == "tidewheel-platform-token"
    assert "c0ffee" in spec["initContainers"][0]["command"]


def test_a_template_that_is_no_pod_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"TIDEWHEEL_SERVING_POD_TEMPLATE names .*holds a Service; expected"):
        pod_template(settings(tmp_path, "kind: Service"), pipeline(tmp_path), Colour.BLUE, ARTIFACT, from_lake)


def test_nobody_but_an_autoscaler_says_how_many_pods_there_are_where_there_is_one() -> None:
    assert "replicas" not in deployment("a", Colour.BLUE, {}, {}, None)["spec"]
    assert deployment("a", Colour.BLUE, {}, {}, 2)["spec"]["replicas"] == 2
    scaled = autoscaler("a", Colour.BLUE, Replicas(minimum=1, maximum=6), 2)["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (2, 6)
    assert scaled["scaleTargetRef"]["name"] == "a-blue"


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"command": ["a", "b"]}, {"command": ["c"]}, {"command": ["c"]}),
        (
            {"tolerations": [{"key": "a"}]},
            {"tolerations": [{"key": "b"}]},
            {"tolerations": [{"key": "a"}, {"key": "b"}]},
        ),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
        ),
    ],
)
def test_partial_objects_are_laid_on_each_other(base: object, over: object, expected: object) -> None:
    assert merged(base, over) == expected
