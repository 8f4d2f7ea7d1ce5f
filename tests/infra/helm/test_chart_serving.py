"""What the chart says to releases on Kubernetes, read by what reads it there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.infra.helm.rendered import SETS, named, render, template
from tidewheel.settings import Settings, load_settings

SERVING: dict[str, Any] = SETS["gateway and releases"]["serving"]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path))
    return monkeypatch


def settings_of(objects: list[dict[str, Any]], environment: pytest.MonkeyPatch) -> Settings:
    """The settings of a pod that has the chart's ConfigMap in its environment."""
    data = named(objects, "ConfigMap", "tidewheel-settings")["data"]
    for name, value in data.items():
        if name.startswith("TIDEWHEEL_") and name != "TIDEWHEEL_HOME":
            environment.setenv(name, value)
    return load_settings()


def test_releases_find_backend_endpoint_image_and_gateway(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = settings_of(render(SETS["gateway and releases"], tmp_path), environment)

    assert settings.release_backend == "infra.kubernetes:KubernetesBackend"
    assert settings.require("endpoint_url") == "https://models.example"
    assert (settings.serving_image, settings.serving_namespace) == ("serving:1", "place")
    assert settings.serving_pod_template == Path("/etc/tidewheel/serving.yaml")
    assert (settings.gateway, settings.gateway_pods_namespace) == ("place/tidewheel", "envoy-gateway-system")


@pytest.mark.parametrize(
    ("gateway", "own", "expected"),
    [
        ({"parentRefs": [{"name": "shared", "namespace": "edge"}]}, "", ("edge", "shared")),
        ({"parentRefs": [{"name": "shared"}]}, "", ("place", "shared")),
        ({"parentRefs": [{"name": "shared"}]}, "models/inner", ("models", "inner")),
        ({"enabled": True, "className": "envoy"}, "models/inner", ("models", "inner")),
    ],
)
def test_the_gateway_of_models_is_the_one_of_the_pages_unless_another_is_named(
    gateway: dict[str, Any], own: str, expected: tuple[str, str], environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = {"gateway": gateway | {"podsNamespace": "edge-pods"}, "serving": SERVING | {"gateway": own}}
    objects = render(values, tmp_path)
    settings = settings_of(objects, environment)

    assert tuple(settings.gateway.split("/")) == expected
    role = named(objects, "Role", "tidewheel-gateway-reader-place")
    assert role["metadata"]["namespace"] == settings.gateway_pods_namespace == "edge-pods"


def test_serving_without_a_gateway_or_an_address_is_refused_in_words(tmp_path: Path) -> None:
    assert (
        "no Gateway is named; set serving.gateway to NAMESPACE/NAME" in template({"serving": SERVING}, tmp_path).stderr
    )
    refused = template({"serving": {"enabled": True}, "gateway": {"parentRefs": [{"name": "g"}]}}, tmp_path).stderr
    assert "/serving/url" in refused
    assert "/serving/image" in refused


def test_without_it_nothing_is_said_of_serving(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    objects = render({}, tmp_path)
    assert settings_of(objects, environment).release_backend == Settings().release_backend
    assert "tidewheel-releaser" not in {o["metadata"]["name"] for o in objects}
