"""Every metric that is exported is in a panel, or has a reason not to be."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from bentos.contract_counts import ContractCounts
from bentos.metrics import Metrics
from infra.envoy.admin import ClusterRequests
from infra.grafana.dashboards import dashboards
from infra.prometheus.collector import LedgerCollector
from infra.prometheus.requests import RequestsCollector
from infra.prometheus.routers import RouterCounts
from tidewheel.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
WITHOUT_PANEL = {
    "tidewheel_excess_loss_days": "only says whether tidewheel_excess_loss covers enough days for its alert",
    "tidewheel_label_delay_seconds": "declared; tidewheel_expected_labels_timestamp_seconds follows from it",
    "tidewheel_service_info": "names the process; panels use the labels of its target",
}


def exported(database_url: str, project: Path) -> set[str]:
    """Names of series, as a query has them, of exporter, routers and model services; those of the process left out."""
    packaged = SimpleNamespace(pipeline="orders", version="3", format="onnx", contract=SimpleNamespace(columns=()))
    log = SimpleNamespace(written=3, dropped={"queue": 0}, cut_requests=0, cut_rows=0)
    counts = ContractCounts(packaged, "blue")  # type: ignore[arg-type]
    service = Metrics(SimpleNamespace(packaged=packaged, colour="blue"), log, counts)  # type: ignore[arg-type]
    settings = Settings(project=project, home=project / "home", database_url=database_url)  # type: ignore[arg-type]
    router = RouterCounts("envoy", datetime.now(UTC), 60, {("orders", "blue"): ClusterRequests(1, 0, 0, 0, 0, ())})
    families: Iterable[Metric] = [
        *text_string_to_metric_families(service.text().decode()),
        *LedgerCollector(settings).collect(),
        *RequestsCollector(lambda: {"envoy": router}).collect(),
    ]
    return {
        f"{family.name}{suffix}"
        for family in families
        for suffix in SUFFIXES.get(family.type, ("",))
        if family.name.startswith("tidewheel_") and not family.name.endswith("_created")  # the client's own
    }


def test_every_metric_is_in_a_panel_or_has_a_reason_not_to_be(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    queries = " ".join(query for each in dashboards() for panel in each.panels for query, _ in panel.queries)
    asked = set(re.findall(r"\btidewheel_\w+", queries))
    found = exported(database_url, tmp_path)
    assert len(found) > 50

    histograms = {name.removesuffix("_bucket") for name in found if name.endswith("_bucket")}
    shown = {name for name in asked if name in found}
    shown |= {f"{name}{part}" for name in histograms if f"{name}_bucket" in asked for part in SUFFIXES["histogram"]}
    missing = found - shown - WITHOUT_PANEL.keys()

    assert missing == set(), "add a panel in infra/grafana, or a reason here"
    assert WITHOUT_PANEL.keys() <= found - shown, "these are in a panel, or exported no more"
    recorded = {name for name in asked if "router_errors" in name or "router_slow" in name}
    assert asked - found - recorded == set(), "panels ask for metrics that nobody exports"
