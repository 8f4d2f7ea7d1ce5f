"""What callers sent on the newest monitored day, as metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from infra.prometheus.state import PipelineState

DAY = "on the newest monitored day"
METRICS = {
    "skew_row_share": (
        "tidewheel_skew_row_share",
        f"Share of requests whose features differ from those computed in the night, {DAY}",
    ),
    "skewed_columns": ("tidewheel_skewed_columns", f"Columns that differ from the night's in too many requests, {DAY}"),
    "live_drifted_columns": ("tidewheel_live_drifted_columns", f"Columns in which live input had drifted, {DAY}"),
    "refused_share": ("tidewheel_requests_refused_share", f"Share of requests refused as outside the contract, {DAY}"),
    "unusual_share": (
        "tidewheel_requests_unusual_share",
        f"Share of answered rows with a value that training did not have, {DAY}",
    ),
}
BY_COLUMN = {
    "skew_share": (
        "tidewheel_column_skew_share",
        f"Share of requests that differ from the night's features in a column, {DAY}",
    ),
    "refused_share": ("tidewheel_column_refused_share", f"Share of requests refused for a column, {DAY}"),
}
MAXIMA = {
    "maximum_refused": (
        "tidewheel_requests_refused_maximum_share",
        "Share of requests that may be refused: monitoring.requests.maximum_refused",
    ),
    "maximum_unusual": (
        "tidewheel_requests_unusual_maximum_share",
        "Share of rows that may have a value that training did not have: monitoring.requests.maximum_unusual",
    ),
}
"""By key of the pipeline's file: alerts compare with them."""
MOST_COLUMNS = 20
"""Of a pipeline: the worst, so that a contract of thousands makes no thousands of series."""


def request_families(states: list[PipelineState]) -> Iterator[Metric]:
    """The metrics of all pipelines that had requests, and what they are compared with."""
    maxima = {key: GaugeMetricFamily(*named, labels=["pipeline"]) for key, named in MAXIMA.items()}
    of_all = {name: GaugeMetricFamily(*named, labels=["pipeline"]) for name, named in METRICS.items()}
    of_columns = {name: GaugeMetricFamily(*named, labels=["pipeline", "column"]) for name, named in BY_COLUMN.items()}
    for state in states:
        for key, family in maxima.items():
            if state.declared is not None:
                family.add_metric([state.name], getattr(state.declared.monitoring.requests, key))
        for name, family in of_all.items():
            for row in state.of_requests:
                if row.name == name and not row.slice:
                    family.add_metric([state.name], row.value)
        for name, family in of_columns.items():
            columns = [row for row in state.of_requests if row.name == name and row.slice and row.value]
            for row in sorted(columns, key=lambda row: (-row.value, row.slice))[:MOST_COLUMNS]:
                family.add_metric([state.name, row.slice], row.value)
    yield from (*maxima.values(), *of_all.values(), *of_columns.values())
