"""The chart rendered by Helm, for each of some sets of values."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
CHART = ROOT / "infra" / "helm" / "tidewheel"
SETS: dict[str, dict[str, Any]] = {
    "all": {},
    "existing Airflow": {"airflow": {"enabled": False}},
    "everything elsewhere": {
        "secrets": {"create": False},
        "postgresql": {"enabled": False, "external": {"host": "db.example"}},
        "s3": {"enabled": False},
        "mlflow": {"enabled": False, "url": "https://mlflow.example"},
        "airflow": {"enabled": False},
        "metrics": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
    },
    "gateway and releases": {
        "gateway": {
            "enabled": True,
            "className": "envoy",
            "airflowHostname": "a.example",
            "mlflowHostname": "m.example",
        },
        "serving": {"enabled": True, "image": "serving:1", "url": "https://models.example"},
        "metrics": {"monitors": True, "monitorLabels": {"release": "prometheus"}, "dashboards": True},
    },
}


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm, where it is on the path."""
    if shutil.which("helm") is None:
        pytest.skip("Helm is not on the path: https://helm.sh/docs/intro/install/")
    return subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)


def template(values: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Have Helm render the chart with values, into the namespace `place`."""
    path = folder / "values.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return helm("template", "tidewheel", str(CHART), "--namespace", "place", "--values", str(path))


def render(values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """The objects that the chart makes of values."""
    run = template(values, folder)
    assert run.returncode == 0, run.stderr
    return documents(run.stdout)


def documents(text: str) -> list[dict[str, Any]]:
    """The objects of a file."""
    return [item for item in YAML(typ="safe", pure=True).load_all(text) if item]


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """One object."""
    [found] = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return found


def pod_specs(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Specifications of all pods, by the name of what makes them."""
    templates = {
        o["metadata"]["name"]: o["spec"]["template"]["spec"] for o in objects if "template" in o.get("spec", {})
    }
    return templates | {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "Pod"}
