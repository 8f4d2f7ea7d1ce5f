"""What is ours and what is somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.embedded import postgres
from infra.embedded.health import services
from infra.embedded.installation import AIRFLOW, DATABASE, ENDPOINT, EXPORTER, MLFLOW, Installation, earlier_ports
from infra.embedded.layout import Credentials, Layout
from infra.embedded.ports import Ports
from tidewheel.errors import SettingsError
from tidewheel.settings import Settings


def installation(home: Path, given: dict[str, str]) -> Installation:
    return Installation(Settings(home=home), Layout(home), Credentials(), Ports(), given)


def test_without_variables_everything_is_ours(tmp_path: Path) -> None:
    ours = installation(tmp_path, {})
    assert [service.name for service in services(ours)] == [
        "postgres",
        "mlflow",
        "airflow-api-server",
        "airflow-log-server",
        "airflow-scheduler",
        "airflow-dag-processor",
        "airflow-triggerer",
        "envoy",
        "exporter",
        "alerts",
    ]
    assert ours.variables()[MLFLOW] == "http://127.0.0.1:5000"


def test_an_external_service_is_not_started_and_its_address_and_login_are_passed_on(tmp_path: Path) -> None:
    given = {MLFLOW: "https://mlflow.example", "TIDEWHEEL_MLFLOW_USERNAME": "ci", "TIDEWHEEL_MLFLOW_PASSWORD": "x"}
    found = installation(tmp_path, given)
    assert "mlflow" not in [service.name for service in services(found)]
    assert "mlflow" not in found.embedded_ports
    assert given.items() <= found.variables().items()


def test_an_exporter_beside_the_platform_is_not_started_here(tmp_path: Path) -> None:
    found = installation(tmp_path, {EXPORTER: "http://exporter:9464"})
    assert "exporter" not in [service.name for service in services(found)]
    assert "exporter" not in found.embedded_ports
    assert found.variables()[EXPORTER] == "http://exporter:9464"


def test_our_own_password_is_not_told_to_an_external_service(tmp_path: Path) -> None:
    found = installation(tmp_path, {MLFLOW: "https://mlflow.example"})
    assert found.variables()["TIDEWHEEL_MLFLOW_PASSWORD"] == ""


def test_our_own_address_in_the_environment_is_not_an_external_service(tmp_path: Path) -> None:
    ours = installation(tmp_path, {})
    sourced = Installation(ours.settings, ours.layout, ours.credentials, ours.ports, ours.variables())
    assert not [name for name in (DATABASE, MLFLOW, AIRFLOW, ENDPOINT, EXPORTER) if sourced.is_external(name)]


def test_ports_of_an_earlier_start_are_read_back(tmp_path: Path) -> None:
    assert Ports(**earlier_ports(installation(tmp_path, {}).variables())) == Ports()


def test_mlflow_and_airflow_get_databases_beside_an_external_ledger() -> None:
    assert postgres.beside("postgresql://u:p%40ss@db:5432/ledger?sslmode=require", "airflow") == (
        "postgresql+psycopg2://u:p%40ss@db:5432/airflow?sslmode=require"
    )


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://u@h/d", "db.example:5432", ""])
def test_a_database_that_is_not_postgresql_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="TIDEWHEEL_DATABASE_URL does not name a PostgreSQL database"):
        postgres.beside(url, "airflow")
