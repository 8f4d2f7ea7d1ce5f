"""Writes the dashboards: `python -m infra.grafana.dashboards FOLDER`, which `make dashboards` does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from infra.grafana.one_pipeline import RATE, REQUESTS, endpoint, model
from infra.grafana.panels import Dashboard, Panel, to_json
from infra.grafana.parts import airflow_itself, envoy_itself


def dashboards() -> tuple[Dashboard, ...]:
    """All of them."""
    return fleet(), model(), endpoint(), platform()


def fleet() -> Dashboard:
    """All pipelines, for their operators."""
    age = f"time() - {_newest('champion_data')}"
    worst = 3 * 86_400
    return Dashboard(
        "tidewheel-fleet",
        "Tidewheel: all pipelines",
        (
            _stat("Pipelines", "count(tidewheel_pipeline_info)"),
            _stat("Alerts", 'count(ALERTS{alertstate="firing", severity!="none"}) or vector(0)', (1, 5)),
            _stat("Approvals waiting", "sum(tidewheel_approvals_waiting)", (1, 5)),
            _stat("Releases running", "count(tidewheel_release_started_timestamp_seconds) or vector(0)"),
            Panel(
                "Pipelines",
                (
                    ("max by (pipeline, model_version, colour) (tidewheel_model_info)", ""),
                    (age, "champion's data, age"),
                    (f"time() - {_newest('monitored_day')}", "monitored day, age"),
                    (f"time() - {_newest('labelled_day')}", "labelled day, age"),
                ),
                "s",
                "table",
                24,
                10,
            ),
            Panel(
                "Excess loss, in standard errors",
                (
                    (
                        "tidewheel_excess_loss / (tidewheel_excess_loss_standard_error > 0)",
                        "{{pipeline}} {{model_version}}",
                    ),
                ),
                about="Above 3, the loss is higher than expected, and an alert fires.",
                thresholds=(2, 3),
            ),
            Panel(
                "Share of columns that have drifted",
                (("tidewheel_drifted_columns / (tidewheel_compared_columns > 0)", "{{pipeline}}"),),
                "percentunit",
                thresholds=(0.25, 0.5),
            ),
            Panel("Age of the champion's newest day", ((age, "{{pipeline}}"),), "s", thresholds=(worst, 10 * worst)),
            Panel(
                "Requests a second",
                ((f"sum by (pipeline) (rate({REQUESTS}{RATE}))", "{{pipeline}}"),),
                "reqps",
            ),
        ),
    )


def platform() -> Dashboard:
    """The platform's own parts."""
    return Dashboard(
        "tidewheel-platform",
        "Tidewheel: platform",
        (
            _stat("Ledger", "min(tidewheel_ledger_up)"),
            _stat("Routers", "sum(tidewheel_router_up)"),
            _stat("Routers without an answer", "count(tidewheel_router_up == 0) or vector(0)", (1, 1)),
            Panel(
                "Training CPU time by team, this month",
                (
                    ("tidewheel_team_training_cpu_seconds", "{{team}}"),
                    ("tidewheel_team_training_cpu_quota_seconds", "quota of {{team}}"),
                    ("tidewheel_team_training_gpu_seconds > 0", "GPUs of {{team}}"),
                ),
                "s",
                about="When a quota is used up, no training of that team begins before the next month.",
            ),
            _stat("Model services", 'sum(up{job=~".*tidewheel-models"})'),
            Panel(
                "Alerts",
                (('ALERTS{alertname=~"Tidewheel.+"}', "{{alertname}} {{pipeline}} {{alertstate}}"),),
                kind="state-timeline",
                width=24,
                about="TidewheelWatchdog always fires: another service raises an alarm when it stops arriving.",
            ),
            Panel("Time to read the ledger", (("tidewheel_exporter_collect_seconds", "{{instance}}"),), "s"),
            Panel("Memory of the services", (
                ('sum by (pipeline, colour) (process_resident_memory_bytes{job=~".*tidewheel-models"})',
                 "{{pipeline}} {{colour}}"),
                ('process_resident_memory_bytes{job=~".*tidewheel(-exporter)?"}', "exporter"),
            ), "bytes"),
            Panel("CPU of the model services", (
                ('sum by (pipeline, colour) (rate(process_cpu_seconds_total{job=~".*tidewheel-models"}'
                 f"{RATE}))", "{{pipeline}} {{colour}}"),
            )),
            Panel("Tasks that failed, a day", (
                ('sum by (pipeline, dag, task) (increase(tidewheel_task_runs_total{outcome="failed"}[1d])) > 0 '
                 "or vector(0)", "{{pipeline}} {{dag}}.{{task}}"),
            ), about="Retries that succeeded are left out."),
            Panel("Time of all tasks, a day", (
                ("sum by (pipeline) (increase(tidewheel_task_seconds_total[1d]))", "{{pipeline}}"),
            ), "s"),
            Panel("Pipelines whose file cannot be read", (
                ('count(tidewheel_pipeline_info{team=""}) or vector(0)', "unreadable"),
            ), thresholds=(1, 1)),
            *envoy_itself(),
            *airflow_itself(),
        ),
    )  # fmt: skip


def _newest(what: str) -> str:
    return f"max by (pipeline) (tidewheel_{what}_timestamp_seconds)"


def _stat(title: str, query: str, thresholds: tuple[float, float] | None = None) -> Panel:
    return Panel(title, ((query, title),), kind="stat", width=6, height=4, thresholds=thresholds)


def main() -> None:
    """Write them."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for dashboard in dashboards():
        text = json.dumps(to_json(dashboard), indent=1, ensure_ascii=False)
        (folder / f"{dashboard.uid}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
