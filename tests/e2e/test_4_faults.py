"""What goes wrong at night: bad files, killed processes, wrong pipeline files. Nothing visible may suffer."""

from __future__ import annotations

import os
import signal
from datetime import date, timedelta

import pytest

from tests.conftest import wait_until
from tests.e2e.shop import Files, Shop, job_process
from tests.installation import Installation

pytestmark = [pytest.mark.timeout(1500), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

FIRST = date(2026, 6, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(12)]
YESTERDAY, BAD, KILLED, RESTARTED, CRASHED = (day.isoformat() for day in DAYS[1:6])
DATASETS = ("landing", "labels", "features")


@pytest.fixture(scope="module")
def files(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The shop reads files from now on; the first two days are published."""
    files = Files(shop, tmp_path_factory.mktemp("orders"), DAYS)
    shop.run("features", "files", first=FIRST.isoformat(), last=YESTERDAY)
    return files


def test_a_truncated_file_stops_the_night_and_corrected_data_goes_through_the_same_run(
    shop: Shop, files: Files
) -> None:
    installation, file, answered = shop.installation, files.orders(BAD), shop.ask()["predictions"]
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
    kept = list((installation.settings.home / "lake/shop/landing/_quarantine" / BAD).rglob(f"*-{file.name}"))
    assert [path.read_bytes() for path in kept] == [whole[: len(whole) // 2]]
    assert installation.hashes("shop", *DATASETS) == published
    assert all(run.partition_key != BAD for run in installation.api.runs("shop.scoring"))
    assert shop.ask()["predictions"] == answered

    file.write_bytes(whole)
    installation.api.clear("shop.features", "bad_night")
    run, tasks = installation.finish("shop.features", "bad_night")
    assert run.state == "success", tasks
    assert installation.lake("shop").need("features", BAD).rows > 0


def test_nulls_are_refused_at_validate_raw_by_column_and_rule_and_the_corrected_day_goes_through(
    shop: Shop, files: Files
) -> None:
    installation, key = shop.installation, DAYS[6].isoformat()
    orders = shop.reader.orders(DAYS[6])
    orders.loc[orders.index % 3 == 0, "amount"] = None
    orders.to_parquet(files.orders(key))
    shop.night("null_night", key)
    run, tasks = installation.finish("shop.features", "null_night")
    assert run.state == "failed"
    assert tasks["validate_raw"] == "failed"
    assert tasks["features"] == "upstream_failed"
    log = "\n".join(installation.api.log("shop.features", "null_night", "validate_raw"))
    assert "amount" in log
    assert installation.lake("shop").published("landing", key) is None

    shop.reader.orders(DAYS[6]).to_parquet(files.orders(key))
    installation.api.clear("shop.features", "null_night", ["land"])
    run, tasks = installation.finish("shop.features", "null_night")
    assert run.state == "success", tasks


def test_a_job_killed_in_the_middle_is_run_again(shop: Shop, files: Files) -> None:
    installation = shop.installation
    shop.night("killed_night", KILLED)
    os.kill(job_process(installation, "jobs.features", "killed_night"), signal.SIGKILL)
    run, tasks = installation.finish("shop.features", "killed_night")
    assert run.state == "success", tasks


def test_a_killed_scheduler_comes_back_and_the_night_ends_well(shop: Shop, files: Files) -> None:
    installation = shop.installation
    shop.night("restarted_night", RESTARTED)
    job_process(installation, "jobs.features", "restarted_night")
    _kill_service(installation, "airflow-scheduler")
    run, tasks = installation.finish("shop.features", "restarted_night", seconds=500)
    assert run.state == "success", tasks


def test_a_killed_postgresql_comes_back_and_the_night_ends_well(shop: Shop, files: Files) -> None:
    installation = shop.installation
    shop.night("crashed_night", CRASHED)
    job_process(installation, "jobs.features", "crashed_night")
    _kill_service(installation, "postgres")
    wait_until(lambda: _answers(installation), "Airflow answers again", 120)
    run, tasks = installation.finish("shop.features", "crashed_night", seconds=500)
    assert run.state == "success", tasks


def test_disturbed_nights_have_published_what_an_undisturbed_run_does(shop: Shop, files: Files) -> None:
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


def _kill_service(installation: Installation, name: str) -> None:
    supervisor = installation.platform.supervisor
    pid = supervisor.status(name).pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: supervisor.status(name).pid not in {0, pid}, f"{name} is started again", 60)


def _answers(installation: Installation) -> bool:
    return all(service.ok for service in installation.platform.status())
