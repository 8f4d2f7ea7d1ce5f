"""The dashboards of one pipeline, which the reader chooses: its model, and its endpoint."""

from __future__ import annotations

from infra.grafana.panels import Dashboard, Panel
from infra.grafana.parts import envoy_of_one_pipeline

P = 'pipeline="$pipeline"'
REQUESTS, TIMES = "tidewheel_router_requests_total", "tidewheel_router_request_seconds_bucket"
RATE = "[$__rate_interval]"


def model() -> Dashboard:
    """One pipeline's model, for its owner."""
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
                "Loss on probation, against the predecessor's",
                ((f"tidewheel_probation_loss_ratio{{{P}}} - 1", "version {{model_version}} against {{predecessor}}"),),
                "percentunit",
                about="Empty where no version is on probation.",
            ),
            Panel(
                "Labelled days on probation",
                ((f"tidewheel_probation_days{{{P}}}", "version {{model_version}} against {{predecessor}}"),),
                about="After 14 of them probation ends, if nothing has ended it before.",
            ),
            Panel(
                "Age of the newest day that was…",
                (
                    (f"time() - tidewheel_champion_data_timestamp_seconds{{{P}}}", "learned from, {{model_version}}"),
                    (f"time() - tidewheel_validated_hour_timestamp_seconds{{{P}}}", "validated, by hour"),
                    (f"time() - tidewheel_expected_hour_timestamp_seconds{{{P}}}", "expected to be validated by now"),
                    (f"time() - tidewheel_monitored_day_timestamp_seconds{{{P}}}", "monitored"),
                    (f"time() - tidewheel_expected_day_timestamp_seconds{{{P}}}", "expected to be monitored by now"),
                    (f"time() - tidewheel_labelled_day_timestamp_seconds{{{P}}}", "labelled"),
                    (f"time() - tidewheel_expected_labels_timestamp_seconds{{{P}}}", "expected to be labelled by now"),
                ),
                "s",
                about="A line above the one that is expected is late, and an alert fires.",
            ),
            Panel(
                "Since the champion was promoted, and a version was switched to",
                (
                    (f"time() - tidewheel_champion_promoted_timestamp_seconds{{{P}}}", "version {{model_version}}"),
                    (f"time() - tidewheel_endpoint_changed_timestamp_seconds{{{P}}}", "switched to"),
                    (f"tidewheel_champion_maximum_age_seconds{{{P}}}", "age of its data at which a training is due"),
                ),
                "s",
            ),
            Panel(
                "What callers sent on the newest monitored day, shares",
                (
                    (f"tidewheel_requests_refused_share{{{P}}}", "requests refused"),
                    (f"tidewheel_requests_refused_maximum_share{{{P}}}", "requests that may be refused"),
                    (f"tidewheel_requests_unusual_share{{{P}}}", "rows unlike any in training"),
                    (f"tidewheel_requests_unusual_maximum_share{{{P}}}", "rows that may be unlike any"),
                    (f"tidewheel_skew_row_share{{{P}}}", "requests unlike what the night computed"),
                ),
                "percentunit",
            ),
            Panel(
                "Columns that callers send otherwise",
                (
                    (f"tidewheel_skewed_columns{{{P}}}", "than the night computes them"),
                    (f"tidewheel_live_drifted_columns{{{P}}}", "than in training"),
                ),
                about="An alert fires where the night computes any of them otherwise.",
            ),
            Panel(
                "The columns with most of it",
                (
                    (f"topk(5, tidewheel_column_skew_share{{{P}}})", "{{column}} unlike the night's"),
                    (f"topk(5, tidewheel_column_refused_share{{{P}}})", "{{column}} refused"),
                ),
                "percentunit",
            ),
            Panel("Decisions a day", (
                (f"sum by (kind, outcome) (increase(tidewheel_verdicts_total{{{P}}}[1d]))", "{{kind}} {{outcome}}"),
            )),
            Panel("What waits for a training or a person", (
                (f"time() - tidewheel_training_requested_timestamp_seconds{{{P}}}", "training requested, since"),
                (f"time() - tidewheel_release_started_timestamp_seconds{{{P}}}", "release {{model_version}}, since"),
            ), "s", about="Empty where nothing waits."),
            Panel("Fits of the budget", (
                (f"tidewheel_training_fits_saved{{{P}}}", "saved at the newest decision"),
                (f"tidewheel_training_fits_maximum{{{P}}}", "may be saved"),
            )),
            Panel("CPU seconds of the budget", (
                (f"tidewheel_training_cpu_seconds_saved{{{P}}}", "saved at the newest decision"),
                (f"tidewheel_training_cpu_seconds_expected{{{P}}}", "expected of the next training"),
            ), "s", about="Empty unless triggers.budget is in cpu_seconds."),
            Panel("Time of each task, the newest run", (
                (f"tidewheel_task_last_seconds{{{P}}}", "{{dag}}.{{task}}"),
            ), "s"),
            Panel("Since each task ended", (
                (f"time() - tidewheel_task_ended_timestamp_seconds{{{P}}}", "{{dag}}.{{task}}"),
            ), "s"),
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
            Panel("Requests outside the contract, a second", (
                (
                    f"topk(10, sum by (field, problem) (rate(tidewheel_contract_problems_total{{{P}}}{RATE})))",
                    "{{field}}: {{problem}}",
                ),
            ), "reqps", about="The ten columns with most of them."),
            Panel("Rows of a request", (
                (
                    f"sum by (model_version) (rate(tidewheel_request_rows_sum{{{P}}}{RATE})) / "
                    f"(sum by (model_version) (rate(tidewheel_request_rows_count{{{P}}}{RATE})) > 0)",
                    "mean, version {{model_version}}",
                ),
                (
                    f"histogram_quantile(0.99, sum by (le) (rate(tidewheel_request_rows_bucket{{{P}}}{RATE})))",
                    "p99",
                ),
            )),
            Panel("Rows explained, a second", (
                (f"sum by (model_version) (rate(tidewheel_explained_rows_total{{{P}}}{RATE}))", "{{model_version}}"),
            )),
            Panel("The prediction log, requests a second", (
                (f"sum(rate(tidewheel_logged_requests_total{{{P}}}{RATE}))", "written"),
                (f"sum(rate(tidewheel_log_cut_requests_total{{{P}}}{RATE}))", "written in part"),
                (f"sum by (reason) (rate(tidewheel_log_dropped_requests_total{{{P}}}{RATE}))", "dropped: {{reason}}"),
            ), "reqps"),
            Panel("Rows that the prediction log left out, a second", (
                (f"sum(rate(tidewheel_log_cut_rows_total{{{P}}}{RATE}))", "rows"),
            ), about="Of a large request it has the first rows only."),
            Panel("Requests in flight", (
                (f"sum by (colour) (tidewheel_router_requests_in_flight{{{P}}})", "{{colour}}"),
            ), about="What the routers wait for; an autoscaler may follow it."),
            Panel("Attempts that a service cut off, a second", (
                (f"sum by (colour) (rate(tidewheel_router_resets_total{{{P}}}{RATE}))", "{{colour}}"),
            ), about="Another replica may have answered."),
            *envoy_of_one_pipeline(),
        ),
        per_pipeline=True,
    )  # fmt: skip
