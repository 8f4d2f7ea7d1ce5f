"""Following Airflow runs to their end, and saying meanwhile which task runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tidewheel.errors import PlatformError

if TYPE_CHECKING:
    from tidewheel.airflow_api import AirflowApi, DagRun, TaskInstance
    from tidewheel.demo.display import Display

POLL_SECONDS = 1.0
EVENT_SECONDS = 240.0
FAILURE = "task failed: "
DONE = frozenset({"success", "skipped", "removed"})
FAILED = frozenset({"failed", "upstream_failed"})


class Follower:
    """Watches runs for a display.

    Args:
        api: Airflow.
        display: shows what runs.
    """

    def __init__(self, api: AirflowApi, display: Display) -> None:
        self.api = api
        self.display = display

    def run(
        self, dag: str, run_id: str, *, conf: Mapping[str, object] | None = None, partition_key: str | None = None
    ) -> None:
        """Start a run, or go on with the run of that name: wait for it where it runs, clear it where it failed.

        Raises:
            PlatformError: a task failed, or the run does not end.
        """
        dag_run = self.api.run(dag, run_id)
        if dag_run is None:
            self.api.trigger(dag, run_id, conf=conf, partition_key=partition_key)
        else:
            self._again_if_failed(dag_run)
        self._to_its_end(dag, run_id)

    def started_by_event(
        self,
        dag: str,
        mine: Callable[[DagRun], bool] = lambda run: True,
        until: Callable[[], bool] = lambda: True,
        again_from: Sequence[str] = (),
    ) -> None:
        """Wait for a run that nothing but an event starts; one that failed in an earlier demo runs again.

        Args:
            dag: the DAG that the event starts.
            mine: tells the run that is waited for from others of the DAG; the newest of several counts.
            until: what must be true in the end, beside the run having ended well.
            again_from: where a failed run begins again; by default with what failed.

        Raises:
            PlatformError: no such run appears, a task failed, or the run does not end.
        """
        deadline = time.monotonic() + EVENT_SECONDS
        followed: set[str] = set()
        while not (followed and until()):
            dag_run = next((run for run in self.api.runs(dag) if mine(run) and run.run_id not in followed), None)
            if dag_run is not None:
                self._again_if_failed(dag_run, again_from)
                self._to_its_end(dag, dag_run.run_id)
                followed.add(dag_run.run_id)
                deadline = time.monotonic() + EVENT_SECONDS
                continue
            self.display.doing(f"{dag} waits for its event")
            if time.monotonic() > deadline:
                raise PlatformError(
                    f"no event started {dag} within {EVENT_SECONDS:.0f} s; see {self.api.dag_page(dag)}\n"
                    "`make demo` goes on from there"
                )
            time.sleep(POLL_SECONDS)

    def _again_if_failed(self, run: DagRun, tasks: Sequence[str] = ()) -> None:
        if run.state == "failed":
            self.display.say(f"{run.dag_id} failed in an earlier demo: what failed runs again")
            self.api.clear(run.dag_id, run.run_id, tasks)

    def _to_its_end(self, dag: str, run_id: str) -> None:
        for run, tasks in self.api.follow(dag, run_id):
            self.display.doing(f"{dag}: {_progress(run, tasks)}")
        if run.state == "failed":
            failed = next((task for task in tasks if task.state in FAILED), None)
            raise PlatformError(self._failure(dag, run_id, failed))

    def _failure(self, dag: str, run_id: str, task: TaskInstance | None) -> str:
        page = self.api.run_page(dag, run_id)
        if task is None:
            return f"{dag} failed; see {page}"
        reason = _reason(self.api.log(dag, run_id, task.task_id, task.try_number))
        return f"task {task.task_id} of {dag} failed: {reason}\n  {page}\n`make demo` goes on from there"


def _reason(log: Sequence[str]) -> str:
    """Why a task failed, as the failure callback (`plugins/alerts.py`) wrote it into the task's log."""
    alert = next((line.partition(FAILURE)[2] for line in reversed(log) if FAILURE in line), None)
    return str(json.loads(alert)["error"]) if alert else "see its log"


def _progress(run: DagRun, tasks: list[TaskInstance]) -> str:
    running = [task.task_id for task in tasks if task.state in {"running", "deferred"}]
    again = [f"{task.task_id} (will be tried again)" for task in tasks if task.state == "up_for_retry"]
    ended = sum(task.state in DONE for task in tasks)
    return f"{', '.join([*running, *again]) or run.state}, {ended} of {len(tasks)} tasks done"
