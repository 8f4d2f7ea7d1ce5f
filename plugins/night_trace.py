"""A listener of Airflow's scheduler: the DAG runs of one night are one trace.

Airflow gives each DAG run a trace of its own, also where another run started it. Before the first task of such a run is
queued, the run and its tasks are moved into the trace of the run that published the asset or requested the training.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

from tidewheel.tracing import is_on

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

TAG = "tidewheel"
"""All DAGs of a pipeline have it."""
CONTEXT = "traceparent"
"""Key of a carrier, and of a run's configuration: the span that requested the run (W3C Trace Context)."""
_TRACEPARENT = re.compile(r"00-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Move a run of a pipeline's DAG into the trace of what started it, if that is known and spans are sent."""
    if is_on() and TAG in {tag.name for tag in dag_run.dag_model.tags}:
        join(dag_run)


def join(dag_run: DagRun) -> None:
    """Take over trace id and sampling decision of what started a run; it and its tasks keep their own span ids.

    A run whose starter is unknown, as one that the schedule or a person started, stays as it is.
    """
    starter = _TRACEPARENT.fullmatch(_starter(dag_run))
    if starter is None:
        return
    for traced in (dag_run, *dag_run.task_instances):
        carrier = traced.context_carrier or {}
        own = _TRACEPARENT.fullmatch(carrier.get(CONTEXT, ""))
        if own is not None:
            context = f"00-{starter['trace']}-{own['span']}-{starter['flags']}"
            traced.context_carrier = {**carrier, CONTEXT: context}


def _starter(dag_run: DagRun) -> str:
    """The span that a caller names, else that of the run whose asset event came last; empty where there is none."""
    named = (dag_run.conf or {}).get(CONTEXT)
    if isinstance(named, str):
        return named
    events = [event for event in dag_run.consumed_asset_events if event.source_dag_run is not None]
    if not events:
        return ""
    newest = max(events, key=lambda event: event.timestamp)
    return str((newest.source_dag_run.context_carrier or {}).get(CONTEXT, ""))
