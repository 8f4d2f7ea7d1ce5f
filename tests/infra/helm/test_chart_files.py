"""The chart as files, held against what it shares with the rest; rendered by Helm where that is on the path."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from infra.images import airflow_env
from infra.images.env_file import variables

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
        "serving": {
            "backend": "infra.kubernetes:KubernetesBackend",
            "image": "serving:1",
            "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}],
        },
    },
}


def render(values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """The objects that the chart makes of values."""
    if shutil.which("helm") is None:
        pytest.skip("Helm is not on the path: https://helm.sh/docs/intro/install/")
    path = folder / "values.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    command = ["helm", "template", "tidewheel", str(CHART), "--namespace", "place", "--values", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [item for item in YAML(typ="safe", pure=True).load_all(run.stdout) if item]


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


def test_airflows_options_are_those_of_compose() -> None:
    assert (CHART / "files" / "airflow.env").read_text(encoding="utf-8") == airflow_env.text(), "run `make compose-env`"


def test_the_chart_is_linted_without_a_complaint() -> None:
    if shutil.which("helm") is None:
        pytest.skip("Helm is not on the path: https://helm.sh/docs/intro/install/")
    run = subprocess.run(["helm", "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_role_is_that_of_the_file_for_an_airflow_elsewhere(tmp_path: Path) -> None:
    objects = render({}, tmp_path)
    plain = list(
        YAML(typ="safe", pure=True).load_all((ROOT / "infra/kubernetes/jobs.yaml").read_text(encoding="utf-8"))
    )
    role = named(plain, "Role", "tidewheel-job-launcher")
    assert named(objects, "Role", "tidewheel-job-launcher")["rules"] == role["rules"]
    assert named(objects, "RoleBinding", "tidewheel-job-launcher")["subjects"][0]["name"] == "tidewheel-airflow"


def test_every_option_of_airflow_is_in_the_config_map_or_the_secret(tmp_path: Path) -> None:
    objects = render({}, tmp_path)
    plain = named(objects, "ConfigMap", "tidewheel-airflow")["data"]
    secret = named(objects, "Secret", "tidewheel-platform")["stringData"]
    shared = dict(line.split("=", 1) for line in airflow_env.text().splitlines()[1:])
    for name, value in shared.items():
        assert name in plain or name in secret
        if "${" not in value and "://" not in value:
            assert plain[name] == value
    assert not [value for value in plain.values() if "${" in value]
    assert not secret.keys() & plain.keys()


def test_the_generated_secret_has_the_keys_that_compose_asks_for_under_airflows_own_names(tmp_path: Path) -> None:
    secret = named(render({}, tmp_path), "Secret", "tidewheel-platform")["stringData"]
    by_airflow = {
        "TIDEWHEEL_AIRFLOW_FERNET_KEY": "AIRFLOW__CORE__FERNET_KEY",
        "TIDEWHEEL_AIRFLOW_SECRET_KEY": "AIRFLOW__API__SECRET_KEY",
        "TIDEWHEEL_AIRFLOW_JWT_SECRET": "AIRFLOW__API_AUTH__JWT_SECRET",
    }
    needed = {by_airflow.get(name, name) for name in variables()} - {"TIDEWHEEL_MLFLOW_PASSWORD"}
    assert needed <= secret.keys()


@pytest.mark.parametrize("case", SETS)
def test_no_container_has_more_rights_than_it_needs(case: str, tmp_path: Path) -> None:
    for name, spec in pod_specs(render(SETS[case], tmp_path)).items():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["automountServiceAccountToken"] is (
            name in ("tidewheel-airflow-scheduler", "tidewheel-airflow-triggerer")
        )
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


def test_beside_an_existing_airflow_only_what_it_needs_is_made(tmp_path: Path) -> None:
    objects = render(SETS["everything elsewhere"], tmp_path)
    assert {(o["kind"], o["metadata"]["name"]) for o in objects} == {
        ("ConfigMap", "tidewheel-settings"),
        ("ConfigMap", "tidewheel-job-template"),
        ("ServiceAccount", "tidewheel-airflow"),
        ("ServiceAccount", "tidewheel-services"),
        ("Role", "tidewheel-job-launcher"),
        ("RoleBinding", "tidewheel-job-launcher"),
        ("Job", "tidewheel-prepare-1"),
        ("Pod", "tidewheel-test"),
    }


def test_a_password_with_odd_characters_survives_in_the_databases_url(tmp_path: Path) -> None:
    from sqlalchemy.engine import make_url

    password = "a b+c/d@e:f%g"
    external = {"host": "db.example", "port": 6543, "username": "tide", "password": password}
    objects = render({"postgresql": {"enabled": False, "external": external}}, tmp_path)
    url = make_url(named(objects, "Secret", "tidewheel")["stringData"]["TIDEWHEEL_DATABASE_URL"])
    assert (url.host, url.port, url.username, url.password) == ("db.example", 6543, "tide", password)


def test_the_values_for_the_official_chart_name_what_ours_makes(tmp_path: Path) -> None:
    objects = render(SETS["existing Airflow"], tmp_path)
    made = {(o["kind"], o["metadata"]["name"]) for o in objects}
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load((ROOT / "infra/helm/airflow-values.yaml").read_text(encoding="utf-8"))
    sources = yaml.load(values["extraEnvFrom"])
    assert ("ConfigMap", sources[0]["configMapRef"]["name"]) in made
    assert ("Secret", sources[1]["secretRef"]["name"]) in made
    assert ("ConfigMap", values["volumes"][0]["configMap"]["name"]) in made
    for process in ("scheduler", "triggerer"):
        assert ("ServiceAccount", values[process]["serviceAccount"]["name"]) in made
    mounted = values["volumeMounts"][0]["mountPath"]
    settings = named(objects, "ConfigMap", "tidewheel-settings")["data"]
    assert settings["TIDEWHEEL_JOB_POD_TEMPLATE"] == f"{mounted}/pod.yaml"
