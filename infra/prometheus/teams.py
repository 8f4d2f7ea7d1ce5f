"""What the teams have used this month, as Prometheus metrics."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tidewheel.errors import TidewheelError
from tidewheel.ledger import Ledger
from tidewheel.ledger.training_costs import month_costs
from tidewheel.spec.load import declared_pipelines
from tidewheel.teams import TeamUse, team_uses

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.exporter")


class TeamCollector(Collector):
    """Reads the ledger anew at each scrape; it has no metrics where the ledger does not answer.

    Args:
        settings: of the installation.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ledger = Ledger.open(settings, patience_seconds=0)

    def collect(self) -> Iterator[Metric]:
        """The metrics of the teams."""
        try:
            with self._ledger.session() as session:
                costs = month_costs(session, datetime.now(UTC))
        except TidewheelError as error:
            log.warning("%s", error)
            return
        pipelines = declared_pipelines(self._settings.pipelines_folder).values()
        yield from team_families(team_uses(filter(None, pipelines), costs, self._settings).values())

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering the collector must not ask the ledger."""
        return iter(())


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
