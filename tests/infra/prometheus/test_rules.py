"""Each alert fires for its cause, not before it, and no longer after it: played by Prometheus' own promtool."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from infra.prometheus.rules import rules

FOLDER = Path(__file__).parents[3] / "infra" / "prometheus"
HOUR = 3_600
DAY = 24 * HOUR
P = 'pipeline="p"'
VERSION = f'{P},model_version="3"'


@dataclass(frozen=True)
class Case:
    """Series by the minute, in promtool's notation, and minutes at which the alert fires or does not."""

    alert: str
    series: dict[str, str]
    fires: tuple[int, ...]
    quiet: tuple[int, ...]
    alerts: int = 1

    def __str__(self) -> str:
        return self.alert


def requests(failed: str, answered: str) -> dict[str, str]:
    name = f'tidewheel_router_requests_total{{{P},colour="blue",outcome="%s"}}'
    return {name % "failed": failed, name % "answered": answered}


def times(fast: str, every: str) -> dict[str, str]:
    name = f'tidewheel_router_request_seconds_bucket{{{P},colour="blue",le="%s"}}'
    return {name % "0.25": fast, name % "+Inf": every}


def statuses(refused: str, answered: str) -> dict[str, str]:
    name = f'tidewheel_requests_total{{{VERSION},status="%s"}}'
    return {name % "422": refused, name % "200": answered}


def since(name: str, labels: str, seconds: int, renewed: int = 0) -> dict[str, str]:
    """A time that long before the minute 0, and after 60 minutes another one that long before it."""
    return {f"{name}{{{labels}}}": f"{-seconds}x60 {-renewed}x60"}


def volume(claim: str) -> dict[str, str]:
    """A volume of 100 bytes that fills up to 95 in its first hour and is not emptied."""
    name = f'kubelet_volume_stats_%s_bytes{{namespace="ml",persistentvolumeclaim="{claim}"}}'
    return {name % "available": "50x59 5x60", name % "capacity": "100x120"}


def maximum(what: str, share: float) -> dict[str, str]:
    """What the pipeline's file allows."""
    return {f"tidewheel_requests_{what}_maximum_share{{{P}}}": f"{share}x600"}


