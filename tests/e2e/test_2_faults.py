"""What goes wrong at night: bad files, killed processes, wrong pipeline files. Nothing visible may suffer."""

from __future__ import annotations

import importlib.util
import os
import signal
from datetime import date, timedelta
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from tests.conftest import wait_until
from tests.installation import Installation

pytestmark = [pytest.mark.timeout(1500), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

FIRST = date(2026, 6, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(12)]
YESTERDAY, BAD, KILLED, RESTARTED, CRASHED = (day.isoformat() for day in DAYS[1:6])
DATASETS = ("landing", "labels", "features")


class Shop:
    """A scaffolded pipeline, changed to read Parquet files that a test may spoil."""

    name = "shop"

    def __init__(self, installation: Installation, files: Path) -> None:
        self.installation = installation
        self.files = files
        made = installation.command("new", self.name)
        assert made.returncode == 0, made.stderr
        path = installation.project / "jobs/pipelines/shop/reader.py"
        found = importlib.util.spec_from_file_location("shop_reader", path)
        assert found is not None
        assert found.loader is not None
        self.reader = importlib.util.module_from_spec(found)
        found.loader.exec_module(self.reader)
        for day in DAYS:
            self.deliver(day)
        self._read_files()

    def deliver(self, day: date) -> None:
        """Put a day's good file in place."""
        self.reader.orders(day).to_parquet(self.file(day.isoformat()))
        self.reader.returns(day).to_parquet(self.files / f"returns-{day}.parquet")

    def file(self, key: str) -> Path:
        return self.files / f"orders-{key}.parquet"

    def night(self, run_id: str, key: str) -> None:
        self.installation.api.trigger("shop.features", run_id, partition_key=key)

    def _read_files(self) -> None:
        path, yaml = self.installation.project / "dags/shop.yaml", YAML()
        declared = yaml.load(path)
        for section, name in (("source", "orders"), ("labels", "returns")):
            declared[section]["reader"] = {"kind": "parquet", "path": f"{self.files}/{name}-{{partition}}.parquet"}
        declared["source"]["start"] = FIRST
        declared["source"]["end"] = DAYS[-1]
        with path.open("w") as file:
            yaml.dump(declared, file)


@pytest.fixture(scope="module")
def shop(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop's pipeline, with its first two days published."""
    shop = Shop(installation, tmp_path_factory.mktemp("orders"))
    checked = installation.command("validate", "shop")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    installation.api.wait_for_dag("shop.release")
    conf = {"first": FIRST.isoformat(), "last": YESTERDAY}
    installation.api.trigger("shop.features", "history", conf=conf)
    run, tasks = installation.finish("shop.features", "history")
    assert run.state == "success", tasks
    return shop


def test_a_truncated_file_stops_the_night_and_corrected_data_goes_through_the_same_run(shop: Shop) -> None:
    installation, file = shop.installation, shop.file(BAD)
    published = installation.hashes("shop", *DATASETS)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    shop.night("bad_night", BAD)
    run, tasks = installation.finish("shop.features", "bad_night")
    assert run.state == "failed"
    assert tasks["land"] == "failed"
    assert {tasks[name] for name in ("validate_raw", "features", "validate_features", "announce")} == {
        "upstream_failed"
    }
    log = "\n".join(installation.api.log("shop.features", "bad_night", "land"))
    assert file.name in log
    assert "quarantine" in log
    kept = list((installation.settings.home / "lake/shop/landing/_quarantine" / BAD).rglob(file.name))
    assert [path.read_bytes() for path in kept] == [whole[: len(whole) // 2]]
    assert installation.hashes("shop", *DATASETS) == published
    assert all(run.partition_key != BAD for run in installation.api.runs("shop.scoring"))

    file.write_bytes(whole)
    installation.api.clear("shop.features", "bad_night")
    run, tasks = installation.finish("shop.features", "bad_night")
    assert run.state == "success", tasks
    assert installation.lake("shop").need("features", BAD).rows > 0


def test_nulls_where_none_are_allowed_are_refused_at_validate_raw_by_column_and_rule(shop: Shop) -> None:
    installation, key = shop.installation, DAYS[6].isoformat()
    orders = shop.reader.orders(DAYS[6])
    orders.loc[orders.index % 3 == 0, "amount"] = None
    orders.to_parquet(shop.file(key))
    shop.night("null_night", key)
    run, tasks = installation.finish("shop.features", "null_night")
    assert run.state == "failed"
    assert tasks["validate_raw"] == "failed"
    assert tasks["features"] == "upstream_failed"
    log = "\n".join(installation.api.log("shop.features", "null_night", "validate_raw"))
    assert "amount" in log
    assert installation.lake("shop").published("landing", key) is None


def test_a_job_killed_in_the_middle_is_run_again(shop: Shop) -> None:
    installation = shop.installation
    shop.night("killed_night", KILLED)
    os.kill(_job(installation, "jobs.features", "killed_night"), signal.SIGKILL)
    run, tasks = installation.finish("shop.features", "killed_night")
    assert run.state == "success", tasks


def test_a_killed_scheduler_comes_back_and_the_night_ends_well(shop: Shop) -> None:
    installation = shop.installation
    shop.night("restarted_night", RESTARTED)
    _job(installation, "jobs.features", "restarted_night")
    _kill_service(installation, "airflow-scheduler")
    run, tasks = installation.finish("shop.features", "restarted_night", seconds=500)
    assert run.state == "success", tasks


def test_a_killed_postgresql_comes_back_and_the_night_ends_well(shop: Shop) -> None:
    installation = shop.installation
    shop.night("crashed_night", CRASHED)
    _job(installation, "jobs.features", "crashed_night")
    _kill_service(installation, "postgres")
    wait_until(lambda: _answers(installation), "Airflow answers again", 120)
    run, tasks = installation.finish("shop.features", "crashed_night", seconds=500)
    assert run.state == "success", tasks


def test_disturbed_nights_have_published_what_an_undisturbed_run_does(shop: Shop) -> None:
    installation = shop.installation
    disturbed = installation.hashes("shop", *DATASETS)
    assert {f"features/{key}" for key in (KILLED, RESTARTED, CRASHED)} <= disturbed.keys()
    installation.api.trigger("shop.features", "undisturbed", conf={"first": KILLED, "last": CRASHED})
    run, tasks = installation.finish("shop.features", "undisturbed")
    assert run.state == "success", tasks
    assert installation.hashes("shop", *DATASETS) == disturbed


def test_a_wrong_pipeline_file_breaks_only_its_own_dags(shop: Shop) -> None:
    installation = shop.installation
    dags = installation.project / "dags"
    text = (dags / "shop.yaml").read_text().replace("name: shop", "name: broken").replace("event_time:", "event_tim:")
    (dags / "broken.yaml").write_text(text)
    (dags / "broken.py").write_text((dags / "shop.py").read_text())
    try:
        wait_until(
            lambda: any("broken.py" in file for file in installation.api.import_errors()), "Airflow reads it", 120
        )
        [reason] = [why for file, why in installation.api.import_errors().items() if "broken.py" in file]
        assert "source.event_tim" in reason
        assert "did you mean 'event_time'" in reason
        assert installation.api.has_dag("shop.features")
        assert not installation.api.has_dag("broken.features")
    finally:
        (dags / "broken.py").unlink()
        (dags / "broken.yaml").unlink()


def _job(installation: Installation, module: str, run_id: str) -> int:
    """Wait until a job of a run runs; its process."""
    found: list[int] = []

    def runs() -> bool:
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if module in line and f"--run-id={run_id}" in line:
                found.append(process.pid)
        return bool(found)

    wait_until(runs, f"{module} of {run_id} runs", 180)
    return found[0]


def _kill_service(installation: Installation, name: str) -> None:
    supervisor = installation.platform.supervisor
    pid = supervisor.status(name).pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: supervisor.status(name).pid not in {0, pid}, f"{name} is started again", 60)


def _answers(installation: Installation) -> bool:
    return all(service.ok for service in installation.platform.status())
