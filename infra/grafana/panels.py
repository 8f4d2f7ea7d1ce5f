"""What a dashboard is made of, and how Grafana reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
SCHEMA_VERSION = 39
"""Of Grafana 11; later ones bring it up to date as they read it."""


@dataclass(frozen=True)
class Panel:
    """A picture of some queries.

    Attributes:
        title: of the panel, with the unit where Grafana has none.
        queries: PromQL and legend of each; in a table each query is a column of that name, or only its labels are
            columns where the name is empty.
        unit: Grafana's name of the unit.
        kind: how it is drawn.
        width: in columns of 24.
        height: in Grafana's rows.
        about: what a reader has to know.
        thresholds: a value from which the colour is yellow, and one from which it is red.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: Literal["timeseries", "stat", "table", "state-timeline"] = "timeseries"
    width: int = 12
    height: int = 8
    about: str = ""
    thresholds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Dashboard:
    """A page.

    Attributes:
        uid: in its address, and the name of its file.
        title: of the page.
        panels: from the top left, a line after the other.
        per_pipeline: whether it shows one pipeline, which the reader chooses.
    """

    uid: str
    title: str
    panels: tuple[Panel, ...]
    per_pipeline: bool = False


def to_json(dashboard: Dashboard) -> Json:
    """The dashboard, as Grafana imports it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["tidewheel"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "utc",
        "links": [{"type": "dashboards", "tags": ["tidewheel"], "title": "Tidewheel", "asDropdown": True}],
        "templating": {"list": [_datasource(), *([_pipeline()] if dashboard.per_pipeline else [])]},
        "panels": _placed(dashboard.panels),
    }


def _placed(panels: Sequence[Panel]) -> list[Json]:
    placed, x, y, line = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y, line = 0, y + line, 0
        position = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        placed.append({"id": number, "gridPos": position, **_panel(panel)})
        x, line = x + panel.width, max(line, panel.height)
    return placed


def _panel(panel: Panel) -> Json:
    table = panel.kind == "table"
    targets = [
        {
            "refId": chr(ord("A") + n),
            "datasource": DATASOURCE,
            "expr": expr,
            "legendFormat": legend,
            "instant": panel.kind in ("table", "stat"),
            "range": panel.kind not in ("table", "stat"),
            "format": "table" if table else "time_series",
        }
        for n, (expr, legend) in enumerate(panel.queries)
    ]
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.thresholds:
        steps += [{"color": c, "value": v} for c, v in zip(("yellow", "red"), panel.thresholds, strict=True)]
    defaults = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    made: Json = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }
    if table:
        made["transformations"] = _joined([legend for _, legend in panel.queries])
    return made


def _joined(columns: Sequence[str]) -> list[Json]:
    """One line a pipeline, with a column for each query."""
    values = {f"Value #{chr(ord('A') + n)}": column for n, column in enumerate(columns)}
    shown = {value: column for value, column in values.items() if column}
    times = ["Time", *(f"Time {n}" for n in range(1, len(columns) + 1))]
    hidden = dict.fromkeys([*times, *(value for value in values if value not in shown)], True)
    return [
        {"id": "joinByField", "options": {"byField": "pipeline", "mode": "outer"}},
        {"id": "organize", "options": {"renameByName": shown, "excludeByName": hidden}},
    ]


def _datasource() -> Json:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _pipeline() -> Json:
    query = "label_values(tidewheel_pipeline_info, pipeline)"
    return {
        "name": "pipeline",
        "type": "query",
        "label": "Pipeline",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": "pipeline"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
    }
