"""The chart as files, held against what it shares with the rest; rendered by Helm where that is on the path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from infra.images import airflow_env
from infra.images.env_file import variables
from infra.prometheus.exporter import PORT
from tests.infra.helm.rendered import CHART, ROOT, SETS, documents, helm, named, pod_specs, render
from tidewheel.pods import template_mistake


def test_airflows_options_are_those_of_compose() -> None:
    assert (CHART / "files" / "airflow.env").read_text(encoding="utf-8") == airflow_env.text(), "run `make compose-env`"


def test_the_chart_is_linted_without_a_complaint() -> None:
    run = helm("lint", "--strict", str(CHART))
    assert run.returncode == 0, run.stdout + run.stderr


def test_accounts_and_roles_are_those_of_the_files_for_an_airflow_elsewhere(tmp_path: Path) -> None:
    objects = render(SETS["gateway and releases"], tmp_path)
    ours = {"tidewheel-gateway-reader": "tidewheel-gateway-reader-place"}
    places = {"jobs": None, "spark": None, "serving": None, "serving-gateway": "envoy-gateway-system"}
    for file, place in places.items():
        for plain in documents((ROOT / f"infra/kubernetes/{file}.yaml").read_text(encoding="utf-8")):
            kind, name = plain["kind"], plain["metadata"]["name"]
            made = named(objects, kind, ours.get(name, name))
            assert made["metadata"].get("namespace") == place
            if kind == "Role":
                assert made["rules"] == plain["rules"]
            if kind == "RoleBinding":
                role, subjects = plain["roleRef"], plain["subjects"]
                assert made["roleRef"] == role | {"name": ours.get(role["name"], role["name"])}
                assert made["subjects"] == [subject | {"namespace": "place"} for subject in subjects]


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


def test_logs_and_traces_are_switched_on_for_airflow_and_so_for_jobs_and_models(tmp_path: Path) -> None:
    plain = named(render({}, tmp_path), "ConfigMap", "tidewheel-settings")["data"]
    assert plain["TIDEWHEEL_LOG_FORMAT"] == "text"
    assert not [name for name in plain if name.startswith("OTEL_")]
    telemetry = {"logFormat": "json", "traces": {"endpoint": "http://collector:4318", "ratio": 0.01}}
    objects = render({"telemetry": telemetry}, tmp_path)
    plain = named(objects, "ConfigMap", "tidewheel-settings")["data"]
    assert (plain["TIDEWHEEL_LOG_FORMAT"], plain["OTEL_TRACES_SAMPLER_ARG"]) == ("json", "0.01")
    assert plain["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    airflow = named(objects, "ConfigMap", "tidewheel-airflow")["data"]
    assert (airflow["AIRFLOW__TRACES__OTEL_ON"], airflow["AIRFLOW__LOGGING__JSON_LOGS"]) == ("true", "true")


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
        with_token = ["tidewheel-airflow-scheduler", "tidewheel-airflow-triggerer"]
        if SETS[case].get("serving"):  # it asks for the gateway's pods
            with_token.append("tidewheel-exporter")
        assert spec["automountServiceAccountToken"] is (name in with_token)
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


def test_beside_an_existing_airflow_only_what_it_needs_is_made(tmp_path: Path) -> None:
    objects = render(SETS["everything elsewhere"], tmp_path)
    assert {(o["kind"], o["metadata"]["name"]) for o in objects} == {
        ("ConfigMap", "tidewheel-settings"),
        ("ConfigMap", "tidewheel-pod-templates"),
        ("ServiceAccount", "tidewheel-airflow"),
        ("ServiceAccount", "tidewheel-services"),
        ("Role", "tidewheel-job-launcher"),
        ("RoleBinding", "tidewheel-job-launcher"),
        ("ServiceAccount", "tidewheel-spark"),
        ("Role", "tidewheel-spark-driver"),
        ("RoleBinding", "tidewheel-spark-driver"),
        ("Deployment", "tidewheel-alerts"),
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
    assert settings["TIDEWHEEL_JOB_POD_TEMPLATE"] == f"{mounted}/job.yaml"


def _checksums(values: dict[str, Any], folder: Path) -> dict[str, str]:
    """What each workload's pods are replaced by, of the Secrets."""
    return {
        o["metadata"]["name"]: o["spec"]["template"]["metadata"].get("annotations", {}).get("tidewheel/secrets")
        for o in render(values, folder)
        if o["kind"] in ("Deployment", "StatefulSet")
    }


def test_the_services_are_restarted_by_another_password_and_not_by_nothing(tmp_path: Path) -> None:
    values = {"s3": {"enabled": False}, "lake": {"options": {"key": "k", "secret": "one"}}}
    before = _checksums(values, tmp_path)
    assert _checksums(values, tmp_path) == before  # although this rendering has made other random passwords
    after = _checksums(values | {"lake": {"options": {"key": "k", "secret": "two"}}}, tmp_path)
    assert {name for name in before if before[name] != after[name]} == set(before) - {"tidewheel-postgresql"}


def test_pull_secrets_reach_the_pods_of_jobs_and_models_beside_their_own(tmp_path: Path) -> None:
    own = {"spec": {"imagePullSecrets": [{"name": "mine"}]}}
    values = {"imagePullSecrets": [{"name": "registry"}], "jobs": {"podTemplate": own}}
    templates = named(render(values, tmp_path), "ConfigMap", "tidewheel-pod-templates")["data"]
    (tmp_path / "serving.yaml").write_text(templates["serving.yaml"], encoding="utf-8")
    assert template_mistake(tmp_path / "serving.yaml") == ""
    [job], [model] = documents(templates["job.yaml"]), documents(templates["serving.yaml"])
    assert job["spec"]["imagePullSecrets"] == [{"name": "registry"}, {"name": "mine"}]
    assert job["spec"]["containers"][0]["name"] == "job"
    assert (model["kind"], model["spec"]) == ("Pod", {"imagePullSecrets": [{"name": "registry"}]})


def test_helms_own_test_leaves_no_pod_and_asks_only_our_mlflow_for_its_login(tmp_path: Path) -> None:
    own = ["--own-mlflow", "--exporter", "http://tidewheel-exporter:9464"]
    for case, flags in (("all", own), ("everything elsewhere", [])):
        pod = named(render(SETS[case], tmp_path), "Pod", "tidewheel-test")
        assert pod["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        [container] = pod["spec"]["containers"]
        assert container["command"] == ["python", "-m", "infra.helm.installed", *flags]


def test_the_exporters_service_leads_to_the_port_that_its_pod_listens_on(tmp_path: Path) -> None:
    objects = render({}, tmp_path)
    service = named(objects, "Service", "tidewheel-exporter")
    deployment = named(objects, "Deployment", "tidewheel-exporter")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    [port] = container["ports"]

    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["ports"] == [{"name": "metrics", "port": PORT, "targetPort": port["name"]}]
    assert service["metadata"]["annotations"]["prometheus.io/port"] == str(PORT) == container["command"][-1]
    assert port["containerPort"] == PORT


def test_the_alerts_service_gets_the_channels_urls_from_the_secret_that_is_named(tmp_path: Path) -> None:
    for secret, names in (("", ["tidewheel"]), ("channels", ["tidewheel", "channels"])):
        objects = render({"alerts": {"secret": secret}}, tmp_path)
        [container] = pod_specs(objects)["tidewheel-alerts"]["containers"]
        assert [each["secretRef"]["name"] for each in container["envFrom"] if "secretRef" in each] == names
        assert {each["name"] for each in container["env"]} == {"TIDEWHEEL_AIRFLOW_PASSWORD"}
