"""The platform in containers: it reaches healthy, closes the loop, and its models answer from the serving image."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import httpx

from tests.conftest import wait_until
from tests.containers.conftest import PIPELINE
from tests.containers.engine import Compose, container, health, run
from tests.free_ports import free_port

FIRST_DAY = "2013-01-01"
PUBLISHED = f"""
from tidewheel.lake import Lake
from tidewheel.settings import load_settings
print(Lake.open({PIPELINE!r}, load_settings()).partitions("features"))
"""


def metrics(compose: Compose) -> str:
    """What Prometheus reads."""
    return httpx.get(f"{compose.url('EXPORTER_PORT')}/metrics", timeout=60).raise_for_status().text


def test_every_service_is_healthy_and_the_migration_has_ended_well(up: Compose) -> None:
    states = {each["Service"]: (each["State"], each["ExitCode"], each["Health"]) for each in up.containers()}

    assert states.pop("airflow-init") == ("exited", 0, "")
    assert set(states.values()) == {("running", 0, "healthy")}, states
    assert len(states) == 8


def test_no_service_of_ours_has_more_rights_than_it_needs(up: Compose) -> None:
    for each in up.containers():
        if each["Service"] != "postgres":
            [found] = json.loads(run("docker", "inspect", each["ID"]))
            assert found["HostConfig"]["ReadonlyRootfs"], each["Service"]
            assert found["HostConfig"]["CapDrop"] == ["ALL"], each["Service"]
            assert found["Config"]["User"] == "10001:10001", each["Service"]


def test_the_pages_open_on_this_machine_behind_their_logins(up: Compose) -> None:
    assert httpx.get(f"{up.url('AIRFLOW_PORT')}/api/v2/dags").status_code == 401
    assert httpx.get(f"{up.url('MLFLOW_PORT')}/api/2.0/mlflow/experiments/search").status_code == 401
    login = {"username": "admin", "password": up.environment["TIDEWHEEL_AIRFLOW_PASSWORD"]}
    assert httpx.post(f"{up.url('AIRFLOW_PORT')}/auth/token", json=login).status_code == 201


def test_prometheus_reads_the_ledger_and_the_router_from_the_exporter(up: Compose) -> None:
    found = metrics(up)

    assert "tidewheel_ledger_up 1.0" in found
    assert re.search(r'^tidewheel_router_up\{router="[^"]+"\} 1\.0$', found, re.MULTILINE), found


def test_the_loop_is_closed_and_the_released_model_answers_on_this_machine(
    played: Compose, rows: list[dict[str, Any]]
) -> None:
    url = f"{played.url('ENDPOINT_PORT')}/{PIPELINE}/predict"
    answer = httpx.post(url, json={"rows": rows}, timeout=30).raise_for_status().json()

    assert answer["model_version"] == "2"
    assert len(answer["predictions"]) == len(rows)
    assert re.search(rf'tidewheel_model_info{{.*model_version="2",pipeline="{PIPELINE}"}} 1.0', metrics(played))


def test_the_serving_image_answers_for_the_same_bento_as_the_endpoint_does(
    played: Compose, images: dict[str, str], rows: list[dict[str, Any]]
) -> None:
    listed = played("exec", "-T", "endpoint", "sh", "-c", f"ls -d /state/bentos/bentos/{PIPELINE}/2-*/src").split()
    name, port = f"serving-{secrets.token_hex(3)}", free_port()
    container(
        "--detach", "--name", name, "--publish", f"127.0.0.1:{port}:3000",
        "--volume", f"{played.project}_state:/state:ro", "--workdir", listed[0], images["serving"],
    )  # fmt: skip
    try:
        wait_until(lambda: health(name) == "healthy", "the serving container is healthy", 120)
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json={"rows": rows}, timeout=30).raise_for_status()
    finally:
        run("docker", "rm", "--force", name)

    through = httpx.post(f"{played.url('ENDPOINT_PORT')}/{PIPELINE}/predict", json={"rows": rows}, timeout=30)
    assert answer.json()["predictions"] == through.json()["predictions"]


def test_the_jobs_image_lands_a_day_and_publishes_features_that_spark_computed(
    up: Compose, images: dict[str, str]
) -> None:
    state = f"{up.project}-jobs"
    database = up.python("endpoint", "import json, os; print(json.dumps(os.environ['TIDEWHEEL_DATABASE_URL']))")
    job = (
        "--network", f"{up.project}_default", "--volume", f"{state}:/state",
        "--env", f"TIDEWHEEL_DATABASE_URL={database}", images["jobs"], "python",
    )  # fmt: skip
    asked = ("--pipeline", PIPELINE, "--partition", FIRST_DAY, "--run-id", "by_hand")
    try:
        for name, *options in (
            ("land",), ("validate", "--stage", "raw"), ("features",), ("validate", "--stage", "features"),
        ):  # fmt: skip
            container(*job, "-m", f"jobs.{name}", *asked, *options, seconds=900)
        assert FIRST_DAY in container(*job, "-c", PUBLISHED)
    finally:
        run("docker", "volume", "rm", "--force", state)
