"""Dashboards as files: what the module writes, in PromQL that Prometheus reads. Their data: test_prometheus.py."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from infra.grafana.dashboards import dashboards
from infra.grafana.panels import COLUMNS, Dashboard, to_json

INFRA = Path(__file__).parents[3] / "infra"
COPIES = (INFRA / "grafana" / "dashboards", INFRA / "helm" / "tidewheel" / "files" / "dashboards")


@pytest.mark.parametrize("folder", COPIES, ids=["Grafana's", "the chart's"])
def test_the_files_are_what_the_module_writes(folder: Path) -> None:
    written = {dashboard.uid: to_json(dashboard) for dashboard in dashboards()}

    assert {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")} == written, "`make dashboards`"


def test_the_charts_rules_are_prometheus_own() -> None:
    copies = (INFRA / "prometheus" / "rules.yaml", INFRA / "helm" / "tidewheel" / "files" / "rules.yaml")

    assert copies[0].read_text() == copies[1].read_text(), "`make rules`"


def test_every_query_is_promql(tmp_path: Path) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not on the path: install Prometheus (Debian and Ubuntu: apt install prometheus)")
    queries = [query for each in dashboards() for panel in each.panels for query, _ in panel.queries]
    rules = [
        {"record": f"panel:{n}", "expr": query.replace("$pipeline", "p").replace("$__rate_interval", "5m")}
        for n, query in enumerate(queries)
    ]
    with (tmp_path / "rules.yaml").open("w") as file:
        YAML().dump({"groups": [{"name": "panels", "rules": rules}]}, file)
    command = [promtool, "check", "rules", "--lint=none", str(tmp_path / "rules.yaml")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard.uid)
def test_panels_lie_beside_and_below_each_other(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in to_json(dashboard)["panels"]]

    assert all(p["x"] >= 0 and p["x"] + p["w"] <= COLUMNS for p in places)
    for a, b in itertools.combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard.uid)
def test_a_page_of_one_pipeline_lets_the_reader_choose_it_and_no_other_page_does(dashboard: Dashboard) -> None:
    made = to_json(dashboard)
    variables = {each["name"] for each in made["templating"]["list"]}
    chosen = all("$pipeline" in query for panel in dashboard.panels for query, _ in panel.queries)

    assert variables == ({"datasource", "pipeline"} if chosen else {"datasource"})
    assert {panel["datasource"]["uid"] for panel in made["panels"]} == {"${datasource}"}


def test_the_page_of_panels_names_each_with_values() -> None:
    page = (INFRA.parent / "docs" / "panels.md").read_text(encoding="utf-8")
    written = [tuple(cell.strip() for cell in line.split("|")[1:3]) for line in page.splitlines() if line[:1] == "|"]
    values = {title: shown for title, shown in written if title not in ("Panel", "---")}

    assert values.keys() == {panel.title for dashboard in dashboards() for panel in dashboard.panels}
    assert all(values.values())
