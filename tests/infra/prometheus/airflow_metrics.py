"""Airflow's metrics by its own logger, as the page that Prometheus' OTLP receiver would make of them.

Debian's Prometheus has no such receiver. The names follow its rules (https://prometheus.io/docs/guides/opentelemetry/):
dots become underscores, and a counter ends in `_total`.
"""

from __future__ import annotations

from tests import airflow_home  # isort: skip  # noqa: F401  before anything imports Airflow
from airflow._shared.observability.metrics.otel_logger import SafeOtelLogger
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum


class AirflowMetrics:
    """What a scheduler, a DAG processor and a triggerer send."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._stats = SafeOtelLogger(MeterProvider(metric_readers=[self._reader], shutdown_on_exit=False))
        for name in ("scheduler_heartbeat", "dag_processor_heartbeat", "triggerer_heartbeat"):
            self._stats.incr(name)
        for name in ("executor.running_tasks", "executor.queued_tasks", "executor.open_slots"):
            self._stats.gauge(name, 4, tags={"executor_class_name": "LocalExecutor"})
        self._stats.gauge("scheduler.tasks.starving", 0)
        self._stats.gauge("pool.open_slots", 128, tags={"pool_name": "default_pool"})
        self._stats.gauge("dag_processing.import_errors", 0)
        self._stats.gauge("triggers.running", 3, tags={"hostname": "here"})
        tags = {"dag_id": "sales.features", "task_id": "land"}
        for state in ("success", "failed"):
            self._stats.incr("ti.finish", tags={**tags, "state": state})

    def text(self) -> bytes:
        """The page; the scheduler has worked meanwhile."""
        self._stats.incr("scheduler_heartbeat")
        data = self._reader.get_metrics_data()
        assert data is not None
        lines = []
        for metric in (one for part in data.resource_metrics for scope in part.scope_metrics for one in scope.metrics):
            total = "_total" if isinstance(metric.data, Sum) and metric.data.is_monotonic else ""
            for point in metric.data.data_points:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted((point.attributes or {}).items()))
                lines.append(f"{metric.name.replace('.', '_')}{total}{{{labels}}} {point.value}\n")
        return "".join(lines).encode()