CASES = [
    # one request in ten is refused by the service for its content, then none; or very few are asked at all
    Case(
        "TidewheelRequestsRefused", statuses("0+6x60 360x60", "0+54x120") | maximum("refused", 0.05), (30, 55), (2, 100)
    ),
    Case("TidewheelRequestsRefused", statuses("0+6x60 360x60", "0+54x120") | maximum("refused", 0.2), (), (30, 55)),
    Case("TidewheelRequestsRefused", statuses("0+1x120", "0x120") | maximum("refused", 0.05), (), (60, 120)),
    Case(
        "TidewheelRequestsUnusual",
        {f"tidewheel_requests_unusual_share{{{P}}}": "0.3x10 0.4x20 0x20"} | maximum("unusual", 0.3),
        (15,),
        (5, 40),
    ),
    Case("TidewheelSkew", {f"tidewheel_skewed_columns{{{P}}}": "0x10 2x20 0x20"}, (15,), (5, 40)),
    # a tenth of the requests fail for 20 minutes: both pages and the ticket
    Case("TidewheelErrorBudgetBurns", requests("0x60 60+60x20 1260x500", "0+540x600"), (80,), (50,), alerts=3),
    # one in a thousand fails: as the budget has it
    Case("TidewheelErrorBudgetBurns", requests("0+1x600", "0+1099x600"), (), (100, 500)),
    # all of very few requests fail
    Case("TidewheelErrorBudgetBurns", requests("0+1x120", "0x120"), (), (60, 120)),
    Case(
        "TidewheelLatencyBudgetBurns", times("0x60 0x120", "0+600x180") | requests("0x180", "0+600x180"), (70,), (), 3
    ),
    Case(
        "TidewheelLatencyBudgetBurns", times("0+599x180", "0+600x180") | requests("0x180", "0+600x180"), (), (70, 150)
    ),
    Case(
        "TidewheelReleaseFailed", {f'tidewheel_releases_total{{{P},status="failed"}}': "0x30 1x200"}, (40,), (20, 120)
    ),
    Case(
        "TidewheelReleaseStuck",
        {f'tidewheel_release_started_timestamp_seconds{{{VERSION},colour="blue"}}': "0x150 _x50"},
        (130,),
        (100, 170),
    ),
    Case(
        "TidewheelChampionOld",
        since("tidewheel_champion_data_timestamp_seconds", VERSION, 38 * DAY, 1 * DAY)
        | {f"tidewheel_champion_maximum_age_seconds{{{P}}}": f"{30 * DAY}x120"},
        (30,),
        (90,),
    ),
    Case("TidewheelChampionOld", since("tidewheel_champion_data_timestamp_seconds", VERSION, 400 * DAY), (), (30,)),
    Case(
        "TidewheelNightLate",
        since("tidewheel_monitored_day_timestamp_seconds", P, 2 * DAY, DAY)
        | since("tidewheel_expected_day_timestamp_seconds", P, DAY, DAY),
        (45,),
        (10, 90),
    ),
    Case(
        "TidewheelHourLate",
        since("tidewheel_validated_hour_timestamp_seconds", P, 9 * HOUR, HOUR)
        | since("tidewheel_expected_hour_timestamp_seconds", P, 8 * HOUR, 8 * HOUR),
        (30,),
        (90,),
    ),
    # a history that is played, or a source that has ended: its newest day is old, and none is expected
    Case(
        "TidewheelNightLate",
        since("tidewheel_monitored_day_timestamp_seconds", P, 900 * DAY, 900 * DAY)
        | since("tidewheel_expected_day_timestamp_seconds", P, 900 * DAY, 900 * DAY),
        (),
        (45, 90),
    ),
    Case(
        "TidewheelLabelsLate",
        since("tidewheel_labelled_day_timestamp_seconds", P, 9 * DAY, 7 * DAY)
        | since("tidewheel_expected_labels_timestamp_seconds", P, 8 * DAY, 8 * DAY),
        (30,),
        (90,),
    ),
    Case(
        "TidewheelLossAboveExpected",
        {
            f"tidewheel_excess_loss{{{VERSION}}}": "0.03x60 0.01x60",
            f"tidewheel_excess_loss_standard_error{{{VERSION}}}": "0.005x120",
            f"tidewheel_excess_loss_days{{{VERSION}}}": "7x120",
            f'tidewheel_model_info{{{VERSION},colour="blue"}}': "1x120",
        },
        (30,),
        (90,),
    ),
    Case(
        "TidewheelDrift",
        {f"tidewheel_drifted_columns{{{P}}}": "6x60 2x60", f"tidewheel_compared_columns{{{P}}}": "10x120"},
        (30,),
        (90,),
    ),
    Case(
        "TidewheelDrift",
        {f"tidewheel_drifted_columns{{{P}}}": "0x60", f"tidewheel_compared_columns{{{P}}}": "0x60"},
        (),
        (30,),
    ),
    Case("TidewheelApprovalWaiting", {f"tidewheel_approvals_waiting{{{P}}}": "1x1500 0x100"}, (1480,), (600, 1550)),
    Case("TidewheelPipelineUnreadable", {f'tidewheel_pipeline_info{{{P},team=""}}': "1x60 _x60"}, (30,), (10, 90)),
    Case("TidewheelLedgerDown", {"tidewheel_ledger_up": "1x30 0x30 1x60"}, (40,), (20, 31, 90)),
    Case("TidewheelRouterDown", {"tidewheel_router_up": "1x30 0x30 1x60"}, (40,), (20, 31, 90)),
    Case("TidewheelVolumeNearlyFull", volume("data-tidewheel-postgresql-0"), (80,), (30, 65)),
    Case("TidewheelVolumeNearlyFull", volume("data-another-0"), (), (80,)),
    Case("TidewheelExporterSilent", {"tidewheel_ledger_up": "1x30 _x30 1x60"}, (45,), (20, 90)),
    Case("TidewheelWatchdog", {}, (1, 60), ()),
]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not on the path: install Prometheus (Debian and Ubuntu: apt install prometheus)")
    return found


def test_the_rules_file_is_what_its_module_prints() -> None:
    assert YAML(typ="safe").load((FOLDER / "rules.yaml").read_text()) == rules()


def test_every_alert_has_a_case_in_which_it_fires_and_says_what_to_do() -> None:
    alerts = {rule["alert"]: rule for group in rules()["groups"] for rule in group["rules"] if "alert" in rule}

    assert alerts.keys() == {case.alert for case in CASES if case.fires}
    for alert in alerts.values():
        assert alert["labels"]["severity"] in {"page", "ticket", "none"}
        assert alert["annotations"].keys() == {"summary", "action"}


def test_configuration_and_rules_are_prometheus_own(promtool: str) -> None:
    ran = subprocess.run(
        [promtool, "check", "config", str(FOLDER / "prometheus.yaml")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_fires_for_its_cause_only(case: Case, promtool: str, tmp_path: Path) -> None:
    firing = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)'
    minutes = {**dict.fromkeys(case.fires, case.alerts), **dict.fromkeys(case.quiet, 0)}
    # promtool begins at the time 0, and has no times before it
    checks = [
        {"expr": firing, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": count}]}
        for minute, count in minutes.items()
    ]
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": checks}
    document = {"rule_files": [str(FOLDER / "rules.yaml")], "evaluation_interval": "1m", "tests": [test]}
    text = StringIO()
    YAML().dump(json.loads(json.dumps(document)), text)
    (tmp_path / "test.yaml").write_text(text.getvalue())
    ran = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "test.yaml")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
