"""What the client sends to Airflow, and how it words a refusal."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from tidewheel.airflow_api import AirflowApi
from tidewheel.errors import PlatformError

RUN = {
    "dag_id": "orders.features",
    "dag_run_id": "night",
    "state": "running",
    "partition_key": "2026-01-05",
    "conf": None,
    "run_type": "manual",
}


class Airflow:
    """Answers like Airflow's API server, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.valid = "token-1"
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(200, json=RUN)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            right = json.loads(request.content) == {"username": "admin", "password": "right"}
            token = {"access_token": self.valid} if right else {"detail": "Invalid credentials"}
            return httpx.Response(201 if right else 401, json=token)
        self.asked.append(request)
        if request.headers["authorization"] != f"Bearer {self.valid}":
            return httpx.Response(401, json={"detail": "Token Expired"})
        return self.answer(request)


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


def client(airflow: Airflow, password: str = "right") -> AirflowApi:
    return AirflowApi("http://airflow.example/", "admin", password, transport=httpx.MockTransport(airflow))


def test_a_run_is_started_without_a_logical_date_for_a_partition_or_with_a_form(airflow: Airflow) -> None:
    api = client(airflow)
    run = api.trigger("orders.features", "night", partition_key="2026-01-05")
    assert (run.run_id, run.partition_key, run.ended) == ("night", "2026-01-05", False)
    api.trigger("orders.training", conf={"as_of": "2026-01-05"})
    assert [(request.url.path, json.loads(request.content)) for request in airflow.asked] == [
        (
            "/api/v2/dags/orders.features/dagRuns",
            {"logical_date": None, "dag_run_id": "night", "conf": {}, "partition_key": "2026-01-05"},
        ),
        (
            "/api/v2/dags/orders.training/dagRuns",
            {"logical_date": None, "dag_run_id": None, "conf": {"as_of": "2026-01-05"}, "partition_key": None},
        ),
    ]


def test_a_token_that_has_expired_is_renewed(airflow: Airflow) -> None:
    api = client(airflow)
    assert api.run("orders.features", "night")
    airflow.valid = "token-2"
    assert api.run("orders.features", "night")


def test_a_wrong_password_is_said_with_the_setting_to_look_at(airflow: Airflow) -> None:
    with pytest.raises(PlatformError, match=r"401 Invalid credentials.*TIDEWHEEL_AIRFLOW_PASSWORD"):
        client(airflow, "wrong").runs("orders.features")


def test_a_run_that_is_not_there_is_none(airflow: Airflow) -> None:
    airflow.answer = lambda request: httpx.Response(404, json={"detail": "no such run"})
    assert client(airflow).run("orders.features", "night") is None


def test_the_tasks_of_a_dag_are_known_and_none_of_one_that_is_not_there(airflow: Airflow) -> None:
    airflow.answer = lambda request: httpx.Response(200, json={"tasks": [{"task_id": "land"}], "total_entries": 1})
    assert client(airflow).dag_tasks("orders.features") == {"land"}
    airflow.answer = lambda request: httpx.Response(404, json={"detail": "no such dag"})
    assert client(airflow).dag_tasks("orders.features") is None


def test_what_airflow_refuses_is_said_in_its_words(airflow: Airflow) -> None:
    airflow.answer = lambda request: httpx.Response(409, json={"detail": "a run of that name exists"})
    with pytest.raises(PlatformError, match=r"refuses POST .*dagRuns: 409 a run of that name exists"):
        client(airflow).trigger("orders.features", "night")


def test_an_address_that_is_not_airflows_is_said_with_the_setting_to_look_at(airflow: Airflow) -> None:
    airflow.answer = lambda request: httpx.Response(200, html="<p>It works!</p>")
    with pytest.raises(PlatformError, match=r"answers with text/html.*, where Airflow .* check TIDEWHEEL_AIRFLOW_URL"):
        client(airflow).runs("orders.features")


def test_a_run_id_with_odd_characters_is_one_segment_of_the_address(airflow: Airflow) -> None:
    api = client(airflow)
    api.run("orders.features", "manual__2026-11-22T05:18:00+00:00/x")
    assert airflow.asked[0].url.raw_path.endswith(b"/dagRuns/manual__2026-11-22T05%3A18%3A00%2B00%3A00%2Fx")
    assert api.run_page("orders.features", "a b/c") == "http://airflow.example/dags/orders.features/runs/a%20b%2Fc"


def test_a_run_is_followed_to_its_end(airflow: Airflow) -> None:
    states = iter(["queued", "success"])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/taskInstances"):
            task = {"task_id": "land", "state": "success", "try_number": 1, "duration": 2.5}
            return httpx.Response(200, json={"task_instances": [task]})
        return httpx.Response(200, json=RUN | {"state": next(states)})

    airflow.answer = answer
    seen = [(run.state, tasks[0].seconds) for run, tasks in client(airflow).follow("orders.features", "night")]
    assert seen == [("queued", 2.5), ("success", 2.5)]


def test_failed_tasks_are_cleared_or_a_task_with_all_that_follows(airflow: Airflow) -> None:
    api = client(airflow)
    api.clear("orders.features", "night")
    api.clear("orders.features", "night", ["land"])
    failed, named = airflow.asked
    assert failed.url.path == "/api/v2/dags/orders.features/dagRuns/night/clear"
    assert json.loads(failed.content) == {"dry_run": False, "only_failed": True}
    asked = json.loads(named.content)
    assert (asked["task_ids"], asked["include_downstream"], asked["dry_run"]) == (["land"], True, False)
