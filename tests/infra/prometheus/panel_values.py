"""The panels of all dashboards with what they showed, as docs/panels.md has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from infra.grafana.dashboards import dashboards
from tests.conftest import wait_until

LABEL = re.compile(r"{{(\w+)}}")
SHOWN = 3
"""Series of a query; a real installation has more."""
HEAD = """# Panels of the dashboards

Each panel of [the four dashboards](how-to/monitor-with-prometheus.md#dashboards) with the values that its queries
returned. A test starts a Prometheus, the exporter, an Envoy and the metrics page of a model service, sends requests
through Envoy, and fails if a query returns nothing. The ledger's content is made up, Airflow's metrics come from
Airflow's own logger without a running Airflow, and Grafana was not run. After the demo the same queries are run too
(`tests/e2e/test_2_panels.py`); those that return nothing there are listed with their reasons. To write this page again:

    TIDEWHEEL_PANELS=docs/panels.md .venv/bin/pytest tests/infra/prometheus/test_prometheus.py -k panel
"""
Series = list[tuple[dict[str, str], str]]
Query = tuple[str, str, str]
"""Dashboard, title of the panel, and PromQL."""


LATER = "the nights are of 2013: requests of today belong to a day that no night has monitored"
SILENT_BY_DAY = {"_hour_timestamp_seconds": "the pipeline is daily"}
SILENT_AFTER_DEMO = {
    **SILENT_BY_DAY,
    "live_drifted_columns": LATER,
    "skewed_columns": LATER,
    "column_refused_share": LATER,
    "column_skew_share": LATER,
    "requests_refused_share": LATER,
    "requests_unusual_share": LATER,
    "skew_row_share": LATER,
    "probation_loss_ratio": "the second model has been promoted, and no labelled day has come since",
    "training_cpu_seconds_": "the budget of the demo's pipeline is in fits",
    "release_started": "no release runs",
    "training_requested": "no training is requested",
    "team_training_cpu_quota": "its team has no quota",
    "team_training_gpu": "no training had a GPU",
}
"""Why a panel's query returns nothing after the demo, by a part of the query."""
SILENT_WITHOUT_PUSH = dict.fromkeys(("(airflow_", "airflow_pool"), "Airflow pushes its metrics to Prometheus 3")


class PanelValues:
    """What the queries of all panels return.

    Args:
        series: labels and values of an instant query.
        pipeline: that a reader would choose.
        rate_interval: over which rates are taken; Grafana's own choice is four scrapes.

    Attributes:
        shown: by PromQL, what it returned.
        missing: queries that have returned nothing yet.
    """

    def __init__(self, series: Callable[[str], Series], pipeline: str, rate_interval: str) -> None:
        self._series, self._pipeline, self._rate_interval = series, pipeline, rate_interval
        self.shown: dict[str, Series] = {}
        self.missing: set[Query] = {
            (dashboard.uid, panel.title, expression)
            for dashboard in dashboards()
            for panel in dashboard.panels
            for expression, _ in panel.queries
        }

    def read(self) -> None:
        """Run each query that is missing."""
        for query in list(self.missing):
            expression = query[2].replace("$pipeline", self._pipeline)
            returned = self._series(expression.replace("$__rate_interval", self._rate_interval))
            if values := [one for one in returned if one[1] != "NaN"]:
                self.missing.discard(query)
                self.shown[query[2]] = values

    def wait(self, silent: Mapping[str, str], meanwhile: Callable[[], None], seconds: float = 120) -> None:
        """Wait until every query has returned data, except those that have a reason not to.

        Args:
            silent: the reasons, by a part of the query.
            meanwhile: done before each try.
            seconds: to wait.

        Raises:
            AssertionError: a query without a reason returned nothing, or one with a reason returned something.
        """

        def reason(query: Query) -> str:
            return next((part for part in silent if part in query[2]), "")

        def only_those_with_a_reason() -> bool:
            meanwhile()
            self.read()
            return all(map(reason, self.missing))

        try:
            wait_until(only_those_with_a_reason, "the panels have data", seconds)
        except AssertionError as error:
            raise AssertionError(f"no data: {sorted(one for one in self.missing if not reason(one))}") from error
        assert silent.keys() == set(map(reason, self.missing)), "these have data after all"


def markdown(shown: Mapping[str, Series]) -> str:
    """The page.

    Args:
        shown: labels and values of the series that each query returned.
    """
    lines = [HEAD]
    for dashboard in dashboards():
        lines += [f"## {dashboard.title}", "", "| Panel | Values | Unit |", "|---|---|---|"]
        for panel in dashboard.panels:
            said = [
                f"{_legend(legend, labels) or _legend('', labels)} {_number(value)}".strip()
                for query, legend in panel.queries
                for labels, value in shown.get(query, [])[:SHOWN]
            ]
            lines.append(f"| {panel.title} | {'; '.join(said)} | {panel.unit} |".replace("  ", " "))
        lines.append("")
    return "\n".join(lines)


def _legend(legend: str, labels: Mapping[str, str]) -> str:
    if not legend:
        return ", ".join(value for name, value in sorted(labels.items()) if name != "__name__")
    return LABEL.sub(lambda found: labels.get(found[1], ""), legend).strip()


def _number(value: str) -> str:
    return f"{float(value):.4g}"
