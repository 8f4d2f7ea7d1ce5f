"""Who the chart's network policies admit, by the labels that pods really have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from infra.kubernetes.names import colour_labels
from tests.infra.helm.rendered import ROOT, SETS, named, render
from tidewheel.release import Colour

JOB = {"app.kubernetes.io/part-of": "tidewheel", "tidewheel/pipeline": "shop"}
CALLERS: dict[str, Mapping[str, str]] = {
    "job": JOB,
    "executor": JOB | {"spark-role": "executor"},
    "model": colour_labels("shop", Colour.BLUE),
    "stranger": {"app": "stranger"},
}
OUTSIDE = {"kubernetes.io/metadata.name": "outside"}
STORES = ("postgresql", "s3", "mlflow")
AIRFLOW = {"airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}


def callers(objects: list[dict[str, Any]]) -> dict[str, Mapping[str, str]]:
    """Labels of the chart's own pods, by component, and of those that jobs and releases start."""
    made = [o["spec"]["template"]["metadata"] for o in objects if "template" in o.get("spec", {})]
    made += [o["metadata"] for o in objects if o["kind"] == "Pod"]
    return {pod["labels"]["app.kubernetes.io/component"]: pod["labels"] for pod in made} | CALLERS


def selects(selector: dict[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes labels, as Kubernetes does it."""
    decide = {
        "In": lambda value, values: value in values,
        "NotIn": lambda value, values: value not in values,
        "Exists": lambda value, _: value is not None,
        "DoesNotExist": lambda value, _: value is None,
    }
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items()) and all(
        decide[each["operator"]](labels.get(each["key"]), each.get("values"))
        for each in selector.get("matchExpressions", [])
    )


def admits(policy: dict[str, Any], labels: Mapping[str, str], namespace: Mapping[str, str] | None = None) -> bool:
    """Whether a policy lets a pod in: one of its own namespace, or of another with these labels."""
    for peer in [peer for rule in policy["spec"]["ingress"] for peer in rule["from"]]:
        near = (
            namespace is None
            if "namespaceSelector" not in peer
            else selects(peer["namespaceSelector"], namespace or {})
        )
        if near and selects(peer.get("podSelector", {}), labels):
            return True
    return False


def admitted(objects: list[dict[str, Any]], component: str) -> set[str]:
    """Who is let in to a component."""
    policy = named(objects, "NetworkPolicy", f"tidewheel-{component}")
    return {name for name, labels in callers(objects).items() if admits(policy, labels)}


def test_each_store_admits_who_needs_it_and_nobody_else(tmp_path: Path) -> None:
    objects = render({}, tmp_path)
    stores = {*AIRFLOW, "mlflow", "prepare", "test", "job"}

    assert admitted(objects, "postgresql") == stores | {"exporter"}
    assert admitted(objects, "s3") == stores | {"executor", "model"}
    assert admitted(objects, "mlflow") == {*AIRFLOW, "test", "job"}
    assert admitted(objects, "airflow-api-server") == {*AIRFLOW, "test"}
    assert admitted(objects, "airflow-scheduler") == {"airflow-api-server"}
    assert admitted(objects, "airflow-triggerer") == {"airflow-api-server"}
    assert admitted(objects, "airflow-dag-processor") == set()


def test_an_airflow_that_is_there_is_let_in_by_the_labels_of_its_values(tmp_path: Path) -> None:
    values = YAML(typ="safe", pure=True).load((ROOT / "infra/helm/airflow-values.yaml").read_text(encoding="utf-8"))
    objects = render(SETS["existing Airflow"], tmp_path)
    scheduler = {"tier": "airflow", "component": "scheduler", "release": "airflow"}
    for store in STORES:
        policy = named(objects, "NetworkPolicy", f"tidewheel-{store}")
        assert admits(policy, scheduler | values["labels"]), store
        assert not admits(policy, scheduler), store


def test_clients_are_let_in_to_what_holds_data_and_not_to_airflow(tmp_path: Path) -> None:
    peer = {"namespaceSelector": {"matchLabels": OUTSIDE}, "podSelector": {"matchLabels": {"app": "stranger"}}}
    objects = render({"networkPolicy": {"clients": [peer]}}, tmp_path)
    for store in STORES:
        policy = named(objects, "NetworkPolicy", f"tidewheel-{store}")
        assert admits(policy, CALLERS["stranger"], OUTSIDE), store
        assert not admits(policy, {}, OUTSIDE), store
    assert not admits(named(objects, "NetworkPolicy", "tidewheel-airflow-api-server"), CALLERS["stranger"], OUTSIDE)


def test_only_named_scrapers_reach_the_exporter(tmp_path: Path) -> None:
    assert named(render({}, tmp_path), "NetworkPolicy", "tidewheel-exporter")["spec"]["ingress"] == []
    peer = {"namespaceSelector": {"matchLabels": OUTSIDE}}
    objects = render({"networkPolicy": {"scrapers": [peer]}}, tmp_path)
    policy = named(objects, "NetworkPolicy", "tidewheel-exporter")
    assert admits(policy, {"app": "prometheus"}, OUTSIDE)
    assert not admits(policy, {"app": "prometheus"}, {"kubernetes.io/metadata.name": "other"})


def test_a_page_with_a_route_lets_its_gateway_in(tmp_path: Path) -> None:
    gateway = {"parentRefs": [{"name": "shared"}], "podsNamespace": "outside", "mlflowHostname": "m.example"}
    objects = render({"gateway": gateway}, tmp_path)
    assert admits(named(objects, "NetworkPolicy", "tidewheel-mlflow"), {"app": "envoy"}, OUTSIDE)
    assert not admits(named(objects, "NetworkPolicy", "tidewheel-airflow-api-server"), {"app": "envoy"}, OUTSIDE)
    assert not admits(named(objects, "NetworkPolicy", "tidewheel-postgresql"), {"app": "envoy"}, OUTSIDE)
