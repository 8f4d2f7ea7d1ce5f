"""A small client of Airflow's REST API: start runs, follow them, clear them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from tidewheel.errors import PlatformError
from tidewheel.http_client import failure, http_client
from tidewheel.polling import poll

if TYPE_CHECKING:
    from tidewheel.settings import Settings

TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 1.0
QUESTION_TRIES = 5
ENDED = frozenset({"success", "failed"})


@dataclass(frozen=True)
class DagRun:
    """A run of a DAG.

    Attributes:
        dag_id: the DAG.
        run_id: unique within the DAG.
        state: queued, running, success or failed.
        partition_key: the day of a partitioned run.
        conf: what it was started with.
        run_type: manual, scheduled, asset_triggered or backfill.
    """

    dag_id: str
    run_id: str
    state: str
    partition_key: str | None
    conf: Mapping[str, Any]
    run_type: str

    @property
    def ended(self) -> bool:
        """Whether nothing of it will run any more."""
        return self.state in ENDED


@dataclass(frozen=True)
class TaskInstance:
    """A task of a run.

    Attributes:
        task_id: the task.
        state: such as running, success, failed, skipped, up_for_retry; None before the scheduler has looked at it.
        try_number: 1 for the first try, 0 before it.
        seconds: how long the last try took; None before it has ended.
    """

    task_id: str
    state: str | None
    try_number: int
    seconds: float | None


class AirflowApi:
    """Airflow, as one of its users.

    Args:
        url: of the API server.
        username: who acts.
        password: of that user.
        transport: carries the requests; default: the network, past any proxy.
    """

    def __init__(self, url: str, username: str, password: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._credentials = {"username": username, "password": password}
        self._http = http_client(self.url, seconds=TIMEOUT_SECONDS, retries=3, transport=transport)

    @classmethod
    def open(cls, settings: Settings) -> AirflowApi:
        """The Airflow of this installation.

        Raises:
            SettingsError: no Airflow is configured and no platform runs here.
        """
        return cls(settings.require("airflow_url"), settings.airflow_username, settings.require("airflow_password"))

    def __enter__(self) -> AirflowApi:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- DAGs ------------------------------------------------------------------------------------------------------

    def has_dag(self, dag: str) -> bool:
        """Whether Airflow has read the DAG."""
        return self._find(f"/dags/{quote(dag)}") is not None

    def dag_tasks(self, dag: str) -> set[str] | None:
        """Ids of a DAG's tasks; None where Airflow has not read the DAG."""
        answer = self._find(f"/dags/{quote(dag)}/tasks")
        return None if answer is None else {task["task_id"] for task in answer["tasks"]}

    def import_errors(self) -> dict[str, str]:
        """Files that Airflow could not read, with the reason."""
        found = self._get("/importErrors", limit=100)["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in found}

    def wait_for_dag(self, dag: str, seconds: float = 180) -> None:
        """Wait until Airflow has read a DAG.

        Raises:
            PlatformError: it has not, within that time; the message has the import errors there are.
        """
        for _ in poll(seconds, every=POLL_SECONDS):
            if self.has_dag(dag):
                return
        errors = "\n".join(f"{file}: {reason}" for file, reason in self.import_errors().items())
        raise PlatformError(
            f"Airflow has not read {dag} within {seconds:.0f} s; {errors or 'it reports no import error'}"
        )

    def unpause(self, dag: str) -> None:
        """Let a DAG run."""
        self._request("PATCH", f"/dags/{quote(dag)}", json={"is_paused": False})

    def end_runs(self, dag: str) -> int:
        """Pause a DAG and end its runs that are queued or under way; returns how many. A DAG that is gone has none."""
        if not self.has_dag(dag):
            return 0
        self._request("PATCH", f"/dags/{quote(dag)}", json={"is_paused": True})
        unfinished = [run for run in self.runs(dag) if not run.ended]
        for run in unfinished:
            self._request("PATCH", self._run_path(dag, run.run_id), json={"state": "failed"})
        return len(unfinished)

    # --- runs ------------------------------------------------------------------------------------------------------

    def trigger(
        self,
        dag: str,
        run_id: str | None = None,
        *,
        conf: Mapping[str, object] | None = None,
        partition_key: str | None = None,
    ) -> DagRun:
        """Start a run.

        Args:
            dag: the DAG.
            run_id: its name; None lets Airflow choose one.
            conf: values of the DAG's form.
            partition_key: the day, for a partitioned DAG.

        Raises:
            PlatformError: Airflow refuses: there is a run of that name, or the form does not take those values.
        """
        body = {"logical_date": None, "dag_run_id": run_id, "conf": dict(conf or {}), "partition_key": partition_key}
        return _run(self._request("POST", f"/dags/{quote(dag)}/dagRuns", json=body))

    def run(self, dag: str, run_id: str) -> DagRun | None:
        """A run by its name."""
        answer = self._find(self._run_path(dag, run_id))
        return None if answer is None else _run(answer)

    def runs(self, dag: str, limit: int = 50) -> list[DagRun]:
        """The newest runs of a DAG, newest first."""
        found = self._get(f"/dags/{quote(dag)}/dagRuns", order_by="-run_after", limit=limit)
        return [_run(run) for run in found["dag_runs"]]

    def tasks(self, dag: str, run_id: str) -> list[TaskInstance]:
        """The tasks of a run, in the order they started; those that have not come last."""
        found = self._get(f"{self._run_path(dag, run_id)}/taskInstances", order_by="start_date", limit=100)
        return [
            TaskInstance(task["task_id"], task["state"], task["try_number"], task["duration"])
            for task in found["task_instances"]
        ]

    def follow(self, dag: str, run_id: str, seconds: float = 1800) -> Iterator[tuple[DagRun, list[TaskInstance]]]:
        """Look at a run once a second until it has ended; the last item is how it ended.

        Raises:
            PlatformError: there is no such run, or it has not ended within that time.
        """
        for _ in poll(seconds, every=POLL_SECONDS):
            run = self.run(dag, run_id)
            if run is None:
                raise PlatformError(f"Airflow has no run {run_id!r} of {dag}; see {self.dag_page(dag)}")
            yield run, self.tasks(dag, run_id)
            if run.ended:
                return
        raise PlatformError(f"{dag} has not ended within {seconds:.0f} s; see {self.run_page(dag, run_id)}")

    def clear(self, dag: str, run_id: str, tasks: Sequence[str] = ()) -> None:
        """Run what failed again, or the named tasks and everything after them."""
        if not tasks:
            self._request("POST", f"{self._run_path(dag, run_id)}/clear", json={"dry_run": False, "only_failed": True})
            return
        body = {
            "dag_run_id": run_id,
            "task_ids": list(tasks),
            "include_downstream": True,
            "only_failed": False,
            "reset_dag_runs": True,
            "dry_run": False,
        }
        self._request("POST", f"/dags/{quote(dag)}/clearTaskInstances", json=body)

    def log(self, dag: str, run_id: str, task: str, try_number: int = 1) -> list[str]:
        """The lines of a task's log."""
        found = self._get(f"{self._run_path(dag, run_id)}/taskInstances/{quote(task)}/logs/{try_number}")
        return [entry["event"] if isinstance(entry, dict) else str(entry) for entry in found["content"]]

    def variable(self, key: str) -> str:
        """Value of an Airflow Variable; empty where there is none, `***` where its name makes Airflow hide it."""
        answer = self._find(f"/variables/{quote(key, safe='')}")
        return "" if answer is None else str(answer["value"])

    # --- pages for a person ----------------------------------------------------------------------------------------

    def dag_page(self, dag: str) -> str:
        """Address of a DAG in the browser."""
        return f"{self.url}/dags/{quote(dag)}"

    def run_page(self, dag: str, run_id: str) -> str:
        """Address of a run in the browser."""
        return f"{self.url}/dags/{quote(dag)}/runs/{quote(run_id, safe='')}"

    # --- requests --------------------------------------------------------------------------------------------------

    def _run_path(self, dag: str, run_id: str) -> str:
        return f"/dags/{quote(dag)}/dagRuns/{quote(run_id, safe='')}"

    def _get(self, path: str, **query: object) -> Any:
        return self._request("GET", path, params=query)

    def _find(self, path: str) -> Any | None:
        response = self._send("GET", path)
        return None if response.status_code == httpx.codes.NOT_FOUND else self._content(response)

    def _request(self, method: str, path: str, **request: Any) -> Any:
        return self._content(self._send(method, path, **request))

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        # A question may be repeated where a busy machine was too slow to answer; a command must not.
        tries = QUESTION_TRIES if method == "GET" else 1
        while True:
            tries -= 1
            try:
                return self._send_once(method, path, **request)
            except httpx.HTTPError as error:
                if not tries:
                    raise PlatformError(
                        f"Airflow at {self.url} does not answer ({failure(error)}); is the platform up "
                        "(`tidewheel status`)?"
                    ) from error
                time.sleep(POLL_SECONDS)

    def _send_once(self, method: str, path: str, **request: Any) -> httpx.Response:
        if "authorization" not in self._http.headers:
            self._log_in()
        response = self._http.request(method, f"/api/v2{path}", **request)
        if response.status_code == httpx.codes.UNAUTHORIZED:  # tokens live a day
            self._log_in()
            response = self._http.request(method, f"/api/v2{path}", **request)
        return response

    def _log_in(self) -> None:
        response = self._http.post("/auth/token", json=self._credentials)
        if response.status_code != httpx.codes.CREATED:
            raise PlatformError(
                f"Airflow at {self.url} does not let user {self._credentials['username']!r} in: {_reason(response)}; "
                "check TIDEWHEEL_AIRFLOW_USERNAME and TIDEWHEEL_AIRFLOW_PASSWORD"
            )
        self._http.headers["authorization"] = f"Bearer {response.json()['access_token']}"

    def _content(self, response: httpx.Response) -> Any:
        if response.is_error:
            raise PlatformError(
                f"Airflow refuses {response.request.method} {response.request.url.path}: {_reason(response)}"
            )
        try:
            return response.json() if response.content else None
        except ValueError:
            found = response.headers.get("content-type", "something")
            raise PlatformError(
                f"{response.request.url} answers with {found}, where Airflow answers with JSON; "
                "check TIDEWHEEL_AIRFLOW_URL"
            ) from None


def _run(document: Mapping[str, Any]) -> DagRun:
    return DagRun(
        dag_id=document["dag_id"],
        run_id=document["dag_run_id"],
        state=document["state"],
        partition_key=document["partition_key"],
        conf=document["conf"] or {},
        run_type=document["run_type"],
    )


def _reason(response: httpx.Response) -> str:
    """What an error response says, in one line."""
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text[:300]
    return f"{response.status_code} {detail}"
