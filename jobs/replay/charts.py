"""Charts as inline SVG: they take their colours from the page's style sheet, so they are readable light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from jobs.models.prediction import Array
from jobs.pages.drawing import LEFT, RIGHT, TOP, WIDTH, Scale, grid, line_path, svg, value_scale

LANE = 18
"""Height of a policy's row of marks below a chart."""
NAME = 60
"""Dots closer than this have their names on different sides."""


@dataclass(frozen=True)
class Mark:
    """Something that happened on a day."""

    day: date
    kind: str
    """`promoted` or `rejected`: the style of the mark."""
    words: str


@dataclass(frozen=True)
class Line:
    """One policy in a chart over time.

    Attributes:
        name: the policy.
        colour: number of its colour in the style sheet.
        values: one a day; NaN leaves a gap.
        marks: what happened, drawn in a row of its own below.
    """

    name: str
    colour: int
    values: Array
    marks: Sequence[Mark] = ()


@dataclass(frozen=True)
class Dot:
    """One policy in a chart of quality against cost, with its interval."""

    name: str
    colour: int
    x: float
    y: float
    low: float
    high: float


def time_chart(days: Sequence[date], lines: Sequence[Line], title: str, height: int = 300) -> str:
    """Lines over days, and below them a row of marks for each line that has any.

    Args:
        days: one for each value.
        lines: the policies.
        title: what is drawn, for those who do not see it.
        height: of the chart without the rows of marks, in pixels.

    Returns:
        An `svg` element.
    """
    marked = [line for line in lines if line.marks]
    bottom = TOP + height
    whole = bottom + 22 + LANE * len(marked) + 4
    across = Scale(0, max(len(days) - 1, 1), LEFT, WIDTH - RIGHT)
    up = value_scale([value for line in lines for value in line.values], bottom, TOP)
    parts = [grid(up), *_months(days, across, bottom)]
    for line in lines:
        parts.append(f'<path class="line c{line.colour}" d="{line_path(line.values, across, up)}"/>')
    for row, line in enumerate(marked):
        y = bottom + 30 + LANE * row
        parts.append(f'<line class="lane" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{escape(line.name)}</text>')
        parts += [_mark(mark, across((mark.day - days[0]).days), y, line.colour) for mark in line.marks]
    return svg(parts, whole, title)


def cost_chart(dots: Sequence[Dot], across_title: str, up_title: str, title: str, height: int = 280) -> str:
    """Quality against cost, a dot with an interval for each policy; the cost on a logarithmic scale.

    Args:
        dots: the policies.
        across_title: what the cost is.
        up_title: what the quality is.
        title: what is drawn, for those who do not see it.
        height: in pixels.

    Returns:
        An `svg` element.
    """
    bottom = TOP + height
    across = Scale(-0.1, math.log2(max(max(dot.x for dot in dots), 2)) + 0.4, LEFT, WIDTH - RIGHT)
    up = value_scale([value for dot in dots for value in (dot.low, dot.high)], bottom, TOP)
    parts = [grid(up)]
    for power in range(int(across.high) + 1):
        x = across(power)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{2**power}</text>')
    for number, dot in enumerate(dots):
        x = across(math.log2(max(dot.x, 1)))
        parts.append(
            f'<line class="bar c{dot.colour}" x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="{up(dot.low):.1f}" y2="{up(dot.high):.1f}"/>'
        )
        parts.append(
            f'<circle class="dot c{dot.colour}" cx="{x:.1f}" cy="{up(dot.y):.1f}" r="5">'
            f"<title>{escape(dot.name)}: {dot.y:.4f}</title></circle>"
        )
        crowded = any(abs(x - across(math.log2(max(other.x, 1)))) < NAME for other in dots[:number])
        place = f'x="{x - 9:.1f}" text-anchor="end"' if crowded else f'x="{x + 9:.1f}"'
        parts.append(f'<text class="name" {place} y="{up(dot.y) + 4:.1f}">{escape(dot.name)}</text>')
    parts.append(
        f'<text class="tick" x="{WIDTH - RIGHT}" y="{bottom + 34}" text-anchor="end">{escape(across_title)}</text>'
    )
    parts.append(f'<text class="tick" x="{LEFT + 6}" y="{TOP + 10}">{escape(up_title)}</text>')
    return svg(parts, bottom + 42, title)


def _months(days: Sequence[date], across: Scale, y: float) -> Iterable[str]:
    """The first of each month; of a short span, every seventh day."""
    short = len(days) < 60
    for number, day in enumerate(days):
        if (number % 7 == 0) if short else (day.day == 1):
            words = f"{day:%d %b}" if short else f"{day:%b %Y}" if day.month == 1 or number == 0 else f"{day:%b}"
            yield f'<text class="tick" x="{across(number):.1f}" y="{y + 16}" text-anchor="middle">{words}</text>'


def _mark(mark: Mark, x: float, y: float, colour: int) -> str:
    words = f"<title>{escape(mark.words)}</title>"
    if mark.kind == "promoted":
        return f'<circle class="dot c{colour}" cx="{x:.1f}" cy="{y}" r="4.5">{words}</circle>'
    return f'<path class="cross c{colour}" d="M{x - 4:.1f} {y - 4}l8 8m0 -8l-8 8">{words}</path>'
