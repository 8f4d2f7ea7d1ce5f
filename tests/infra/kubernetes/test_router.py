"""What the backend does with routes, by what the API server and the gateway's pods then hold."""

from __future__ import annotations

import logging

import pytest

from infra.kubernetes import router
from infra.kubernetes.backend import KubernetesBackend
from infra.kubernetes.gateway import Gateway
from infra.kubernetes.routes import shown_header
from tests.infra.kubernetes.memory import MemoryApi, backend
from tests.small_models import pipeline
from tidewheel.errors import PlatformError
from tidewheel.release.artifact import Artifact
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Gone, Traffic
from tidewheel.settings import Settings

BLUE, GREEN = Colour.BLUE, Colour.GREEN


def started(settings: Settings, name: str = "orders", replicas: int = 1) -> KubernetesBackend:
    """A pipeline with a version in each colour."""
    one = backend(settings, name, pipeline(settings.home).model_copy(update={"name": name}))
    for colour in Colour:
        one.start(colour, Artifact(str(colour), f"{name}:{colour}", "/nowhere", str(colour)), replicas)
    return one


def triggers(api: MemoryApi) -> set[str]:
    policy = api.objects["BackendTrafficPolicy", "orders"]
    return set(policy["spec"]["retry"]["retryOn"]["triggers"])


def test_requests_go_to_no_colour_that_the_gateway_does_not_know(
    api: MemoryApi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = started(settings)
    one.route(Traffic(BLUE))
    monkeypatch.setattr(router, "TAKEN_SECONDS", 0.2)
    monkeypatch.setattr(router, "members", lambda address, cluster: 0)
    for wanted in (Traffic(GREEN), Traffic(BLUE, share=20)):
        with pytest.raises(PlatformError, match=r"no request goes there: .*do not know .*green.* of orders after"):
            one.route(wanted)
        assert one.traffic() == Traffic(BLUE)
        api.objects.pop(("HTTPRoute", "orders"))
        one.route(Traffic(BLUE))


def test_a_request_is_given_to_another_pod_where_each_colour_that_answers_has_some(
    api: MemoryApi, settings: Settings
) -> None:
    started(settings, replicas=2).route(Traffic(BLUE))
    assert "reset" in triggers(api)
    started(settings).route(Traffic(BLUE))
    assert "reset" not in triggers(api)


def test_what_callers_of_a_pipeline_that_was_given_up_are_answered_stays(api: MemoryApi, settings: Settings) -> None:
    one = started(settings)
    one.route(Traffic(BLUE))
    one.withdraw(Gone("2026-02-03"))
    given_up = api.objects["HTTPRoute", "orders"]
    one.route(Traffic())
    assert api.objects["HTTPRoute", "orders"] == given_up
    one.route(Traffic(GREEN))
    one.route(Traffic())
    assert ("HTTPRoute", "orders") not in api.objects


def test_a_pipeline_on_which_the_gateways_pods_differ_is_left_out_for_the_moment(
    api: MemoryApi, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("orders", "shop_"):
        started(settings, name).route(Traffic(BLUE))
    assert KubernetesBackend.all_traffic(settings) == {"orders": Traffic(BLUE), "shop_": Traffic(BLUE)}

    def shown(_: Gateway, name: str, address: str) -> str:
        behind = (name, address) == ("orders", "two")
        return shown_header(Traffic(GREEN if behind else BLUE), retained=True)

    monkeypatch.setattr(Gateway, "addresses", lambda _: ["one", "two"])
    monkeypatch.setattr(Gateway, "shown", shown)
    with caplog.at_level(logging.WARNING):
        assert KubernetesBackend.all_traffic(settings) == {"shop_": Traffic(BLUE)}
    assert "do not agree where requests of orders go" in caplog.text

    def silent(_: Gateway, name: str, address: str) -> str:
        raise PlatformError("the gateway does not answer")

    monkeypatch.setattr(Gateway, "shown", silent)
    with pytest.raises(PlatformError, match="does not answer"):
        KubernetesBackend.all_traffic(settings)
