"""The chart's exporter, and what the Prometheus Operator and Grafana's sidecar get from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.grafana.dashboards import dashboards
from infra.kubernetes.names import colour_labels
from infra.prometheus.exporter import PORT
from infra.prometheus.rules import rules
from tests.infra.helm.rendered import SETS, named, render
from tidewheel.release import Colour

CASE = "gateway and releases"


def labels_of(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, str]:
    return named(objects, kind, name)["metadata"]["labels"]  # type: ignore[no-any-return]


def test_the_exporter_is_found_by_service_and_monitor(tmp_path: Path) -> None:
    objects = render(SETS[CASE], tmp_path)
    pod = named(objects, "Deployment", "tidewheel-exporter")["spec"]["template"]
    service = named(objects, "Service", "tidewheel-exporter")
    monitor = named(objects, "ServiceMonitor", "tidewheel-exporter")

    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    [port] = pod["spec"]["containers"][0]["ports"]
    assert (port["name"], port["containerPort"], service["spec"]["ports"][0]["port"]) == ("metrics", PORT, PORT)
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_the_models_pods_are_found_and_series_get_pipeline_colour_and_version(tmp_path: Path) -> None:
    monitor = named(render(SETS[CASE], tmp_path), "PodMonitor", "tidewheel-models")["spec"]

    assert monitor["selector"]["matchLabels"].items() <= colour_labels("shop", Colour.BLUE).items()
    targets = {each["targetLabel"]: each["sourceLabels"] for each in monitor["podMetricsEndpoints"][0]["relabelings"]}
    assert targets == {
        "pipeline": ["__meta_kubernetes_pod_annotation_tidewheel_pipeline"],
        "colour": ["__meta_kubernetes_pod_label_tidewheel_colour"],
        "model_version": ["__meta_kubernetes_pod_annotation_tidewheel_version"],
    }


def test_rules_and_dashboards_are_ours_with_the_labels_by_which_they_are_taken_up(tmp_path: Path) -> None:
    objects = render(SETS[CASE], tmp_path)

    assert named(objects, "PrometheusRule", "tidewheel")["spec"] == rules()
    for kind, name in (
        ("PrometheusRule", "tidewheel"), ("ServiceMonitor", "tidewheel-exporter"), ("PodMonitor", "tidewheel-models")
    ):  # fmt: skip
        assert labels_of(objects, kind, name)["release"] == "prometheus"
    files = named(objects, "ConfigMap", "tidewheel-dashboards")["data"]
    assert {name: json.loads(text)["title"] for name, text in files.items()} == {
        f"{dashboard.uid}.json": dashboard.title for dashboard in dashboards()
    }
    assert labels_of(objects, "ConfigMap", "tidewheel-dashboards")["grafana_dashboard"] == "1"


def test_the_exporter_may_read_the_gateway_and_needs_no_token_without_one(tmp_path: Path) -> None:
    objects = render(SETS[CASE], tmp_path)
    account = named(objects, "Deployment", "tidewheel-exporter")["spec"]["template"]["spec"]["serviceAccountName"]
    binding = named(objects, "RoleBinding", "tidewheel-exporter-gateway-reader-place")

    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "place"}]
    assert named(objects, "Role", binding["roleRef"]["name"])["metadata"]["namespace"] == "envoy-gateway-system"
    plain = {(o["kind"], o["metadata"]["name"]) for o in render({}, tmp_path)}
    assert ("Deployment", "tidewheel-exporter") in plain
    assert not {kind for kind, _ in plain} & {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    assert ("ServiceAccount", "tidewheel-exporter") not in plain


def test_without_metrics_none_of_it_is_made(tmp_path: Path) -> None:
    objects = render({"metrics": {"enabled": False, "monitors": True}}, tmp_path)

    assert not [o["metadata"]["name"] for o in objects if "exporter" in o["metadata"]["name"]]
    assert not [o for o in objects if o["apiVersion"].startswith("monitoring")]
