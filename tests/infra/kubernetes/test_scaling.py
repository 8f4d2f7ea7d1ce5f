"""How many pods each colour may have: what answers keeps what it was released with, whatever the file says by now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kubernetes.client import models as k8s

from infra.kubernetes.names import colour_labels
from infra.kubernetes.scaling import EXTERNAL_METRICS
from infra.kubernetes.serving_pod import PORT
from tests.infra.kubernetes.memory import MemoryApi, backend
from tests.small_models import pipeline
from tidewheel.release.artifact import Artifact
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline
from tidewheel.spec.serving import Replicas, Serving

if TYPE_CHECKING:
    import pytest

BLUE, GREEN = Colour.BLUE, Colour.GREEN


def declared(folder: Path, minimum: int, maximum: int, in_flight: float | None = None) -> Pipeline:
    serving = Serving(replicas=Replicas(minimum=minimum, maximum=maximum, requests_in_flight=in_flight))
    return pipeline(folder).model_copy(update={"serving": serving})


def release(settings: Settings, colour: Colour, minimum: int, maximum: int, in_flight: float | None = None) -> None:
    """Start a version of its own, as declared; no request goes there."""
    one = backend(settings, "orders", declared(settings.home, minimum, maximum, in_flight))
    one.start(colour, Artifact(str(colour), f"orders:{colour}", "/nowhere", str(colour)), minimum)


def test_the_live_colour_keeps_its_limits_whatever_the_file_says_of_the_next_version(
    api: MemoryApi, settings: Settings
) -> None:
    release(settings, BLUE, 2, 6)
    backend(settings, "orders").route(Traffic(BLUE))
    api.scale("orders-blue", 5)
    release(settings, GREEN, 1, 3)
    assert api.limits("orders-blue") == (5, 6), "it is as large as it was, and may still grow"
    assert api.limits("orders-green") == (3, 3), "as many as it may have"
    assert api.objects["Deployment", "orders-green"]["spec"]["replicas"] == 3


def test_a_version_without_an_autoscaler_leaves_the_live_ones(api: MemoryApi, settings: Settings) -> None:
    release(settings, BLUE, 1, 3)
    backend(settings, "orders").route(Traffic(BLUE))
    release(settings, GREEN, 2, 2)
    assert api.limits("orders-blue") == (2, 3)
    assert api.limits("orders-green") is None


def test_a_colour_is_stopped_without_a_pipeline_file_and_frees_the_size_of_the_other(
    api: MemoryApi, settings: Settings
) -> None:
    release(settings, BLUE, 1, 4)
    backend(settings, "orders").route(Traffic(BLUE))
    api.scale("orders-blue", 3)
    release(settings, GREEN, 2, 3)
    assert api.limits("orders-blue") == (3, 4)
    (settings.home / "orders.yaml").unlink()
    stops = backend(settings, "orders")
    stops.stop(GREEN)
    assert api.limits("orders-blue") == (1, 4)
    assert (stops.replicas(BLUE), stops.replicas(GREEN)) == (1, 0)
    assert (stops.maximum(BLUE), stops.maximum(GREEN)) == (4, None)
    stops.route(Traffic())
    stops.stop(BLUE)
    assert not [kind for kind, _ in api.objects if kind in ("Deployment", "HorizontalPodAutoscaler")]


def test_an_autoscaler_follows_the_requests_in_flight_of_its_colour_too(api: MemoryApi, settings: Settings) -> None:
    api.groups.add(EXTERNAL_METRICS)
    release(settings, BLUE, 1, 3, in_flight=2.5)
    release(settings, GREEN, 1, 3)
    by_cpu, by_requests = api.metrics("orders-blue")
    assert by_cpu["type"] == "ContainerResource"
    assert by_requests["external"] == {
        "metric": {
            "name": "tidewheel_router_requests_in_flight",
            "selector": {"matchLabels": {"pipeline": "orders", "colour": "blue"}},
        },
        "target": {"type": "AverageValue", "averageValue": "2500m"},
    }
    assert [metric["type"] for metric in api.metrics("orders-green")] == ["ContainerResource"]


def test_where_no_adapter_measures_requests_pods_scale_by_their_cpu_and_the_release_says_so(
    api: MemoryApi, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    release(settings, BLUE, 1, 3, in_flight=4)
    assert [metric["type"] for metric in api.metrics("orders-blue")] == ["ContainerResource"]
    assert "orders scale by their CPU alone" in caplog.text
    assert "no adapter in this cluster serves external.metrics.k8s.io" in caplog.text


def test_only_pods_that_answer_and_stay_are_asked(api: MemoryApi, settings: Settings) -> None:
    release(settings, BLUE, 1, 3)
    api.running = [pod("10.0.0.1"), pod("10.0.0.2", ready=False), pod("10.0.0.3", leaving=True)]
    one = backend(settings, "orders")
    assert one.addresses(BLUE) == [f"http://10.0.0.1:{PORT}"]


def pod(address: str, *, ready: bool = True, leaving: bool = False) -> k8s.V1Pod:
    """Of blue, and running."""
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(
            name=address,
            labels=dict(colour_labels("orders", BLUE)),
            deletion_timestamp="2026-01-01T00:00:00Z" if leaving else None,
        ),
        status=k8s.V1PodStatus(
            phase="Running", pod_ip=address, conditions=[k8s.V1PodCondition(type="Ready", status=str(ready))]
        ),
    )
