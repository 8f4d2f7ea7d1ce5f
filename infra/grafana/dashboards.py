"""Writes the dashboards: `python -m infra.grafana.dashboards FOLDER`, which `make dashboards` does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from infra.grafana.panels import Dashboard, Panel, to_json

P = 'pipeline="$pipeline"'
REQUESTS, TIMES = "tidewheel_router_requests_total", "tidewheel_router_request_seconds_bucket"
RATE = "[$__rate_interval]"


def dashboards() -> tuple[Dashboard, ...]:
    """All of them."""
    return fleet(), model(), endpoint(), platform()


def fleet() -> Dashboard:
    """All pipelines, for whoever operates them."""
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


def model() -> Dashboard:
    """One pipeline's model, for whoever owns it."""
    return Dashboard(
        "tidewheel-model",
        "Tidewheel: one model",
        (
            Panel(
                "Version that answers",
                ((f"tidewheel_model_info{{{P}}}", "{{model_version}} ({{colour}})"),),
                kind="state-timeline",
                width=24,
                height=5,
            ),
            Panel("Quality of the newest labelled day", (
                (f"tidewheel_quality{{{P}}}", "{{figure}} of version {{model_version}}"),
            )),
            Panel(
                "Loss above what was expected",
                (
                    (f"tidewheel_excess_loss{{{P}}}", "version {{model_version}}"),
                    (f"3 * tidewheel_excess_loss_standard_error{{{P}}}", "limit, version {{model_version}}"),
                ),
            ),
            Panel("Columns that have drifted", (
                (f"tidewheel_drifted_columns{{{P}}}", "drifted"),
                (f"tidewheel_compared_columns{{{P}}}", "compared"),
            )),
            Panel(
                "Age of the newest day that was…",
                (
                    (f"time() - tidewheel_champion_data_timestamp_seconds{{{P}}}", "learned from, {{model_version}}"),
                    (f"time() - tidewheel_monitored_day_timestamp_seconds{{{P}}}", "monitored"),
                    (f"time() - tidewheel_labelled_day_timestamp_seconds{{{P}}}", "labelled"),
                ),
                "s",
            ),
            Panel("Decisions a day", (
                (f"sum by (kind, outcome) (increase(tidewheel_verdicts_total{{{P}}}[1d]))", "{{kind}} {{outcome}}"),
            )),
            Panel("Releases a day", (
                (f"sum by (status) (increase(tidewheel_releases_total{{{P}}}[1d]))", "{{status}}"),
            )),
        ),
        per_pipeline=True,
    )  # fmt: skip


def endpoint() -> Dashboard:
    """What callers of one pipeline get."""
    quantiles = tuple(
        (
            f"histogram_quantile({q}, sum by (le, colour) (rate({TIMES}{{{P}}}{RATE})))",
            f"p{q * 100:g} {{{{colour}}}}",
        )
        for q in (0.5, 0.95, 0.99)
    )
    all_requests = f"sum(rate({REQUESTS}{{{P}}}{RATE}))"
    ratios = (("errors", 0.001), ("slow", 0.01))
    burns = tuple(
        (f"pipeline:tidewheel_router_{ratio}:ratio_rate{window}{{{P}}} / {budget}", f"{ratio} {window}")
        for ratio, budget in ratios
        for window in ("5m", "1h", "6h")
    )
    return Dashboard(
        "tidewheel-endpoint",
        "Tidewheel: one endpoint",
        (
            Panel("Requests a second", (
                (f"sum by (colour, outcome) (rate({REQUESTS}{{{P}}}{RATE}))", "{{colour}} {{outcome}}"),
            ), "reqps"),
            Panel("Share that failed (5xx)", (
                (f'sum(rate({REQUESTS}{{{P}, outcome="failed"}}{RATE})) / ({all_requests} > 0)', "failed"),
            ), "percentunit", thresholds=(0.001, 0.01)),
            Panel("Time to the answer, at the router", quantiles, "s"),
            Panel("Use of the 30 days' budget", burns, about="1 uses up the budget in 30 days; 14.4 in two.",
                  thresholds=(1, 6)),
            Panel("Time in the service, by version", tuple(
                (
                    f"histogram_quantile({q}, sum by (le, model_version) "
                    f"(rate(tidewheel_request_seconds_bucket{{{P}}}{RATE})))",
                    f"p{q * 100:g} version {{{{model_version}}}}",
                )
                for q in (0.5, 0.99)
            ), "s"),
            Panel("Requests a second, by version and status", (
                (
                    f"sum by (model_version, status) (rate(tidewheel_requests_total{{{P}}}{RATE}))",
                    "{{model_version}} {{status}}",
                ),
            ), "reqps"),
            Panel("Values unlike any in training, a second", (
                (f"sum by (model_version) (rate(tidewheel_flagged_values_total{{{P}}}{RATE}))", "{{model_version}}"),
            )),
            Panel("Requests that the log dropped, and attempts that were cut off, a second", (
                (f"sum(rate(tidewheel_log_dropped_requests_total{{{P}}}{RATE}))", "dropped by the log"),
                (f"sum by (colour) (rate(tidewheel_router_resets_total{{{P}}}{RATE}))", "cut off, {{colour}}"),
            )),
        ),
        per_pipeline=True,
    )  # fmt: skip


def platform() -> Dashboard:
    """The platform's own parts."""
    return Dashboard(
        "tidewheel-platform",
        "Tidewheel: platform",
        (
            _stat("Ledger", "min(tidewheel_ledger_up)"),
            _stat("Routers", "sum(tidewheel_router_up)"),
            _stat("Routers without an answer", "count(tidewheel_router_up == 0) or vector(0)", (1, 1)),
            _stat("Model services", 'sum(up{job=~".*tidewheel-models"})'),
            Panel(
                "Alerts",
                (('ALERTS{alertname=~"Tidewheel.+"}', "{{alertname}} {{pipeline}} {{alertstate}}"),),
                kind="state-timeline",
                width=24,
                about="TidewheelWatchdog always fires: somebody else is told when it stops arriving.",
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
            Panel("Pipelines whose file cannot be read", (
                ('count(tidewheel_pipeline_info{team=""}) or vector(0)', "unreadable"),
            ), thresholds=(1, 1)),
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
