"""`tidewheel new`, `validate`, `schema` and `pipelines`, as a person types them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.played_jobs import PLAY
from tidewheel.cli.app import app
from tidewheel.lake import Lake
from tidewheel.settings import Settings
from tidewheel.spec import pipeline_schema

ROOT = Path(__file__).parents[3]


class Project:
    """A project of its own, with this repository's jobs and no pipeline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "jobs", folder / "jobs", ignore=shutil.ignore_patterns("__pycache__", "flight_delay"))
        (folder / "dags").mkdir()
        (folder / "expectations").mkdir()
        self.settings = Settings(home=folder / "home", project=folder)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
        env |= {"TIDEWHEEL_HOME": str(self.folder / "home"), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=env, capture_output=True, text=True, timeout=300
        )

    def new(self, name: str) -> None:
        """`tidewheel new`, in this process: it is quicker, and imports nothing of the project."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setenv("TIDEWHEEL_HOME", str(self.folder / "home"))
            made = CliRunner().invoke(app, ["new", name], catch_exceptions=False)
        assert made.exit_code == 0, made.output

    def tidewheel(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("-c", "from tidewheel.cli.app import main; main()", *arguments)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_schema_is_printed_for_editors(project: Project) -> None:
    ran = project.tidewheel("schema")

    assert (ran.returncode, ran.stdout) == (0, pipeline_schema())


def test_pipelines_are_listed_and_a_wrong_file_breaks_only_its_own_line(project: Project) -> None:
    assert "No pipelines" in project.tidewheel("pipelines").stdout
    project.new("shop")
    wrong = (project.folder / "dags" / "shop.yaml").read_text().replace("name: shop", "name: mail")
    (project.folder / "dags" / "mail.yaml").write_text(f"{wrong}schedule: never\n")

    ran = project.tidewheel("pipelines")

    assert ran.returncode == 0
    assert "0 3 * * * UTC" in ran.stdout
    assert "Will an order be sent back?" in ran.stdout
    assert "line 25, schedule: found 'never'" in ran.stdout


def test_new_names_its_files_and_the_next_step_and_does_not_overwrite(project: Project) -> None:
    first, again = project.tidewheel("new", "shop"), project.tidewheel("new", "shop")

    assert first.returncode == 0
    assert "jobs/pipelines/shop/reader.py" in first.stdout
    assert "tidewheel validate shop" in first.stdout
    assert again.returncode == 2
    assert again.stderr.startswith("tidewheel: pipeline 'shop' is there already")
    assert "Traceback" not in again.stderr


def test_validating_without_pipelines_or_with_a_misspelled_one_says_so(project: Project) -> None:
    none = project.tidewheel("validate")
    project.new("shop")
    misspelled = project.tidewheel("validate", "shopp")

    assert (none.returncode, misspelled.returncode) == (2, 2)
    assert "make one with `tidewheel new NAME`" in none.stderr
    assert "did you mean 'shop'?" in misspelled.stderr


@pytest.mark.slow
def test_validate_names_what_is_wrong_with_each_and_leaves_the_others_right(project: Project) -> None:
    for name in ("shop", "mail", "bad"):
        project.new(name)
    (project.folder / "dags" / "bad.yaml").write_text("name: bad\n")
    transform = project.folder / "jobs" / "pipelines" / "mail" / "transform.py"
    transform.write_text(transform.read_text().replace("def features(", "def feature("))

    ran = project.tidewheel("validate")

    assert ran.returncode == 2
    assert "ok     shop" in ran.stdout
    assert "wrong  bad" in ran.stdout
    assert "owner: missing" in ran.stdout
    assert "wrong  mail" in ran.stdout
    assert "has no function 'features', did you mean 'feature'?" in ran.stdout


@pytest.mark.slow
def test_validate_refuses_pods_that_could_not_reach_the_lake(project: Project) -> None:
    project.new("shop")
    (project.folder / "home").mkdir(exist_ok=True)
    (project.folder / "home" / "platform.env").write_text("TIDEWHEEL_JOB_RUNNER=kubernetes\n")

    ran = project.tidewheel("validate", "shop")

    assert ran.returncode == 2
    assert "land, validate, features, train, evaluate, score, monitor in pods: the lake is file://" in ran.stdout
    assert "set TIDEWHEEL_LAKE_URL to s3://" in ran.stdout


def test_validate_names_line_and_key_of_what_no_night_could_do(project: Project) -> None:
    project.new("shop")
    declared = project.folder / "dags" / "shop.yaml"
    good = declared.read_text()
    lines = good.splitlines()
    reader = next(n for n, line in enumerate(lines, 1) if "reader:" in line)
    declared.write_text(
        f"{good}training: {{parameters: {{max_leaf_nodes: 1}}}}\n"
        "alerts: {channels: {team: {url_variable: NO_SUCH}}}\n"
    )
    suite = project.folder / "expectations" / "shop" / "features.json"
    suite.write_text(suite.read_text().replace('"amount"', '"amuont"'))

    ran = project.tidewheel("validate", "shop")

    assert ran.returncode == 2
    assert f"line {len(lines) + 1}, training.parameters.max_leaf_nodes: found 1; " in ran.stdout
    assert "expects something of column 'amuont', which the features of shop do not have" in ran.stdout
    assert f"warning: line {len(lines) + 2}, alerts.channels.team.url_variable: NO_SUCH is not set" in ran.stdout

    for path, said in (("orders.csv", "without it every day reads"), ("{partiton}.csv", "did you mean '{partition}'?")):
        changed = [*lines]
        changed[reader - 1] = f'  reader: {{kind: csv, path: "data/{path}"}}'
        declared.write_text("\n".join(changed))
        ran = project.tidewheel("validate", "shop")
        assert ran.returncode == 2
        assert f"line {reader}, source.reader.path: found 'data/{path}'; " in ran.stderr
        assert said in ran.stderr


def test_a_day_to_play_is_one_pipelines_and_a_day(project: Project) -> None:
    project.new("shop")

    of_all, no_day = (
        project.tidewheel("validate", "--day", "2026-11-20"),
        project.tidewheel("validate", "shop", "--day", "x"),
    )

    assert (of_all.returncode, no_day.returncode) == (2, 2)
    assert "name the pipeline: tidewheel validate NAME --day DAY" in of_all.stderr
    assert "'x' is not a day: expected YYYY-MM-DD" in no_day.stderr


@pytest.mark.spark
@pytest.mark.slow
def test_a_day_is_played_with_its_steps_told_and_nothing_left(project: Project) -> None:
    project.new("shop")

    ran = project.tidewheel("validate", "shop", "--day", "2026-11-20")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    for step in (
        "look-back: ",
        "source: 600 rows",
        "features of 600 rows",
        "model: fitted to",
        "ok     shop on 2026-11-20",
    ):
        assert step in ran.stdout
    assert not [path for path in (project.folder / "home").rglob("*") if path.is_file()]


@pytest.mark.spark
@pytest.mark.slow
def test_a_new_pipeline_is_valid_and_its_jobs_run_as_it_is(project: Project) -> None:
    project.new("shop")
    assert project.tidewheel("validate", "shop").stdout == "ok     shop\n"

    asked = ["--pipeline", "shop", "--partition", "2026-11-20..2026-11-21", "--run-id", "first"]
    night = (["land"], ["validate", "--stage", "raw"], ["features"], ["validate", "--stage", "features"])
    ran = project.run("-c", PLAY, json.dumps([[job, *asked, *options] for job, *options in night]))
    assert ran.returncode == 0, ran.stderr

    lake = Lake.open("shop", project.settings)
    assert lake.partitions("labels") == ["2026-11-19", "2026-11-20"]
    features = lake.read(lake.need("features", "2026-11-21"))
    assert features.num_rows == 600
    assert features["channel_return_rate_7d"].null_count == 0
