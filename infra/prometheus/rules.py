"""Prints the recording and alerting rules: `python -m infra.prometheus.rules > infra/prometheus/rules.yaml`.

Two objectives over 30 days: requests are answered without a 5xx, and within a time. Burn rates and windows are those of
Google's SRE workbook, chapter "Alerting on SLOs": a budget that burns 14.4 or 6 times too fast pages somebody, one that
will just be used up is a ticket. A short window beside the long one ends the alert soon after its cause has ended.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

AVAILABILITY = 0.999
FAST, FAST_SECONDS = 0.99, 0.25
BURNS = (("1h", "5m", 14.4, "page"), ("6h", "30m", 6.0, "page"), ("3d", "6h", 1.0, "ticket"))
WINDOWS = ("5m", "30m", "1h", "6h", "3d")
REQUESTS, TIMES = "tidewheel_router_requests_total", "tidewheel_router_request_seconds"
FEW = 0.05
"""Requests a second: of fewer, a single failure would look like an outage."""
VOLUMES = 'persistentvolumeclaim=~"[a-z]+-tidewheel-.*"'
"""Claims of the chart, as Kubernetes names those of a StatefulSet; without Kubernetes there is no such metric."""
DAY = 86_400
AS_THEY_ARE: Mapping[str, str] = MappingProxyType({})
LOOKS_BACK = re.compile(r"\[(\d+[smhd])\]")
Rule = dict[str, Any]


def rules(lengths: Mapping[str, str] = AS_THEY_ARE) -> dict[str, Any]:
    """The rules, as Prometheus reads them.

    Args:
        lengths: other lengths of time for those that a rule looks back (`[1h]`) or waits (`for: 30m`), so that an alert
            can be tried out in seconds. One that is not named stays. Names and labels keep the usual lengths.
    """
    groups = {
        "tidewheel_ratios": _ratios(),
        "tidewheel_endpoints": [*_burns(), *_releases()],
        "tidewheel_models": _models(),
        "tidewheel_callers": _callers(),
        "tidewheel_platform": _platform(),
    }
    return {
        "groups": [{"name": name, "rules": [_paced(rule, lengths) for rule in group]} for name, group in groups.items()]
    }


def _paced(rule: Rule, lengths: Mapping[str, str]) -> Rule:
    expr = LOOKS_BACK.sub(lambda found: f"[{lengths.get(found[1], found[1])}]", rule["expr"])
    waits = {"for": lengths.get(rule["for"], rule["for"])} if "for" in rule else {}
    return {**rule, "expr": expr, **waits}


def _ratios() -> Iterator[Rule]:
    # Envoy gives no sum of the times, and a histogram without a sum has no `_count` either.
    parts = {
        "errors": f'sum by (pipeline) (rate({REQUESTS}{{outcome="failed"}}[WINDOW]))'
        f" / sum by (pipeline) (rate({REQUESTS}[WINDOW]))",
        "slow": f'1 - sum by (pipeline) (rate({TIMES}_bucket{{le="{FAST_SECONDS}"}}[WINDOW]))'
        f' / sum by (pipeline) (rate({TIMES}_bucket{{le="+Inf"}}[WINDOW]))',
    }
    for window in WINDOWS:
        for name, expr in parts.items():
            yield {"record": _ratio(name, window), "expr": expr.replace("WINDOW", window)}


def _burns() -> Iterator[Rule]:
    objectives = (
        ("TidewheelErrorBudgetBurns", "errors", 1 - AVAILABILITY, "fail"),
        ("TidewheelLatencyBudgetBurns", "slow", 1 - FAST, f"take more than {FAST_SECONDS * 1000:g} ms"),
    )
    for name, ratio, budget, what in objectives:
        for long, short, factor, severity in BURNS:
            over = [f"{_ratio(ratio, window)} > {factor} * {budget:g}" for window in (long, short)]
            busy = f"sum by (pipeline) (rate({REQUESTS}[{long}])) > {FEW}"
            rule = _alert(
                name,
                " and ".join([*over, busy]),
                severity,
                f"{{{{ $labels.pipeline }}}}: {{{{ $value | humanizePercentage }}}} of requests {what} ({long})",
                "`tidewheel status` says what answers; `tidewheel rollback NAME` returns to the version before.",
            )
            yield {**rule, "labels": {**rule["labels"], "window": long}}


def _releases() -> Iterator[Rule]:
    yield _alert(
        "TidewheelReleaseFailed",
        'increase(tidewheel_releases_total{status="failed"}[1h]) > 0',
        "ticket",
        "{{ $labels.pipeline }}: a release failed or was rolled back; the version before it answers",
        "`tidewheel why NAME --kind release` says why.",
    )
    yield _alert(
        "TidewheelReleaseStuck",
        "time() - tidewheel_release_started_timestamp_seconds > 7200",
        "ticket",
        "{{ $labels.pipeline }}: the release of version {{ $labels.model_version }} has run for "
        "{{ $value | humanizeDuration }}",
        "Resume it: clear its task in Airflow, or run the same command again.",
    )


def _models() -> Iterator[Rule]:
    age = "time() - tidewheel_champion_data_timestamp_seconds"
    yield _alert(
        "TidewheelChampionOld",
        f"{age} > on (pipeline) group_left () (tidewheel_champion_maximum_age_seconds + {7 * DAY})",
        "ticket",
        "{{ $labels.pipeline }}: the newest day that version {{ $labels.model_version }} learned from ended "
        "{{ $value | humanizeDuration }} ago",
        "`tidewheel why NAME` says what holds a training back, or refuses the challengers.",
    )
    yield _alert(
        "TidewheelNightLate",
        _later("monitored_day", "expected_day"),
        "ticket",
        "{{ $labels.pipeline }}: the newest monitored day ended {{ $value | humanizeDuration }} ago",
        "Look at the runs of NAME.features and NAME.monitoring in Airflow.",
        wait="30m",
    )
    yield _alert(
        "TidewheelHourLate",
        _later("validated_hour", "expected_hour"),
        "ticket",
        "{{ $labels.pipeline }}: the newest validated hour ended {{ $value | humanizeDuration }} ago",
        "Look at the runs of NAME.features in Airflow: none was started, or the source has not delivered.",
    )
    yield _alert(
        "TidewheelLabelsLate",
        _later("labelled_day", "expected_labels"),
        "ticket",
        "{{ $labels.pipeline }}: the newest day with labels ended {{ $value | humanizeDuration }} ago",
        "Without labels nobody knows how good the model is: contact the source of the labels.",
    )
    worse = "tidewheel_excess_loss > 3 * tidewheel_excess_loss_standard_error"
    yield _alert(
        "TidewheelLossAboveExpected",
        f"{worse} and tidewheel_excess_loss_days >= 5 and on (pipeline, model_version) tidewheel_model_info",
        "ticket",
        "{{ $labels.pipeline }}: version {{ $labels.model_version }} loses {{ $value | humanize }} more than expected",
        "A retraining is requested unless something restrains it: `tidewheel why NAME`.",
    )
    yield _alert(
        "TidewheelDrift",
        "tidewheel_drifted_columns / (tidewheel_compared_columns > 0) > 0.5",
        "ticket",
        "{{ $labels.pipeline }}: {{ $value | humanizePercentage }} of the columns have drifted",
        "Open the newest drift report from NAME.monitoring in Airflow.",
    )
    yield _alert(
        "TidewheelApprovalWaiting",
        "tidewheel_approvals_waiting > 0",
        "ticket",
        "{{ $labels.pipeline }}: a challenger has waited a day for an approval",
        "Answer it in Airflow (Required actions), or by `tidewheel approve` or `tidewheel reject`.",
        wait="1d",
    )
    yield _alert(
        "TidewheelPipelineUnreadable",
        'tidewheel_pipeline_info{team=""} == 1',
        "ticket",
        "{{ $labels.pipeline }}: its file cannot be read, so nothing of it runs",
        "`tidewheel validate NAME` names the line.",
        wait="15m",
    )


def _callers() -> Iterator[Rule]:
    counted = 'tidewheel_requests_total{status=~"200|400|413|422"}'
    outside = 'tidewheel_requests_total{status=~"400|413|422"}'
    yield _alert(
        "TidewheelRequestsRefused",
        f"sum by (pipeline) (rate({outside}[15m])) / (sum by (pipeline) (rate({counted}[15m])) > {FEW})"
        # The exporter does not have it while the ledger is away; requests come all the same.
        " > on (pipeline) max by (pipeline) (last_over_time(tidewheel_requests_refused_maximum_share[1d]))",
        "ticket",
        "{{ $labels.pipeline }}: {{ $value | humanizePercentage }} of requests are refused as outside the contract",
        "`tidewheel_contract_problems_total` says for which columns; ask the callers to correct them.",
        wait="5m",
    )
    yield _alert(
        "TidewheelRequestsUnusual",
        "tidewheel_requests_unusual_share > on (pipeline) tidewheel_requests_unusual_maximum_share",
        "ticket",
        "{{ $labels.pipeline }}: {{ $value | humanizePercentage }} of the rows that callers sent on the newest day "
        "have values that training never had",
        "`tidewheel why NAME --kind requests` has the share of each column; the next training learns new categories.",
    )
    yield _alert(
        "TidewheelSkew",
        "tidewheel_skewed_columns > 0",
        "ticket",
        "{{ $labels.pipeline }}: callers send {{ $value }} columns otherwise than the night computes them",
        "`tidewheel why NAME --kind requests` names the columns, the shares and the sizes.",
    )


def _platform() -> Iterator[Rule]:
    for part, what in (("ledger", "PostgreSQL"), ("router", "Envoy")):
        yield _alert(
            f"Tidewheel{part.title()}Down",
            f"tidewheel_{part}_up == 0",
            "page",
            f"the {part} ({what}) does not answer",
            f"`tidewheel status` and `tidewheel logs {'postgres' if part == 'ledger' else 'envoy'}`.",
            wait="2m",
        )
    yield _alert(
        "TidewheelVolumeNearlyFull",
        f"kubelet_volume_stats_available_bytes{{{VOLUMES}}} / kubelet_volume_stats_capacity_bytes{{{VOLUMES}}} < 0.1",
        "page",
        "the volume {{ $labels.persistentvolumeclaim }} has {{ $value | humanizePercentage }} left",
        "Make it larger, or free some space; PostgreSQL stops on a full one.",
        wait="10m",
    )
    yield _alert(
        "TidewheelExporterSilent",
        "absent(tidewheel_ledger_up)",
        "page",
        "nothing is scraped from the exporter: every other alert is blind",
        "`tidewheel status`; compare the scrape target's address with the exporter's.",
        wait="5m",
    )
    yield _alert(
        "TidewheelWatchdog",
        "vector(1)",
        "none",
        "always fires: have somebody else raise the alarm when it stops arriving",
        "Send it to a dead man's switch.",
    )


def _later(newest: str, expected: str) -> str:
    """How long ago a day ended, where a later one is expected by now: the limits are the console's."""
    return (
        f"time() - tidewheel_{newest}_timestamp_seconds > on (pipeline) "
        f"(time() - tidewheel_{expected}_timestamp_seconds)"
    )


def _ratio(name: str, window: str) -> str:
    return f"pipeline:tidewheel_router_{name}:ratio_rate{window}"


def _alert(name: str, expr: str, severity: str, summary: str, action: str, *, wait: str = "") -> Rule:
    return {
        "alert": name,
        "expr": expr,
        **({"for": wait} if wait else {}),
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "action": action},
    }


def main() -> None:
    """Print them."""
    yaml = YAML()
    yaml.width = 1_000
    sys.stdout.write("# Written by `make rules` from infra/prometheus/rules.py.\n")
    yaml.dump(rules(), sys.stdout)


if __name__ == "__main__":
    main()
