"""How many pods each colour may have: what answers keeps what it was released with, whatever the file says by now."""

from __future__ import annotations

from pathlib import Path

from kubernetes.client import models as k8s

from infra.kubernetes.names import colour_labels
from infra.kubernetes.serving_pod import PORT
from tests.infra.kubernetes.memory import MemoryApi, backend
from tests.small_models import pipeline
from tidewheel.release.artifact import Artifact
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline
from tidewheel.spec.serving import Replicas, Serving

BLUE, GREEN = Colour.BLUE, Colour.GREEN


def declared(folder: Path, minimum: int, maximum: int) -> Pipeline:
    serving = Serving(replicas=Replicas(minimum=minimum, maximum=maximum))
    return pipeline(folder).model_copy(update={"serving": serving})


def release(settings: Settings, colour: Colour, minimum: int, maximum: int) -> None:
    """Start a version of its own, as declared; no request goes there."""
    one = backend(settings, "orders", declared(settings.home, minimum, maximum))
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
