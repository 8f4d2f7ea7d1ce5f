"""The exporter passes on the own metrics of this machine's Envoy, and says so where it cannot."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.infra.prometheus.envoy import RunningEnvoy
from tests.infra.prometheus.test_exporter import exporter
from tidewheel.settings import Settings


def of(settings: Settings, admin_url: str) -> Settings:
    return settings.model_copy(update={"envoy_admin_url": admin_url})


def test_envoys_own_metrics_are_passed_on_and_of_thousands_only_those_that_panels_show(
    envoy: RunningEnvoy, settings: Settings
) -> None:
    envoy.send(3)
    with exporter(of(settings, envoy.admin_url), None) as url:
        answer = httpx.get(f"{url}/envoy", trust_env=False)
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert answer.status_code == 200
    assert {"envoy_server_uptime", "envoy_cluster_upstream_rq_retry", "envoy_cluster_membership_healthy"} <= set(
        families
    )
    assert len(families) < 40
    [healthy] = [one for one in families["envoy_cluster_membership_healthy"].samples if one.value]
    assert healthy.labels == {"envoy_cluster_name": "orders-blue"}


def test_an_envoy_that_is_away_is_no_page_without_figures(settings: Settings, tmp_path: Path) -> None:
    with exporter(of(settings, f"unix://{tmp_path}/none.sock"), None) as url:
        answer = httpx.get(f"{url}/envoy", trust_env=False)
    assert answer.status_code == 502
    assert "Envoy does not answer" in answer.text


def test_an_installation_without_an_envoy_says_so(settings: Settings) -> None:
    with exporter(of(settings, ""), None) as url:
        assert httpx.get(f"{url}/envoy", trust_env=False).status_code == 404
