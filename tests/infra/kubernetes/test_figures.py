"""Figures of the gateway's pods, and whether it has taken a route."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.kubernetes import figures
from infra.kubernetes.api import KubernetesApi
from infra.kubernetes.figures import cluster_figures, service_figures
from infra.kubernetes.gateway import Gateway
from infra.prometheus.routers import gateway_counts
from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import PlatformError, SettingsError
from tidewheel.policies.guard import RequestCounts
from tidewheel.settings import Settings

BLUE = "httproute/ns/shop/rule/0/backend/0"
PAGE = f"""# TYPE envoy_cluster_upstream_rq_completed counter
envoy_cluster_upstream_rq_completed{{envoy_cluster_name="{BLUE}"}} 100
envoy_cluster_upstream_rq_completed{{envoy_cluster_name="other"}} 7
# TYPE envoy_cluster_upstream_rq_xx counter
envoy_cluster_upstream_rq_xx{{envoy_response_code_class="2",envoy_cluster_name="{BLUE}"}} 90
envoy_cluster_upstream_rq_xx{{envoy_response_code_class="4",envoy_cluster_name="{BLUE}"}} 4
envoy_cluster_upstream_rq_xx{{envoy_response_code_class="5",envoy_cluster_name="{BLUE}"}} 6
# TYPE envoy_cluster_upstream_rq_rx_reset counter
envoy_cluster_upstream_rq_rx_reset{{envoy_cluster_name="{BLUE}"}} 1
# TYPE envoy_cluster_upstream_rq_active gauge
envoy_cluster_upstream_rq_active{{envoy_cluster_name="{BLUE}"}} 2
# TYPE envoy_cluster_upstream_rq_time histogram
envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="{BLUE}",le="5"}} 60
envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="{BLUE}",le="25"}} 95
envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="{BLUE}",le="+Inf"}} 100
envoy_cluster_upstream_rq_time_sum{{envoy_cluster_name="{BLUE}"}} 900
envoy_cluster_upstream_rq_time_count{{envoy_cluster_name="{BLUE}"}} 100
# TYPE envoy_server_uptime gauge
envoy_server_uptime{{}} 4321
"""


@contextmanager
def gateway_pod(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        monkeypatch.setattr(figures, "STATS_PORT", server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield "127.0.0.1"
        server.shutdown()
        thread.join()


def test_the_figures_of_a_colour_are_those_of_all_gateway_pods_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway_pod(monkeypatch) as address:
        found = cluster_figures([address, address], {BLUE, "httproute/ns/shop/rule/0-mirror-0"})
        counted = found.request_counts()
        assert (counted.requests, counted.errors, counted.refused, found.active) == (200, 14, 8, 4)
        assert counted.times == ((5.0, 120), (25.0, 70))
        assert not cluster_figures([address], {"httproute/ns/other/rule/0/backend/0"}).known
    with pytest.raises(PlatformError, match="must reach the cluster's pods"):
        cluster_figures([address], {BLUE})


def test_the_figures_of_one_gateway_pod_come_by_service_with_its_uptime(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = "httproute/ns/shop/rule/0-mirror-0"
    services = {BLUE: ("shop", "blue"), copies: ("shop", "blue"), "httproute/ns/idle/rule/0": ("idle", "blue")}
    with gateway_pod(monkeypatch) as address:
        uptime, found = service_figures(address, services)

    assert (uptime, found.keys()) == (4321, {("shop", "blue")})
    blue = found["shop", "blue"]
    assert (blue.completed, blue.failed, blue.refused, blue.resets) == (100, 6, 4, 1)
    assert blue.times == ((5.0, 60), (25.0, 35))


def test_the_exporter_reads_each_gateway_pod_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster_of_nobody: KubernetesApi
) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "shop.yaml").write_text(PIPELINE_FILE.replace("orders", "shop"))
    settings = Settings(project=tmp_path, serving_namespace="ns")
    gateway = Gateway(cluster_of_nobody, settings)
    assert gateway_counts(gateway, settings) == {"gateway": None}

    with gateway_pod(monkeypatch) as address:
        monkeypatch.setattr(gateway, "pods", lambda: {"pod-a": address, "pod-b": "127.0.0.2"})
        found = gateway_counts(gateway, settings)
    assert found.keys() == {"pod-a", "pod-b"}
    assert found["pod-b"] is None
    assert found["pod-a"] is not None
    reading = found["pod-a"].reading()
    assert (reading.router, reading.uptime_seconds) == ("pod-a", 4321)
    assert reading.counted == {("shop", "blue"): RequestCounts(100, 6, 4, ((5.0, 60), (25.0, 35)))}


def condition(kind: str, status: str, generation: int) -> dict[str, Any]:
    return {"type": kind, "status": status, "observedGeneration": generation, "reason": "Because", "message": "so"}


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        ([condition("Accepted", "True", 3), condition("ResolvedRefs", "True", 3)], ""),
        ([condition("Accepted", "True", 2), condition("ResolvedRefs", "True", 2)], "has not taken it up"),
        ([condition("Accepted", "True", 3)], "has not taken it up"),
        ([], "has not taken it up"),
        (
            [condition("Accepted", "True", 3), condition("ResolvedRefs", "False", 3)],
            r"HTTPRoute ns/shop was not taken \(ResolvedRefs: Because\): so",
        ),
    ],
)
def test_a_route_is_taken_when_the_gateway_says_so_of_the_newest_one(
    conditions: list[dict[str, Any]], why: str, cluster_of_nobody: KubernetesApi
) -> None:
    gateway = Gateway(cluster_of_nobody, Settings(gateway="gateways/public"))
    parents = [{"parentRef": {"namespace": "gateways", "name": "public"}, "conditions": conditions}]
    found = gateway.objection("shop", {"metadata": {"generation": 3}, "status": {"parents": parents}})
    assert re.search(why, found) if why else not found


def test_a_gateway_is_named_by_its_namespace_and_its_name(cluster_of_nobody: KubernetesApi) -> None:
    with pytest.raises(SettingsError, match="TIDEWHEEL_GATEWAY is 'public'; expected NAMESPACE/NAME"):
        Gateway(cluster_of_nobody, Settings(gateway="public"))


def test_an_api_server_that_is_away_is_named(cluster_of_nobody: KubernetesApi) -> None:
    with pytest.raises(PlatformError, match=r"API server does not answer at http://127\.0\.0\.1:1"):
        cluster_of_nobody.get("Deployment", "shop-blue")


def test_a_process_that_knows_no_cluster_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path_factory.mktemp("none") / "missing"))
    with pytest.raises(SettingsError, match=r"no cluster to release to: .*set KUBECONFIG"):
        KubernetesApi("ns")
