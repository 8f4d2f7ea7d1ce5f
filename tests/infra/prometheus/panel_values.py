"""The panels of all dashboards with what they showed, as docs/panels.md has them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from infra.grafana.dashboards import dashboards

LABEL = re.compile(r"{{(\w+)}}")
SHOWN = 3
"""Series of a query; a real installation has more."""
HEAD = """# Panels of the dashboards

Each panel of [the four dashboards](how-to/monitor-with-prometheus.md#dashboards) with the values that its queries
returned. A test starts a Prometheus, the exporter, an Envoy and the metrics page of a model service, sends requests
through Envoy, and fails if a query returns nothing. The ledger's content is made up, Airflow's metrics come from
Airflow's own logger without a running Airflow, and Grafana was not run. To write this page again:

    TIDEWHEEL_PANELS=docs/panels.md .venv/bin/pytest tests/infra/prometheus/test_prometheus.py -k panel
"""
Series = list[tuple[dict[str, str], str]]


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
