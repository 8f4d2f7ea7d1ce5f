"""The front page: what it shows of each pipeline, and that it stands when a part of the platform does not answer."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from plugins.web.airflow_runs import airflow_state
from tests.ledger_forms import SAID
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases, Status
from tidewheel.ledger.tables import ModelVersionRow
from tidewheel.partitions import Partitioning
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from tests.plugins.conftest import Project

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
MANUAL = "gate: {approval: manual}\n"
Get = Callable[..., httpx.Response]


def version(number: str, run: str = "r1") -> ModelVersionRow:
    days = {"as_of": "2024-01-13", "train_start": "2024-01-01", "train_end": "2024-01-10"}
    made = {"mlflow_run": run, "source": f"models:/m-{number}", "run_id": "run", "data_hash": "d", "estimator": "x"}
    facts: dict[str, Any] = {"files": {}, "importances": {}, "bento": {}, "created_by": "a test", "created_at": NOW}
    return ModelVersionRow(pipeline="orders", version=number, **days, **made, **facts)


def test_a_line_says_what_needs_a_person_first(
    get: Get, lake: Lake, registry: str, ledger: Ledger, project: Project
) -> None:
    with (project.folder / "dags" / "orders.yaml").open("a") as file:
        file.write(MANUAL)
    releases, models = Releases(ledger), Models(ledger)
    ledger.put_figures("orders", "2026-11-20", {"log_loss": 0.4812, "rows": 900}, NOW, version="4")
    models.promote("orders", "4", "", "airflow", "run-0", NOW)
    models.add(version("6"))
    ledger.record("orders", "version 6", "run:1", Verdict(Kind.GATE, Outcome.PASSED, "better"), NOW)
    releases.point("orders", "green", "4", None, NOW)
    releases.point("given_up", "blue", "1", None, NOW)
    failed = releases.begin("orders", "4", "blue", {}, "run-1", NOW)
    releases.end(failed.id, Status.FAILED, "parity: blue answers <otherwise>", NOW)
    ledger.request_training("orders", "the shop moved", NOW)
    page = get("/").text
    for shown in (
        "The release of version 4 failed: parity: blue answers &lt;otherwise&gt;",
        ">approval waiting</a>",
        'href="/dags/orders.training/runs/run%3A1/required_actions"',
        "Version 6 passed the gate and has waited for an approval since 2026-11-22 03:30 UTC.",
        '<h2 id="approvals-heading">1 approval to decide</h2>',
        '<td class="nowrap">2026-11-22 03:30</td><td class="nowrap">by 2026-11-25 03:30</td>',
        'href="/dags/orders.training/runs/run%3A1/required_actions">Decide in Airflow</a>',
        ">training requested</a>",
        "<b>0.4812</b>",
        "<b>version 4</b>",
        "2026-01-05",
        "labels 2026-11-20",
        "Will an order be sent back?",
        "endpoint of a pipeline that is no longer declared: given_up answers callers",
        "run `tidewheel retire given_up`",
    ):
        assert shown in page
    assert page.index(">release failed<") < page.index(">approval waiting<") < page.index(">training requested<")


def test_a_version_that_was_deleted_in_the_registry_needs_a_person(
    get: Get, lake: Lake, registry: str, aliases: dict[str, str], ledger: Ledger
) -> None:
    aliases.clear()
    Releases(ledger).point("orders", "green", "4", None, NOW)
    Models(ledger).add(version("5", "r5"))
    page = get("/").text
    assert "version 4 answers, and MLflow names no champion any more" in page
    assert ">deleted in MLflow<" in page


def test_the_run_of_a_challenger_that_was_deleted_is_named(get: Get, lake: Lake, registry: str, ledger: Ledger) -> None:
    Models(ledger).add(version("5", "r5"))
    assert "the MLflow run of version 5, the newest challenger, was deleted: restore it there" in get("/").text


def test_the_page_stands_when_registry_and_ledger_do_not_answer(
    get: Get, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", "postgresql+psycopg2://nobody:geheim@127.0.0.1:1/ledger")
    found = get("/")
    assert found.status_code == 200
    assert "2026-01-05" in found.text
    assert "MLflow does not answer: " in found.text
    assert "/ledger cannot be reached" in found.text
    assert "is the platform up (`tidewheel status`)?" in found.text
    assert "geheim" not in found.text
    for cell in ("Quality", "Champion"):
        assert re.search(rf'data-label="{cell}">\s*<span class="quiet">unknown</span>', found.text)
    assert "none yet" not in found.text, "what nobody can say is not said to be nothing"
    assert "no model yet" not in found.text


def test_a_ledger_without_its_tables_says_what_to_do(
    get: Get, lake: Lake, registry: str, postgres_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", postgres_url("postgres"))
    for path in ("/", "/pipeline/orders"):
        found = get(path)
        assert found.status_code == 200
        assert "has form none, this version needs" in found.text
        assert "start the platform again" in found.text


@pytest.mark.parametrize("form", SAID)
def test_a_ledger_of_another_version_is_named_and_the_rest_is_shown(
    get: Get,
    lake: Lake,
    registry: str,
    empty_database_url: str,
    form: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    form(empty_database_url)
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", empty_database_url)
    for path in ("/", "/pipeline/orders"):
        found = get(path)
        assert found.status_code == 200
        assert SAID[form] in found.text
        assert "2026-01-05" in found.text


def test_the_page_stands_when_the_lake_does_not_answer(
    get: Get, lake: Lake, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_LAKE_URL", "file:///dev/null/lake")
    found = get("/")
    assert found.status_code == 200
    assert "the lake does not answer: [Errno 20] Not a directory" in found.text
    assert "no data yet" not in found.text


def test_the_other_pipelines_are_shown_beside_hostile_files(get: Get, lake: Lake, project: Project) -> None:
    dags = project.folder / "dags"
    bomb = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))
    (dags / "bomb.yaml").write_text("a0: &a0 [x, x, x, x]\n" + bomb)
    (dags / "large.yaml").write_text("description: " + "x" * 3_000_000)
    good = (dags / "orders.yaml").read_text()
    (dags / "wordy.yaml").write_text(good.replace("name: orders", f"name: wordy\n{'k' * 1_000}: {'v' * 90_000}"))
    (dags / "binary.yaml").write_bytes(b"\xff\x00\xfe")
    (dags / "broken.yaml").write_text("name: broken\nsauce: {}\n")
    started = time.monotonic()

    found = get("/")

    assert time.monotonic() - started < 10
    assert found.status_code == 200
    assert "Will an order be sent back?" in found.text
    for said in ("more than 5,000 keys and values", "larger than a pipeline file may be", "unknown key", "not UTF-8"):
        assert said in found.text
    assert len(found.content) < 50_000
    whole = get("/pipeline/broken")
    assert whole.status_code == 200
    assert "sauce" in whole.text


def test_the_page_waits_for_no_part_longer_than_it_may_take(
    get: Get, lake: Lake, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hangs(lake: Lake, dataset: str, unit: Partitioning) -> str | None:
        over.wait(30)
        return None

    monkeypatch.setattr(Lake, "newest", hangs)
    monkeypatch.setattr("plugins.web.answers.PAGE_PATIENCE_SECONDS", 0.5)
    try:
        found = get("/")
    finally:
        over.set()
    assert "the lake has not answered within 0.5 s" in found.text
    assert "Will an order be sent back?" in found.text


def test_without_a_pipeline_the_page_says_how_to_make_one(get: Get, project: Project) -> None:
    (project.folder / "dags" / "orders.yaml").unlink()
    assert "<code>tidewheel new NAME</code> makes one that runs." in get("/").text


def test_a_night_that_failed_is_shown_until_a_later_one_passes(airflow_database: None) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType

    def run(hours_ago: int, state: DagRunState) -> DagRun:
        at = NOW - timedelta(hours=hours_ago)
        found = DagRun(
            dag_id="orders.features",
            run_id=f"scheduled__{at.isoformat()}",
            run_type=DagRunType.SCHEDULED,
            state=state,
            run_after=at,
            partition_key=f"{at.date() - timedelta(days=1)}T03:00:00",
        )
        with create_session() as session:
            session.add(found)
        return found

    run(49, DagRunState.SUCCESS)
    run(25, DagRunState.FAILED)
    [failed] = airflow_state(["orders"], NOW).failed["orders"]
    assert (failed.purpose, failed.day) == ("features", "2026-11-20")
    run(1, DagRunState.SUCCESS)
    assert airflow_state(["orders"], NOW).failed == {}
    with create_session() as session:
        session.query(DagRun).delete()
