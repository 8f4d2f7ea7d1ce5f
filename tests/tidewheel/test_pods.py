"""Jobs run in pods only where a pod can reach what they need; anything else is a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.pipelines import PIPELINE_FILE
from tidewheel.pods import executor_mistakes, jobs_in_pods, pod_mistakes
from tidewheel.settings import Settings
from tidewheel.spec import load_pipeline

REACHED: dict[str, Any] = {
    "lake_url": "s3://lake/root",
    "lake_options": {"endpoint_url": "http://s3.example:9000"},
    "database_url": "postgresql+psycopg2://u:p@db.example:5432/tidewheel",
    "mlflow_url": "http://mlflow.example",
}


def settings(tmp_path: Path, **facts: Any) -> Settings:
    return Settings(home=tmp_path, **{**REACHED, **facts})


def test_nothing_is_said_of_addresses_that_pods_reach(tmp_path: Path) -> None:
    assert pod_mistakes(settings(tmp_path)) == []


def test_every_setting_that_no_pod_can_use_is_named_with_what_to_set(tmp_path: Path) -> None:
    lake, database, mlflow = pod_mistakes(Settings(home=tmp_path))
    assert f"the lake is file://{tmp_path}/lake, a folder of this machine" in lake
    assert "set TIDEWHEEL_LAKE_URL to s3://" in lake
    assert database.startswith("TIDEWHEEL_DATABASE_URL is not set, and jobs in pods need the ledger")
    assert mlflow.startswith("TIDEWHEEL_MLFLOW_URL is not set, and jobs in pods need MLflow")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "127.9.9.9", "db.localhost"])
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("database_url", "postgresql+psycopg2://u:s3cret@{}:5432/tidewheel"),
        ("mlflow_url", "http://{}:5000"),
        ("lake_options", "http://{}:9000"),
    ],
)
def test_an_address_of_this_machine_is_refused_without_repeating_a_password(
    tmp_path: Path, setting: str, value: str, host: str
) -> None:
    given: Any = value.format(host)
    [sentence] = pod_mistakes(
        settings(tmp_path, **{setting: {"endpoint_url": given} if setting == "lake_options" else given})
    )
    assert host.strip("[]") in sentence
    assert "s3cret" not in sentence
    assert f"TIDEWHEEL_{setting.upper()}" in sentence


@pytest.mark.parametrize("url", ["sqlite:////var/ledger.db", "postgresql:///tidewheel?host=/run/postgres", "nonsense"])
def test_a_database_without_a_host_is_refused(tmp_path: Path, url: str) -> None:
    [sentence] = pod_mistakes(settings(tmp_path, database_url=url))
    assert sentence.startswith("TIDEWHEEL_DATABASE_URL names no host")


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "which cannot be read"),
        ("kind: Deployment\n", "which holds a Deployment"),
        ("hello\n", "which holds no Kubernetes object"),
        ("kind: [\n", "which is no YAML"),
        ("kind: Pod\n", ""),
    ],
)
def test_a_pod_template_must_be_a_pod(tmp_path: Path, content: str | None, wrong: str) -> None:
    template = tmp_path / "pod.yaml"
    if content is not None:
        template.write_text(content)
    found = pod_mistakes(settings(tmp_path, job_pod_template=template))
    assert bool(found) == bool(wrong)
    assert all(f"TIDEWHEEL_JOB_POD_TEMPLATE names {template}, {wrong}" in sentence for sentence in found)


def test_a_gpu_runs_one_job_in_a_pod_and_the_setting_all_that_may(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(f"{PIPELINE_FILE}resources: {{train: {{gpu: 1}}}}\n")
    orders = load_pipeline(tmp_path / "orders.yaml")
    assert jobs_in_pods(orders, settings(tmp_path)) == ["train"]
    assert len(jobs_in_pods(orders, settings(tmp_path, job_runner="kubernetes"))) == 7


def test_executors_need_a_job_in_a_pod(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(f"{PIPELINE_FILE}resources: {{features: {{executors: 2}}}}\n")
    orders = load_pipeline(tmp_path / "orders.yaml")
    [sentence] = executor_mistakes(orders, settings(tmp_path))
    assert sentence.startswith("resources.features.executors is 2, but features runs as a process of this machine")
    assert "set TIDEWHEEL_JOB_RUNNER=kubernetes, or take `executors` out" in sentence
    assert executor_mistakes(orders, settings(tmp_path, job_runner="kubernetes")) == []


def test_a_spark_master_elsewhere_is_refused(tmp_path: Path) -> None:
    for master in ("spark://host:7077", "sc://host", "k8s://https://host", "local[0]"):
        with pytest.raises(ValidationError, match="spark_master"):
            settings(tmp_path, spark_master=master)
