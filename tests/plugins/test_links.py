"""Buttons of a task lead to what its job left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from plugins.operators.links import JobLink, browser_address
from plugins.operators.outcome import JobOutcome
from tidewheel.runs import JobRecord

PATH = "orders/runs/manual__2026+00-00/validate-raw.json"


def address(title: str, **links: str) -> str:
    record = JobRecord(pipeline="orders", job="validate-raw", run_id="r", partition="2026-01-05", links=links)
    task: Any = SimpleNamespace(outcome=JobOutcome("validate-raw", 0, PATH, record))
    return JobLink(title).get_link(task, ti_key=None)  # type: ignore[arg-type]


def test_a_report_of_the_lake_is_opened_through_airflow() -> None:
    assert address("Report", Report="orders/reports/a b.html") == "/tidewheel/lake/orders/reports/a%20b.html"


def test_a_page_of_another_server_is_opened_as_it_is() -> None:
    page = "http://mlflow.example/#/models/orders/versions/3"
    assert address("MLflow model", **{"MLflow model": page}) == page


def test_the_report_button_opens_the_first_report_where_each_batch_has_one() -> None:
    links = {"MLflow run": "http://m.example", "Validation of landing/1": "orders/reports/1.html", "b": "orders/2.html"}
    assert address("Report", **links) == "/tidewheel/lake/orders/reports/1.html"


def test_every_job_has_a_page_with_its_record() -> None:
    assert address("Record") == "/tidewheel/record/orders/runs/manual__2026%2B00-00/validate-raw.json"


def test_a_job_that_left_nothing_has_no_buttons() -> None:
    for outcome in (None, JobOutcome("land", 1, PATH, None)):
        task: Any = SimpleNamespace(outcome=outcome)
        assert JobLink("Report").get_link(task, ti_key=None) == ""  # type: ignore[arg-type]


def test_no_two_buttons_of_a_task_share_a_place() -> None:
    titles = ["Report", "Record", "MLflow run", "MLflow model", "Training data, by hash"]
    assert len({JobLink(title).xcom_key for title in titles}) == len(titles)


def test_a_link_cannot_carry_a_script() -> None:
    assert browser_address("javascript:alert(1)").startswith("/tidewheel/lake/")


@pytest.mark.parametrize("base", ["http://airflow.example/ops", "http://airflow.example/ops/"])
def test_links_follow_airflow_below_a_path(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    assert browser_address("orders/reports/a.html") == "/ops/tidewheel/lake/orders/reports/a.html"
