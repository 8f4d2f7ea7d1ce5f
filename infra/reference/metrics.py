"""The page of every Prometheus metric, from the collectors themselves."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from bentos.contract import Contract
from bentos.contract_counts import ContractCounts
from bentos.metrics import Metrics, PredictionLogCollector
from bentos.packaged import Packaged
from infra.prometheus.collector import ledger_families
from infra.prometheus.requests import router_families
from infra.prometheus.teams import team_families
from infra.reference.markdown import code, page, sentence, table

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from bentos.loaded_model import LoadedModel
    from bentos.prediction_log import PredictionLog

INTRODUCTION = """\
Every metric of Tidewheel. A counter is listed by the name it is exposed under, with `_total`; a histogram is exposed as
`_bucket`, `_count` and `_sum`; that of the router has buckets only. The exporter and the model services also expose the
metrics of their own process (`process_…`), and the exporter those of Python (`python_…`).
[Monitor with Prometheus and Grafana](../how-to/monitor-with-prometheus.md) says how they are scraped and which alerts
come with them."""
FROM_THE_LEDGER = """\
Exposed by the exporter (`TIDEWHEEL_EXPORTER_PORT`), and read from the ledger at each scrape."""
FROM_ROUTERS = "Exposed by the exporter too, and read from the routers at each scrape."
FROM_SERVICES = """\
Exposed by every replica of a model service under `/metrics`. `model_version` is the version in the registry."""
UNITS = {
    "_timestamp_seconds": "Unix time, seconds",
    "_seconds": "seconds",
    "_share": "share, 0 to 1",
    "_ratio": "ratio",
    "_rows": "rows",
    "_columns": "columns",
    "_days": "days",
    "_requests": "requests",
    "_in_flight": "requests",
    "_values": "values",
    "_runs": "runs",
    "_resets": "attempts",
    "_verdicts": "decisions",
    "_releases": "releases",
    "_problems": "requests",
    "_waiting": "versions",
    "_cpu_seconds_saved": "CPU seconds",
    "_cpu_seconds_expected": "CPU seconds",
    "_fits_saved": "fits",
    "_fits_maximum": "fits",
    "_up": "0 or 1",
    "_info": "always 1",
    "tidewheel_service": "always 1",
    "tidewheel_quality": "that of the figure",
    "_excess_loss": "that of the loss",
    "_standard_error": "that of the loss",
}
"""What a value counts or measures, by the end of the metric's name; the first that fits."""
SUFFIXES = {"counter": "_total", "info": "_info"}
OF_BUCKETS = frozenset({"le"})


def metrics_page() -> str:
    """The page `metrics.md`."""
    return page(
        "Metrics",
        INTRODUCTION,
        "## Pipelines",
        FROM_THE_LEDGER,
        _table([*ledger_families([], 0), *team_families([])]),
        "## Routers",
        FROM_ROUTERS,
        _table(router_families({})),
        "## Model services",
        FROM_SERVICES,
        _table(_of_services()),
    )


def _table(families: Iterable[Metric]) -> str:
    return table(("Metric", "Type", "Labels", "Unit", "Meaning"), (_row(one) for one in families))


def _row(metric: Metric) -> tuple[str, str, str, str, str]:
    name = f"{metric.name}{SUFFIXES.get(metric.type, '')}"
    labels = ", ".join(code(label) for label in _labels(metric))
    return code(name), metric.type, labels, _unit(metric.name), sentence(metric.documentation)


def _labels(metric: Metric) -> Iterable[str]:
    # A family has its labels from the start, and shows them in no public way before it has a sample.
    if (names := getattr(metric, "_labelnames", None)) is not None:
        return cast("Iterable[str]", names)
    return dict.fromkeys(label for sample in metric.samples for label in sample.labels if label not in OF_BUCKETS)


def _unit(name: str) -> str:
    for end, unit in UNITS.items():
        if name.endswith(end):
            return unit
    raise ValueError(f"metric {name} has no unit: add the end of its name to UNITS in {__name__}")


def _of_services() -> Iterable[Metric]:
    contract = Contract(pipeline="", task="classification", columns=(), golden_rows=())
    packaged = Packaged(contract, "", "", "", 1, False, 0.0, ())
    metrics = Metrics(cast("LoadedModel", SimpleNamespace(packaged=packaged, colour="")))
    log = SimpleNamespace(written=0, dropped={}, cut_requests=0, cut_rows=0)
    yield from (one for one in metrics.registry.collect() if not one.name.startswith("process_"))
    yield from PredictionLogCollector(cast("PredictionLog", log)).collect()
    yield from ContractCounts(packaged, "").collect()
