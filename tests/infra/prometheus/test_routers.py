"""What the routers count, as Prometheus metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infra.envoy.admin import ClusterRequests
from infra.prometheus.requests import RequestsCollector
from infra.prometheus.routers import RouterCounts, routers
from tidewheel.settings import Settings

if TYPE_CHECKING:
    import pytest

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


def counts(router: str, requests: ClusterRequests) -> RouterCounts:
    return RouterCounts(router, NOW, 60, {("orders", "blue"): requests})


def test_the_routers_counts_become_counters_and_a_histogram_in_seconds() -> None:
    times = ((2.0, 60), (6.0, 30), (30.0, 10))
    blue = counts("envoy", ClusterRequests(100, 3, 7, 2, 4, times))
    up, requests, resets, in_flight, seconds = RequestsCollector(lambda: {"envoy": blue}).collect()

    assert up.samples[0].value == 1
    outcomes = {sample.labels["outcome"]: sample.value for sample in requests.samples}
    assert outcomes == {"answered": 90, "refused": 7, "failed": 3}
    assert [sample.value for sample in resets.samples] == [2]
    assert [sample.value for sample in in_flight.samples] == [4]
    buckets = {sample.labels["le"]: sample.value for sample in seconds.samples if sample.name.endswith("_bucket")}
    assert (buckets["0.001"], buckets["0.0025"], buckets["0.01"], buckets["0.05"], buckets["+Inf"]) == (
        0, 60, 90, 100, 100,
    )  # fmt: skip


def test_each_router_has_series_of_its_own_and_one_that_is_away_is_a_metric() -> None:
    read = {"pod-a": counts("pod-a", ClusterRequests(5, 0, 0, 0, 0, ())), "pod-b": None}
    up, requests, *_ = RequestsCollector(lambda: read).collect()

    assert {sample.labels["router"]: sample.value for sample in up.samples} == {"pod-a": 1, "pod-b": 0}
    assert {sample.labels["router"] for sample in requests.samples} == {"pod-a"}


def test_an_envoy_that_is_away_is_none_and_a_line_in_the_log(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert routers(settings) is None
    read = routers(settings.model_copy(update={"envoy_admin_url": "http://127.0.0.1:1"}))

    assert read is not None
    assert read() == {"envoy": None}
    assert "Envoy does not answer at http://127.0.0.1:1" in caplog.text
