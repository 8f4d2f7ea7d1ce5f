"""What the teams have used this month, as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from tidewheel.teams import TeamUse


def team_families(uses: Iterable[TeamUse]) -> Iterator[Metric]:
    """The metrics of teams."""
    used = GaugeMetricFamily(
        "tidewheel_team_training_cpu_seconds", "CPU time that a team's trainings took this month (UTC)", labels=["team"]
    )
    gpu = GaugeMetricFamily(
        "tidewheel_team_training_gpu_seconds", "GPU time that a team's trainings held this month (UTC)", labels=["team"]
    )
    most = GaugeMetricFamily(
        "tidewheel_team_training_cpu_quota_seconds", "CPU time that they may take in a month", labels=["team"]
    )
    for use in uses:
        used.add_metric([use.team], use.cost.cpu_seconds)
        gpu.add_metric([use.team], use.cost.gpu_seconds)
        if use.quota is not None:
            most.add_metric([use.team], use.quota)
    yield from (used, gpu, most)
