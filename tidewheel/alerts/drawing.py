"""Draws the chart of a message: `python -m tidewheel.alerts.drawing`, a `Chart` in JSON from stdin, a PNG to stdout.

A process of its own: whatever drawing does, and however long it takes, the alerts service goes on, and does not hold
matplotlib's 60 MB.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from tidewheel.partitions import day_of

INCHES, DOTS = (7.0, 2.8), 110
LINE, LIMIT, SOFT = "#1f5fa8", "#b3261e", "#5f6673"
LONGEST_TITLE = 90


@dataclass(frozen=True)
class Chart:
    """A figure over time.

    Attributes:
        title: one line.
        figure: what is drawn.
        days: YYYY-MM-DD, oldest first.
        values: of the figure, one a day.
        limit: threshold of the alert; None where there is none.
    """

    title: str
    figure: str
    days: tuple[str, ...]
    values: tuple[float, ...]
    limit: float | None

    def to_json(self) -> str:
        """As `draw`'s process reads it."""
        return json.dumps(asdict(self))


def draw(chart: Chart, file: BinaryIO) -> None:
    """Draw a chart as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, dpi=DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    days: Any = [day_of(day) for day in chart.days]  # matplotlib takes dates, its types do not say so
    axes.plot(days, chart.values, color=LINE, linewidth=1.6, marker="o", markersize=3)
    axes.annotate(
        f"{chart.values[-1]:.4g}",
        (days[-1], chart.values[-1]),
        xytext=(6, 0),
        textcoords="offset points",
        color=LINE,
        va="center",
        fontsize=9,
    )
    if chart.limit is not None:
        axes.axhline(chart.limit, color=LIMIT, linewidth=1.2, linestyle="--", label=f"threshold {chart.limit:g}")
        axes.legend(loc="best", fontsize=8, frameon=False)
    # No mathematics: a name may hold a dollar sign.
    axes.set_title(chart.title[:LONGEST_TITLE], fontsize=10, loc="left", parse_math=False)
    axes.set_ylabel(chart.figure, fontsize=9, color=SOFT, parse_math=False)
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.tick_params(labelsize=8, colors=SOFT)
    axes.grid(visible=True, axis="y", linewidth=0.5, alpha=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.margins(x=0.06)
    figure.savefig(file, format="png")


def main() -> None:
    """Read, draw, write."""
    given = json.load(sys.stdin)
    days, values = tuple(given.pop("days")), tuple(given.pop("values"))
    draw(Chart(**given, days=days, values=values), sys.stdout.buffer)


if __name__ == "__main__":
    main()
