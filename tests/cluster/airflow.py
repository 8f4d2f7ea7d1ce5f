"""A task as Airflow runs it: a worker starts it, a triggerer waits, a worker takes it up again; tries share a store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string

if TYPE_CHECKING:
    from plugins.operators.pod_operator import PodJobOperator

DAG, RUN = "shop.features", "manual__2026-11-22"


@dataclass
class Task:
    """One task of one run, over all its tries.

    Attributes:
        make: makes the operator anew, as each process does that parses the DAG.
        stored: what the operator keeps for its next try.
        tries: how many tries were begun.
        pushed: what went to XCom.
    """

    make: Callable[[], PodJobOperator]
    stored: dict[str, Any] = field(default_factory=dict)
    tries: int = 0
    pushed: dict[str, Any] = field(default_factory=dict)
    operator: PodJobOperator | None = None

    def run(self) -> Any:
        """One try, from its start to its end; returns what went to XCom."""
        return self.finish(self.begin())

    def finish(self, waiting: TaskDeferred | None) -> Any:
        """The rest of a try that waits; returns what went to XCom."""
        while waiting is not None:
            waiting = self._resume(waiting)
        return self.pushed["return_value"]

    def begin(self) -> TaskDeferred | None:
        """A try as far as its worker goes: the pod is there, and the task waits."""
        self.tries += 1
        return self._on_a_worker("execute")

    def resume_with(self, event: dict[str, Any]) -> TaskDeferred | None:
        """Take the try up again with what its trigger reports."""
        return self._on_a_worker("trigger_reentry", event=event)

    def _resume(self, waiting: TaskDeferred) -> TaskDeferred | None:
        # Waits as a triggerer does, and goes on as a worker.
        classpath, arguments = waiting.trigger.serialize()
        trigger = import_string(classpath)(**arguments)

        async def first() -> Any:
            async for event in trigger.run():
                return event.payload

        payload = asyncio.run(first())
        return self._on_a_worker(waiting.method_name, event=payload, **(waiting.kwargs or {}))

    def _on_a_worker(self, method: str, **arguments: Any) -> TaskDeferred | None:
        self.operator = operator = self.make()
        operator.job_options["run_id"] = RUN
        try:
            getattr(operator, method)(self._context(operator), **arguments)
        except TaskDeferred as waiting:
            return waiting
        return None

    def _context(self, operator: PodJobOperator) -> Any:
        ti = SimpleNamespace(
            dag_id=DAG,
            task_id=operator.task_id,
            map_index=-1,
            try_number=self.tries,
            start_date=datetime.now(UTC),
            xcom_push=lambda key, value: self.pushed.update({key: value}),
        )
        store = SimpleNamespace(get=self.stored.get, set=self.stored.__setitem__)
        return {
            "ti": ti,
            "run_id": RUN,
            "dag": SimpleNamespace(parent_dag=None),
            "task_state_store": store,
        }
