"""The page of a load: rate, latency, failures and replicas over time, in one HTML file with nothing to load."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from jobs.load.arrivals import Plan
from jobs.load.figures import SHARES, Figures
from jobs.pages.drawing import LEFT, RIGHT, TOP, WIDTH, Scale, grid, line_path, svg, value_scale
from jobs.pages.rendering import render_page
from tidewheel.spec import Pipeline

TEMPLATES = Path(__file__).with_name("templates")
HEIGHT = 170
TICKS = 8


@dataclass(frozen=True)
class Shown:
    """What the page is about.

    Attributes:
        url: of the pipeline's endpoint.
        batch: rows in each request.
        replicas: how many were ready, one a second; NaN where that is not known.
    """

    pipeline: Pipeline
    url: str
    plan: Plan
    batch: int
    found: Figures
    replicas: Sequence[float]


def load_page(shown: Shown, warning: str, marked: bool, code_version: str) -> str:
    """Write the page.

    Args:
        shown: what was sent and what came back.
        warning: why the figures are not those of the rate; empty where they are.
        marked: whether the requests were marked, so that the prediction log leaves them out.
        code_version: of the code that sent them.

    Returns:
        HTML.
    """
    figures = shown.found
    known = [count for count in shown.replicas if not math.isnan(count)]
    sent = {"sent": figures.sent, "failed": figures.failed}
    return render_page(
        TEMPLATES,
        "load.html",
        pipeline=shown.pipeline,
        shown=shown,
        found=figures,
        lead=sentence(shown),
        warning=warning,
        verdict="refused" if figures.failures else "inconclusive" if warning else "passed",
        marked=marked,
        budget=shown.pipeline.serving.latency_budget_ms,
        rates=_chart(sent, "requests a second"),
        latencies=_chart({name: figures.over_time[name] for name in SHARES}, "latency in milliseconds"),
        replicas=_chart({"ready": shown.replicas}, "replicas that get requests") if known else "",
        replica_range=f"{min(known):g} to {max(known):g}" if known else "not known",
        code_version=code_version,
    )


def sentence(shown: Shown) -> str:
    """The result in a sentence."""
    figures = shown.found
    latency = ", ".join(f"{name} {value:.1f}" for name, value in figures.latency.items())
    failed = f"{figures.failures:,} of {figures.requests:,} requests failed"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in figures.errors.items())
    return (
        f"{shown.pipeline.name}: {figures.rate:.0f} requests/s for {shown.plan.seconds:g} s, {failed}"
        f"{f' ({kinds})' if kinds else ''}; latency in ms {latency}"
    )


def _chart(lines: Mapping[str, Sequence[float]], title: str) -> str:
    """Lines over the seconds of the load, from 0 up."""
    seconds = max(len(values) for values in lines.values())
    bottom = TOP + HEIGHT
    across = Scale(0, max(seconds - 1, 1), LEFT, WIDTH - RIGHT)
    up = value_scale([0.0, *(value for values in lines.values() for value in values)], bottom, TOP)
    parts = [grid(up)]
    step = max(1, math.ceil(seconds / TICKS))
    for second in range(0, seconds, step):
        x = across(second)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{second} s</text>')
    for number, (name, values) in enumerate(lines.items()):
        drawn = [*values, *values] if len(values) == 1 else values  # one second is a line, too
        parts.append(f'<path class="line c{number}" d="{line_path(drawn, across, up)}"/>')
        parts.append(
            f'<text class="name t{number}" x="{WIDTH - RIGHT - 70 * (len(lines) - number) + 64}" y="{bottom + 34}" '
            f'text-anchor="end">{escape(name)}</text>'
        )
    return svg(parts, bottom + 42, title)
