"""The panels of all dashboards with what they showed, as docs/panels.md has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from infra.grafana.dashboards import dashboards

LABEL = re.compile(r"{{(\w+)}}")
SHOWN = 3
"""Series of a query; a real installation has more."""
HEAD = """# Panels of the dashboards

Each panel of [the four dashboards](how-to/monitor-with-prometheus.md#dashboards) with the values that its queries
returned. A test starts a Prometheus, the exporter, an Envoy and the metrics page of a model service, sends requests
through Envoy, and fails if a query returns nothing. The ledger's content is made up, Airflow's metrics come from
Airflow's own logger without a running Airflow, and Grafana was not run. `tests/e2e/test_2_panels.py` runs the same queries
after the demo; it lists those that return nothing there, each with its reason. To write this page again:

    TIDEWHEEL_PANELS=docs/panels.md .venv/bin/pytest tests/infra/prometheus/test_prometheus.py -k panel
"""
Series = list[tuple[dict[str, str], str]]
Query = tuple[str, str, str]
"""Dashboard, title of the panel, and PromQL."""


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
