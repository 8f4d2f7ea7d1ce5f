"""A team's project, with the wheel alone: made, tested, checked, and played through a night and a release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.conftest import wait_until
from tests.installation import port_variables
from tests.wheel_environment import WheelEnvironment, wheel_environment  # noqa: F401  a fixture
from tidewheel.airflow_api import AirflowApi
from tidewheel.lake import Lake
from tidewheel.settings import Settings, load_settings

pytestmark = [pytest.mark.timeout(900), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]
NAME = "returns"
DAYS = 13
ROWS_A_DAY = 60
SECONDS = 300.0


def orders(days: Sequence[date]) -> str:
    """Orders as a CSV file; expensive ones come back more often."""
    lines = ["order_id,ordered_at,amount,channel,returned"]
    for day in days:
        for n in range(ROWS_A_DAY):
            amount, channel = 5 + (n * 37 % 100), ("app", "shop", "web")[n % 3]
            lines.append(f"{day}-{n:03d},{day}T{n % 24:02d}:15:00Z,{amount}.5,{channel},{int(amount + n % 7 * 5 > 70)}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Team:
    """A project, the commands that act on it, and its platform once it is up."""

    environment: WheelEnvironment
    project: Path
    variables: dict[str, str]
    days: Sequence[date]

    def run(self, *command: str) -> str:
        ran = self.environment.run(*command, cwd=self.project, variables=self.variables)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    @property
    def settings(self) -> Settings:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (*self.variables.items(), ("TIDEWHEEL_PROJECT", str(self.project))):
                patch.setenv(name, value)
            return load_settings()


@pytest.fixture(scope="module")
def team(
    wheel_environment: WheelEnvironment,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Team:
    elsewhere = tmp_path_factory.mktemp("team")
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=n) for n in range(DAYS, 0, -1)]
    made = wheel_environment.run("tidewheel", "init", "my-models", cwd=elsewhere)
    assert made.returncode == 0, made.stderr
    team = Team(wheel_environment, elsewhere / "my-models", port_variables(), days)
    (team.project / "orders.csv").write_text(orders(days))
    team.run("tidewheel", "new", NAME, "--from", "orders.csv", "--yes")
    # A schedule begins with the last night that is due: by default, after three o'clock, with the one played here.
    with (team.project / "dags" / f"{NAME}.yaml").open("a") as file:
        file.write('schedule: "59 23 * * *"\n')
    return team


@pytest.fixture(scope="module")
def airflow(team: Team) -> Iterator[AirflowApi]:
    """The platform, started and stopped by the wheel's own command."""
    try:
        team.run("tidewheel", "up")
        with AirflowApi.open(team.settings) as api:
            yield api
    finally:
        team.run("tidewheel", "down")


def test_a_new_pipeline_is_valid_and_its_test_passes(team: Team) -> None:
    assert f"ok     {NAME}" in team.run("tidewheel", "validate", NAME)
    assert "1 passed" in team.run("pytest", "-q", "-p", "no:cacheprovider")


def test_a_night_and_a_release_are_played(team: Team, airflow: AirflowApi) -> None:
    *history, yesterday = team.days
    airflow.wait_for_dag(f"{NAME}.release")
    airflow.trigger(f"{NAME}.features", "history", conf={"first": str(history[0]), "last": str(history[-1])})
    finish(airflow, "features", "history")
    airflow.trigger(f"{NAME}.training", "first_model", conf={"reason": "there is none yet"})
    finish(airflow, "training", "first_model")
    wait_until(lambda: ended(airflow, "release"), "the release has ended", SECONDS)

    airflow.trigger(f"{NAME}.features", "night", partition_key=str(yesterday))
    wait_until(lambda: ended(airflow, "scoring", str(yesterday)), "the night has been scored", SECONDS)

    lake = Lake.open(NAME, team.settings)
    row = lake.read(lake.need("features", str(yesterday))).slice(0, 1).drop_columns(["order_id", "ordered_at"])
    url = f"{team.settings.endpoint_url}/{NAME}/predict"
    answer = httpx.post(url, json={"rows": row.to_pylist()}, timeout=30).raise_for_status().json()
    assert answer["model_version"] == "1"
    assert lake.need("predictions", str(yesterday)).rows == ROWS_A_DAY


def finish(airflow: AirflowApi, purpose: str, run_id: str) -> None:
    """See a run through to its success."""
    *_, (run, tasks) = airflow.follow(f"{NAME}.{purpose}", run_id, SECONDS)
    assert run.state == "success", {task.task_id: task.state for task in tasks}


def ended(airflow: AirflowApi, purpose: str, key: str | None = None) -> bool:
    """Whether the newest run of a DAG, of a day where one is named, has ended well."""
    runs = [run for run in airflow.runs(f"{NAME}.{purpose}") if key is None or run.partition_key == key]
    assert not runs or runs[0].state != "failed", purpose
    return bool(runs) and runs[0].state == "success"
