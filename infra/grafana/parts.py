"""Panels of what Envoy and Airflow measure of themselves; their names are Envoy's and Airflow's own."""

from __future__ import annotations

from infra.grafana.panels import Panel

RATE = "[$__rate_interval]"
CLUSTERS = 'envoy_cluster_name=~"$pipeline-(blue|green)|httproute/[^/]+/$pipeline/.*"'
"""Of one pipeline: as the local backend names them, and as Envoy Gateway does."""
CALLERS = 'envoy_http_conn_manager_prefix!~"admin|eg-ready.*"'
PUSHED = "Empty unless Airflow pushes its metrics, see docs/how-to/monitor-with-prometheus.md."
GIVEN_UP = (("retry", "repeated"), ("timeout", "timed out"), ("pending_overflow", "refused: too many were waiting"))


def envoy_of_one_pipeline() -> tuple[Panel, ...]:
    """How Envoy gets on with the services of a pipeline."""
    return (
        Panel("Envoy: connections and requests in flight", (
            (f"sum by (envoy_cluster_name) (envoy_cluster_upstream_cx_active{{{CLUSTERS}}})",
             "{{envoy_cluster_name}} connections"),
            (f"sum by (envoy_cluster_name) (envoy_cluster_upstream_rq_active{{{CLUSTERS}}})",
             "{{envoy_cluster_name}} requests"),
        )),
        Panel("Envoy: attempts that failed, a second", tuple(
            (f"sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_{name}{{{CLUSTERS}}}{RATE}))",
             f"{{{{envoy_cluster_name}}}} {words}")
            for name, words in GIVEN_UP
        ), about="A caller sees them only if no attempt succeeded.", thresholds=(0.1, 1)),
        Panel("Envoy: replicas", (
            (f"sum by (envoy_cluster_name) (envoy_cluster_membership_healthy{{{CLUSTERS}}})",
             "{{envoy_cluster_name}} get requests"),
            (f"sum by (envoy_cluster_name) (envoy_cluster_membership_total{{{CLUSTERS}}})",
             "{{envoy_cluster_name}} in all"),
        )),
    )  # fmt: skip


def envoy_itself() -> tuple[Panel, ...]:
    """The router as a process."""
    return (
        Panel("Envoy: connections and requests of callers", (
            (f"sum(envoy_http_downstream_cx_active{{{CALLERS}}})", "connections"),
            (f"sum(envoy_http_downstream_rq_active{{{CALLERS}}})", "requests in flight"),
        )),
        Panel("Envoy: up since", (("envoy_server_uptime", "{{instance}}"),), "s"),
        Panel("Envoy: memory", (("envoy_server_memory_allocated", "{{instance}}"),), "bytes"),
    )  # fmt: skip


def airflow_itself() -> tuple[Panel, ...]:
    """Whether Airflow gets its work done."""
    return (
        Panel("Airflow: heartbeats a second", tuple(
            (f"sum(rate(airflow_{name}_heartbeat_total{RATE}))", name.replace("_", " "))
            for name in ("scheduler", "dag_processor", "triggerer")
        ), about=f"At 0, one of them has stopped, and no night runs. {PUSHED}"),
        Panel("Airflow: tasks", (
            ("sum(airflow_executor_running_tasks)", "running"),
            ("sum(airflow_executor_queued_tasks)", "queued"),
            ("sum(airflow_scheduler_tasks_starving)", "waiting for a slot of their pool"),
        ), about=PUSHED),
        Panel("Airflow: free slots", (
            ("sum(airflow_executor_open_slots)", "of the executor"),
            ("airflow_pool_open_slots", "of the pool {{pool_name}}"),
        ), about=PUSHED),
        Panel("Airflow: ends of tasks, an hour", (
            ("sum by (state) (max_over_time(airflow_ti_finish_total[1h]))", "{{state}}"),
        ), about=f"Each try is a process that sends its own count of 1 as it ends. {PUSHED}"),
        Panel("Airflow: DAG files that cannot be imported", (
            ("sum(airflow_dag_processing_import_errors)", "files"),
        ), about=PUSHED, thresholds=(1, 1)),
        Panel("Airflow: triggers", (("sum(airflow_triggers_running)", "running"),), about=PUSHED),
    )  # fmt: skip
