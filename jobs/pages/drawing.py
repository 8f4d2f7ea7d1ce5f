"""Parts of charts as inline SVG: they take their colours from the page's style sheet, light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

import numpy as np

WIDTH, LEFT, RIGHT, TOP = 960, 64, 16, 14
TICKS = 5


@dataclass(frozen=True)
class Scale:
    """From values to places on the page."""

    low: float
    high: float
    begin: float
    end: float
    ticks: tuple[float, ...] = field(default=())

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)


def value_scale(values: Iterable[float], begin: float, end: float) -> Scale:
    """A scale with round ticks that holds all values; NaN counts for nothing."""
    known = np.array([value for value in values if not math.isnan(value)] or [0.0, 1.0])
    low, high = float(known.min()), float(known.max())
    if low == high:
        low, high = low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10
    spread = high - low
    step = 10 ** math.floor(math.log10(spread / TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if spread / (step * factor) <= TICKS)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    ticks = tuple(low + step * n for n in range(round((high - low) / step) + 1))
    return Scale(low, high, begin, end, ticks)


def grid(up: Scale) -> str:
    """A horizontal line and a number for each tick."""
    step = up.ticks[1] - up.ticks[0]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{tick:.{digits}f}</text>'
        for tick in up.ticks
    )


def line_path(values: Iterable[float], across: Scale, up: Scale) -> str:
    """What a `path` element draws for values at steps of 1; NaN leaves a gap."""
    steps, pen = [], "M"
    for number, value in enumerate(values):
        if math.isnan(value):
            pen = "M"
            continue
        steps.append(f"{pen}{across(number):.1f} {up(float(value)):.1f}")
        pen = "L"
    return "".join(steps)


def svg(parts: Iterable[str], height: float, title: str) -> str:
    """The element around a chart's parts."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
